"""Runs calls of an ASGI application in this process, on one event loop: a new loop for each would
take most of the time.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import Any


class _Threads(ThreadPoolExecutor):
    """The threads of a call; `used` when there was work for them."""

    used = False

    def submit(
        self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> Future[Any]:
        self.used = True
        return super().submit(fn, *args, **kwargs)


class _Loop:
    """An event loop that ends each call as `asyncio.run` does: nothing of it goes on."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._threads = self._new_threads()

    def run(self, call: Coroutine[Any, Any, Any]) -> Any:
        try:
            return self._loop.run_until_complete(call)
        finally:
            if left := asyncio.all_tasks(self._loop):
                self._loop.run_until_complete(self._cancelled(left))
            if self._threads.used:
                self._threads.shutdown()
                self._threads = self._new_threads()

    def _new_threads(self) -> _Threads:
        threads = _Threads()
        self._loop.set_default_executor(threads)
        return threads

    @staticmethod
    async def _cancelled(tasks: set[asyncio.Task[Any]]) -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@cache
def _loop() -> _Loop:
    return _Loop()


def run(call: Coroutine[Any, Any, Any]) -> Any:
    """As `asyncio.run`."""
    if threading.current_thread() is threading.main_thread():
        return _loop().run(call)
    return asyncio.run(call)
