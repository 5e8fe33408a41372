"""What one session of a client listens to at the servers, on this node.

The node that holds the session has the stream of the client, or had it last. Only there the servers
are listened to; another node asks a server whether it tells of a resource, and listens no longer
than that. For `sessions.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from dataclasses import field
from typing import Any, Final

from kapi.dataclass import dataclass
from kapi.gateway.mcp_changes.events import LISTS, Ended, Events, Revision, told
from kapi.gateway.mcp_changes.feed import (
    Feed,
    Source,
    by_server,
    full_uris,
    stop,
    updated,
)

MOST_URIS: Final = 100
MOST_URI_CHARACTERS: Final = 16 * 1024
"""Of all subscriptions of a session together."""
MOST_UNANSWERED: Final = 100
"""Streams that a session opens at one server before the server acknowledges one."""
_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 30.0


def has_room(uris: Collection[str], uri: str) -> bool:
    """Whether a session that is told of these resources can be told of another one."""
    if uri in uris:
        return True
    characters = sum(map(len, uris)) + len(uri)
    return len(uris) < MOST_URIS and characters <= MOST_URI_CHARACTERS


@dataclass(slots=True)
class Session:
    """The subscriptions of one client."""

    source: Source
    used: float
    uris: dict[str, None] = field(default_factory=dict)
    events: Events = field(default_factory=Events)
    opened: int = 0
    """Streams so far; the newest is the one in use."""
    is_streamed: bool = False
    is_held: bool = False
    """Whether this node holds it."""
    _subscribing: int = 0
    _feeds: dict[str, Feed] = field(default_factory=dict)
    _again: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    async def subscribe(self, uri: str) -> bool:
        """Whether the server will tell of the resource."""
        servers = by_server([uri])
        if not servers or not has_room(self.uris, uri):
            return False
        self.uris[uri] = None
        (server,) = servers
        self._subscribing += 1
        try:
            if await self._is_told_of(uri, server):
                return True
        finally:
            self._subscribing -= 1
        self.unsubscribe(uri)
        return False

    def unsubscribe(self, uri: str) -> None:
        """Tell no more of a resource."""
        if uri in self.uris:
            del self.uris[uri]
            (server,) = by_server([uri])
            self._listen(server)

    def hold(self) -> None:
        """Listen to the servers from now on, and tell of what may have been missed."""
        if not self.is_held:
            self.is_held = True
            self.events = Events()
            self._begin_again(by_server(list(self.uris)))

    def leave(self) -> None:
        """Another node holds the session: end the stream of the client, and those of servers."""
        if self.is_held:
            self.is_held = False
            self.events.put(Ended("", gracefully=True))
        self.rest()

    def rest(self) -> None:
        """Listen no longer than subscriptions are waiting, unless this node holds the session."""
        if not self.is_held and not self._subscribing:
            self._stop()

    def take_up(self, added: Iterable[str], gone: Iterable[str]) -> None:
        """Take up what other nodes were asked for."""
        new = [uri for uri in added if uri not in self.uris]
        for uri in gone:
            self.unsubscribe(uri)
        self.uris |= dict.fromkeys(new)
        if self.is_held:
            self._begin_again(by_server(new))

    def end(self) -> None:
        """End the streams of the servers."""
        self._stop()
        self.uris.clear()
        self.events.put(Ended("", gracefully=True))

    async def stream(
        self, revision: Revision
    ) -> AsyncIterator[Mapping[str, Any] | None]:
        """The notifications for the client; None where there was nothing to tell for a while."""
        self.opened += 1
        self.is_streamed = True
        mine = self.opened
        async for event in told(self.events, tuple(LISTS), revision):
            if self.opened != mine:
                # A newer stream of the session has taken its place, and gets the event.
                self.events.put_back(event)
                return
            if not isinstance(event, Ended):
                yield event
            elif event.server in self._feeds:
                self._listen_again(event.server)
            elif not event.server:
                return

    async def _is_told_of(self, uri: str, server: str) -> bool:
        feed = self._listen(server)
        while feed is not None:
            if uri in await feed.honored():
                return True
            # A later subscription may have replaced the stream, and been acknowledged first.
            newest = self._feeds.get(server)
            feed = None if newest is feed else newest
        return False

    def _listen(self, server: str) -> Feed | None:
        """Listen to a server anew: what it tells of has changed."""
        before = [self._feeds.pop(server)] if server in self._feeds else []
        uris = by_server(list(self.uris)).get(server)
        if not uris or sum(feed.streams for feed in before) >= MOST_UNANSWERED:
            stop(before)
            before = []
        if not uris:
            return None
        feed = self._feeds[server] = Feed(server, uris, self.events, before)
        feed.start(self.source)
        return feed

    def _begin_again(self, uris: Mapping[str, list[str]]) -> None:
        for server, own in uris.items():
            self._listen_again(server, own)

    def _listen_again(self, server: str, own: list[str] | None = None) -> None:
        """Sessions have no word for a lost subscription, so the gateway listens again.

        It tells of the server's `own` URIs then; without them, of all.
        """
        task = self._again.get(server)
        if task is None or task.done():
            self._again[server] = asyncio.create_task(
                self._until_it_listens(server, own)
            )

    async def _until_it_listens(self, server: str, own: list[str] | None) -> None:
        pause = _FIRST_PAUSE if own is None else 0.0
        while True:
            await asyncio.sleep(pause)
            pause = min(max(pause * 2, _FIRST_PAUSE), _LONGEST_PAUSE)
            feed = self._listen(server)
            if feed is None:
                return
            honored = await feed.honored()
            if honored:
                # What happened meanwhile is not known.
                missed = honored if own is None else full_uris(server, own)
                for uri in missed:
                    self.events.put(updated(uri))
                return

    def _stop(self) -> None:
        stop(self._feeds.values())
        self._feeds.clear()
        for task in self._again.values():
            task.cancel()
        self._again.clear()
