"""Sessions of revisions 2025-03-26 to 2025-11-25 at several MCP servers behind one API.

Only what a session subscribes to is kept: the gateway answers everything else without sessions. A
session is of one caller and one API, begins with its first use within five minutes of `initialize`,
and ends with DELETE or when its stream has been closed for a while. The store has it, so every node
knows it, also after a restart; the node with its stream listens to the servers (`session.py`).
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from typing import Final

from kapi.dataclass import dataclass
from kapi.errors import StorageError
from kapi.gateway.mcp_changes.feed import Source
from kapi.gateway.mcp_changes.session import Session, has_room
from kapi.gateway.mcp_changes.upstream import Address
from kapi.store.engine.database import StoreClosed
from kapi.store.gateway.mcp_sessions import Edit, McpSessions, Most, StoredSession
from kapi.store.records import key_of

MOST: Final = 10_000
"""Sessions of all nodes."""
MOST_OF_CALLER: Final = 1_000
UNUSED_SECONDS: Final = 300
"""A session without a stream ends after this time."""
SWEEP_SECONDS: Final = 30.0
"""Between two looks for such sessions, while there are any."""
SKEW_SECONDS: Final = 60
"""How far apart the clocks of nodes may be."""
_LATER_SECONDS: Final = 60
"""The store is told that a session expires later, if it does by more than this."""
_AGAIN_SECONDS: Final = 1.0
_ID: Final = re.compile(r"(\d{1,12})-[0-9a-f]{32}")
"""The time of `initialize` and random bytes; `wasm/admission/src/mcp_requests.rs` makes it."""


@dataclass(frozen=True)
class Key:
    """What makes a session: the caller cannot name one of another caller or API."""

    id: str
    caller: str
    address: Address

    @cached_property
    def digest(self) -> str:
        """Its name in the store."""
        return key_of(
            json.dumps((self.id, self.caller, self.address.host, self.address.path))
        )

    @property
    def begun(self) -> int:
        """When `initialize` was; 0 if the id is not one of the gateway."""
        matched = _ID.fullmatch(self.id)
        return int(matched[1]) if matched else 0


@dataclass(slots=True)
class _Kept:
    """A session on this node, and what this node knows of it in the store."""

    session: Session
    stored: StoredSession


class Sessions:
    """The sessions, as one node sees them. Its methods are for one event loop."""

    def __init__(
        self,
        stored: McpSessions,
        node: str,
        now: Callable[[], float],
        sweep: float = SWEEP_SECONDS,
    ) -> None:
        """`node` is the id of this one. `now` in seconds since the epoch."""
        self._stored = stored
        self._node = node
        self._now = now
        self._sweep_seconds = sweep
        self._kept: dict[str, _Kept] = {}
        self._is_swept = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._seen = -1
        self._news = False
        self._look_task: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def subscribe(self, key: Key, source: Source, uri: str) -> bool | None:
        """Whether the server will tell of the resource; None if the session is unknown.

        Raises StorageError.
        """
        kept = await self._get(key, source)
        if kept is None:
            return None
        try:
            if not await kept.session.subscribe(uri):
                return False
            if not await self._change(
                kept, lambda stored: _with(stored, uri, self._until())
            ):
                return None
            if uri not in kept.stored.uris:
                kept.session.unsubscribe(uri)
            return uri in kept.stored.uris
        finally:
            kept.session.rest()

    async def unsubscribe(self, key: Key, source: Source, uri: str) -> bool:
        """Whether there is such a session. Raises StorageError."""
        kept = await self._get(key, source)
        if kept is None:
            return False
        kept.session.unsubscribe(uri)
        kept.session.rest()
        return await self._change(kept, lambda stored: _without(stored, uri))

    async def open(self, key: Key, source: Source) -> Session | None:
        """A session that this node holds from now on; None if it is unknown.

        Raises StorageError.
        """
        kept = await self._get(key, source)
        if kept is None:
            return None
        until, node = self._until(), self._node
        held = await self._change(
            kept, lambda stored: replace(stored, node=node, expires_at=until)
        )
        return kept.session if held else None

    async def end(self, key: Key) -> bool:
        """Whether there was such a session. Raises StorageError."""
        expires = max(int(self._now()), key.begun) + UNUSED_SECONDS + SKEW_SECONDS

        def ended(stored: StoredSession) -> StoredSession:
            return replace(stored, uris=(), ended=True, expires_at=expires)

        there = await self._write(self._new(key), ended, self._may_begin(key))
        self._forget(key.digest)
        return there is not None

    def left(self, session: Session, stream: int) -> None:
        """A stream of a session was closed."""
        if session.opened == stream:
            session.is_streamed = False
            session.used = self._now()

    def changed(self) -> None:
        """Sessions have changed in the store. For any thread."""
        if self._loop is not None:
            with suppress(RuntimeError):  # The loop has ended.
                self._loop.call_soon_threadsafe(self._look_soon)

    async def _get(self, key: Key, source: Source) -> _Kept | None:
        self._loop = asyncio.get_running_loop()
        if key.digest not in self._kept:
            row = await self._write(self._new(key), _if_new, self._may_begin(key))
            if row is None:
                return None
            self._keep(row, source)
        kept = self._kept[key.digest]
        kept.session.used = self._now()
        return kept

    def _keep(self, row: StoredSession, source: Source) -> None:
        if self._seen < 0:
            self._seen = row.change
        unknown = replace(row, uris=(), change=-1)
        kept = self._kept.setdefault(
            row.id, _Kept(Session(source, self._now()), unknown)
        )
        self._merge(kept, row)
        if not self._is_swept:
            self._is_swept = True
            self._sweep_later()

    def _new(self, key: Key) -> StoredSession:
        return StoredSession(
            key.digest, key_of(key.caller), self._node, (), self._until()
        )

    def _may_begin(self, key: Key) -> Most | None:
        age = self._now() - key.begun
        if -SKEW_SECONDS <= age <= UNUSED_SECONDS + SKEW_SECONDS:
            return Most(MOST_OF_CALLER, MOST)
        return None

    def _until(self) -> int:
        return int(self._now()) + UNUSED_SECONDS

    async def _change(self, kept: _Kept, edit: Edit) -> bool:
        row = await self._write(kept.stored, edit, None)
        if row is None:
            self._forget(kept.stored.id)
            return False
        self._merge(kept, row)
        return True

    async def _write(
        self, session: StoredSession, edit: Edit, begin: Most | None
    ) -> StoredSession | None:
        now = int(self._now())
        return await asyncio.to_thread(self._stored.change, session, now, edit, begin)

    def _merge(self, kept: _Kept, row: StoredSession) -> None:
        """Take up what the store says, unless a later change was taken up before."""
        before = kept.stored
        if row.change <= before.change:
            return
        kept.stored = row
        if row.ended:
            self._forget(row.id)
            return
        kept.session.take_up(
            [uri for uri in row.uris if uri not in before.uris],
            [uri for uri in before.uris if uri not in row.uris],
        )
        if row.node == self._node:
            kept.session.hold()
        else:
            kept.session.leave()

    def _forget(self, digest: str) -> None:
        kept = self._kept.pop(digest, None)
        if kept is not None:
            kept.session.end()

    def _look_soon(self) -> None:
        self._news = True
        if self._look_task is None or self._look_task.done():
            self._look_task = asyncio.create_task(self._look())

    async def _look(self) -> None:
        while self._news:
            self._news = False
            try:
                rows = await asyncio.to_thread(self._stored.changed_since, self._seen)
            except StoreClosed:
                return
            except StorageError:
                asyncio.get_running_loop().call_later(_AGAIN_SECONDS, self._look_soon)
                return
            for row in rows:
                self._seen = max(self._seen, row.change)
                if row.id in self._kept:
                    self._merge(self._kept[row.id], row)

    def _sweep_later(self) -> None:
        asyncio.get_running_loop().call_later(self._sweep_seconds, self._sweep)

    def _sweep(self) -> None:
        """End sessions that are unused, and keep the others in the store."""
        before = self._now() - UNUSED_SECONDS
        for digest, kept in tuple(self._kept.items()):
            if not kept.session.is_streamed and kept.session.used < before:
                self._forget(digest)
        task = asyncio.create_task(self._expire_later())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self._is_swept = bool(self._kept)
        if self._is_swept:
            self._sweep_later()

    async def _expire_later(self) -> None:
        due = []
        for kept in self._kept.values():
            used = self._now() if kept.session.is_streamed else kept.session.used
            expires = int(used) + UNUSED_SECONDS
            if (
                kept.session.is_held
                and expires > kept.stored.expires_at + _LATER_SECONDS
            ):
                kept.stored = replace(kept.stored, expires_at=expires)
                due.append(kept.stored)
        if due:
            with suppress(
                StorageError, StoreClosed
            ):  # The watch of the store says so in the log.
                await asyncio.to_thread(self._stored.keep, due)


def _if_new(stored: StoredSession) -> StoredSession | None:
    """For one that is stored, no change."""
    return None if stored.change else stored


def _with(stored: StoredSession, uri: str, until: int) -> StoredSession | None:
    if uri in stored.uris or not has_room(stored.uris, uri):
        return None
    expires = max(stored.expires_at, until)
    return replace(stored, uris=(*stored.uris, uri), expires_at=expires)


def _without(stored: StoredSession, uri: str) -> StoredSession | None:
    if uri not in stored.uris:
        return None
    return replace(stored, uris=tuple(item for item in stored.uris if item != uri))
