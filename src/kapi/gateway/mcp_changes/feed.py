"""What one of several servers tells of changes, with the prefix of the server; for one client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import field
from typing import Any, Final

from kapi.dataclass import dataclass
from kapi.gateway.mcp_changes.events import Ended, Events

Source = Callable[[str, list[str]], AsyncIterator[Mapping[str, Any]]]
"""From a server and its own URIs to the messages of its stream."""

UPDATED: Final = "notifications/resources/updated"
SEPARATOR: Final = "+"
LONGEST_URI: Final = 2048
"""Characters of a URI that is kept; there is no subscription to a longer one."""
_PATIENCE: Final = 10.0
"""Seconds that a server has for its acknowledgement."""


def by_server(uris: Sequence[str]) -> dict[str, list[str]]:
    """The servers' own URIs, by the prefixes of the servers; without those that are too long."""
    found: dict[str, list[str]] = {}
    for uri in uris:
        server, separator, own = uri.partition(SEPARATOR)
        if separator and len(uri) <= LONGEST_URI:
            found.setdefault(server, []).append(own)
    return found


def full_uris(server: str, own: Iterable[str]) -> list[str]:
    """A server's own URIs with its prefix."""
    return [f"{server}{SEPARATOR}{uri}" for uri in own]


@dataclass(slots=True)
class Feed:
    """Puts the changes of one server among the events of a client."""

    server: str
    uris: list[str]
    events: Events
    before: list[Feed] = field(default_factory=list)
    """It listens until the server has acknowledged this one, so that nothing is lost."""
    _acknowledged: asyncio.Event = field(default_factory=asyncio.Event)
    _honored: list[str] = field(default_factory=list)
    _task: asyncio.Task[None] | None = None

    def start(self, source: Source) -> None:
        """Start listening to the servers."""
        self._task = asyncio.create_task(self._run(source))

    def stop(self) -> None:
        """End the stream of the server."""
        self._stop_before()
        if self._task is not None:
            self._task.cancel()
        self._acknowledged.set()

    @property
    def streams(self) -> int:
        """How many streams of the server are open: its own, and those before it."""
        return 1 + sum(feed.streams for feed in self.before)

    async def honored(self) -> list[str]:
        """The URIs, with the prefix, of which the server will tell.

        Empty if it does not answer, or if this is stopped before.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                await self._acknowledged.wait()
        return full_uris(self.server, self._honored)

    async def _run(self, source: Source) -> None:
        gracefully = False
        async for message in source(self.server, self.uris):
            gracefully = "result" in message
            match message.get("method"):
                case "notifications/subscriptions/acknowledged":
                    self._honored = _acknowledged(message, self.uris)
                    self._acknowledged.set()
                    self._stop_before()
                case "notifications/resources/updated":
                    self._updated(message)
        was_open = self._acknowledged.is_set()
        self._acknowledged.set()
        if was_open:
            self.events.put(Ended(self.server, gracefully))

    def _stop_before(self) -> None:
        stop(self.before)
        self.before.clear()

    def _updated(self, message: Mapping[str, Any]) -> None:
        uri = _member(message, "params").get("uri")
        if isinstance(uri, str) and len(uri) <= LONGEST_URI:
            self.events.put(updated(f"{self.server}{SEPARATOR}{uri}"))


def stop(feeds: Iterable[Feed]) -> None:
    """End the streams of servers."""
    for feed in feeds:
        feed.stop()


def updated(uri: str) -> dict[str, Any]:
    """The notification that a resource has changed."""
    return {"jsonrpc": "2.0", "method": UPDATED, "params": {"uri": uri}}


def _acknowledged(message: Mapping[str, Any], asked: list[str]) -> list[str]:
    honored = _member(_member(message, "params"), "notifications").get(
        "resourceSubscriptions"
    )
    if not isinstance(honored, list):
        return []
    return [uri for uri in asked if uri in honored]


def _member(value: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = value.get(name)
    return found if isinstance(found, dict) else {}
