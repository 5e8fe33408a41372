"""MCP servers that are lists of messages, and how tests of subscriptions wait for them."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

UPDATED = "notifications/resources/updated"


class Servers:
    """Servers that acknowledge everything; `say` makes them tell, `end` ends their streams."""

    def __init__(self) -> None:
        self.open: dict[str, asyncio.Queue[Mapping[str, Any] | None]] = {}
        self.asked: list[tuple[str, list[str]]] = []
        self.silent: set[str] = set()
        self.deaf: set[str] = set()
        """They take requests and say nothing."""
        self.streams = 0

    async def source(
        self, server: str, uris: list[str]
    ) -> AsyncIterator[Mapping[str, Any]]:
        self.asked.append((server, uris))
        if server in self.silent:
            return
        queue = self.open[server] = asyncio.Queue()
        honored = {"notifications": {"resourceSubscriptions": uris}}
        self.streams += 1
        try:
            if server not in self.deaf:
                yield {
                    "method": "notifications/subscriptions/acknowledged",
                    "params": honored,
                }
            while (message := await queue.get()) is not None:
                yield message
        finally:
            self.streams -= 1

    def say(self, server: str, uri: str) -> None:
        self.open[server].put_nowait({"method": UPDATED, "params": {"uri": uri}})

    def end(self, server: str, *, gracefully: bool) -> None:
        if gracefully:
            self.open[server].put_nowait({"id": 1, "result": {}})
        self.open[server].put_nowait(None)


async def something(stream: Any) -> Mapping[str, Any]:
    async for message in stream:
        if message is not None:
            return message
    raise EOFError


async def until(condition: Callable[[], bool]) -> None:
    """Let the streams run until the condition holds; `run` bounds the time."""
    while not condition():  # noqa: ASYNC110 - what is waited for has no event
        await asyncio.sleep(0)


def run(work: Any) -> Any:
    async def bounded() -> Any:
        async with asyncio.timeout(30):
            return await work()

    return asyncio.run(bounded())


class _Waits(selectors.DefaultSelector):
    """Ends each wait at once, and counts the seconds that it would have taken."""

    def __init__(self) -> None:
        super().__init__()
        self.passed = 0.0

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        found = super().select(0)
        if not found:
            self.passed += timeout
        return found


class _Loop(asyncio.SelectorEventLoop):
    """A loop whose clock is that of its selector."""

    def __init__(self) -> None:
        self._waits = _Waits()
        super().__init__(self._waits)

    def time(self) -> float:
        return self._waits.passed


def run_ahead(work: Any) -> Any:
    """Like `run`, with a clock that passes as soon as nothing is left to do but to wait.

    So times are exact on any machine. Work in threads takes no time there.
    """

    async def bounded() -> Any:
        async with asyncio.timeout(24 * 3600):
            return await work()

    with asyncio.Runner(loop_factory=_Loop) as runner:
        return runner.run(bounded())


def passed() -> float:
    """Seconds since the begin of `run_ahead`, in milliseconds exactly."""
    return round(asyncio.get_running_loop().time(), 3)
