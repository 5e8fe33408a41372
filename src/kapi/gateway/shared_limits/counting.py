"""Counts the calls of one node: in batches, one at a time, and not at all while Redis is away."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from kapi.gateway.shared_limits.redis_counts import Call, CountsAway
from kapi.gateway.shared_limits.wire import Ruling, answer

_LOG = logging.getLogger("kapi.limits")
LARGEST_BATCH = 256
"""Questions after which a script takes no further call: Redis does nothing else meanwhile."""
EVERY_SECONDS = 1.0
"""How often the node says that it is there, and how often Redis is tried while it is away."""

Done = Callable[[bytes | None], None]
"""Called with the answer to a call, or with None while Redis is away."""


class Counts(Protocol):
    """Where all nodes count."""

    nodes: int

    async def take(self, calls: Sequence[Call]) -> tuple[int, list[Ruling]]:
        """Count calls. Raises CountsAway."""
        ...

    async def say_present(self) -> None:
        """Say that this node is there. Raises CountsAway."""
        ...

    async def leave(self) -> None:
        """Say that it is gone. Raises CountsAway."""
        ...


class Counting:
    """Used by one event loop."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts
        self._waiting: deque[tuple[Call, Done]] = deque()
        self._more = asyncio.Event()
        self.away = True
        """Whether calls are answered without counting."""
        self._tried = False

    @property
    def nodes(self) -> int:
        """How many nodes count, as far as known."""
        return self._counts.nodes

    def ask(self, call: Call, done: Done) -> None:
        """Count one call. `done` is called soon, or before this returns."""
        if self.away:
            done(None)
            return
        self._waiting.append((call, done))
        self._more.set()

    async def run(self) -> None:
        """Count until cancelled."""
        while True:
            await self._more.wait()
            self._more.clear()
            while self._waiting:
                await self._count_batch()

    async def look(self) -> None:
        """Notice whether Redis answers, until cancelled."""
        while True:
            try:
                await self._counts.say_present()
            except CountsAway as error:
                self._lose(error)
            else:
                self._find()
            await asyncio.sleep(EVERY_SECONDS)

    async def leave(self) -> None:
        """Give the share of this node to the others."""
        try:
            await self._counts.leave()
        except CountsAway as error:
            _LOG.info("Redis does not know that this node stops: %s", error)

    async def _count_batch(self) -> None:
        batch: list[tuple[Call, Done]] = []
        size = 0
        while self._waiting and size < LARGEST_BATCH:
            call, done = self._waiting.popleft()
            batch.append((call, done))
            size += len(call)
        try:
            time, rulings = await self._counts.take([call for call, _ in batch])
        except CountsAway as error:
            self._lose(error)
            for _, done in batch:
                done(None)
            return
        for (_, done), ruling in zip(batch, rulings, strict=True):
            done(answer(ruling, time, self.nodes))

    def _lose(self, error: CountsAway) -> None:
        if not (self.away and self._tried):
            _LOG.warning(
                "limits are not counted over all nodes: Redis is away: %s", error
            )
        self.away = self._tried = True
        while self._waiting:
            _, done = self._waiting.popleft()
            done(None)

    def _find(self) -> None:
        if self.away:
            _LOG.info("limits are counted in Redis over %d nodes", self.nodes)
        self.away, self._tried = False, True
