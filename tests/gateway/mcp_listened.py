"""MCP servers that are lists of messages, and how tests of subscriptions wait for them."""

from __future__ import annotations

import asyncio
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
