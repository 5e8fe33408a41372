"""What waits for a client: the changes that servers tell of, and those of lists.

Lists come from the definition, so they change with a deployment. For `listening.py` and
`sessions.py`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final
from weakref import WeakSet

from kapi.dataclass import dataclass

MOST_WAITING: Final = 1024
"""Notifications for a client that does not read; more end its stream."""
MOST_WAITING_BYTES: Final = 32 * 1024 * 1024
"""Of the notifications that wait for all clients of this node."""
_OVERHEAD: Final = 512
"""Bytes of a notification besides its URI."""
LISTS: Final = {
    "toolsListChanged": "notifications/tools/list_changed",
    "promptsListChanged": "notifications/prompts/list_changed",
    "resourcesListChanged": "notifications/resources/list_changed",
}
"""Members of a subscription, and what is told then."""
LOOK_SECONDS: Final = 1.0
"""How often the revision of the API is looked at."""

Revision = Callable[[], int | None]
"""The revision of the API; None if it was removed."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The stream of a server has ended; `gracefully` with a result, as the protocol says."""

    server: str
    """Its prefix; empty for the end of the client's own stream."""
    gracefully: bool


Event = Mapping[str, Any] | Ended


class Waiting:
    """How much waits for all clients together. For one event loop."""

    def __init__(self, most_bytes: int = MOST_WAITING_BYTES) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._all: WeakSet[Events] = WeakSet()

    def join(self, events: Events) -> None:
        """Count what waits there from now on."""
        self._all.add(events)

    def add(self, size: int) -> None:
        """Count a change, negative for what was taken. If it is too much, the most is given up."""
        self._bytes += size
        if self._bytes <= self._most_bytes:
            return
        # Those of clients that are gone were never taken.
        self._bytes = sum(events.size for events in self._all)
        if self._bytes > self._most_bytes:
            max(self._all, key=_size).give_up()


SHARED: Final = Waiting()
"""That of this process."""


class Events:
    """What waits for a client. That a resource has changed waits once, however often it does."""

    def __init__(self, waiting: Waiting = SHARED) -> None:
        self.size = 0
        """Bytes, about."""
        self._queue: deque[Event] = deque()
        self._updated: set[str] = set()
        self._news = asyncio.Event()
        self._waiting = waiting
        waiting.join(self)

    def put(self, event: Event) -> None:
        """Add an event; if there are too many, the client gets none of them and its stream ends."""
        uri = _uri(event)
        if uri in self._updated:
            return
        if len(self._queue) >= MOST_WAITING:
            self.give_up()
            return
        if uri:
            self._updated.add(uri)
        self._queue.append(event)
        self._news.set()
        self._count(_OVERHEAD + len(uri))

    def give_up(self) -> None:
        """Forget what waits, and end the stream of the client."""
        self._queue.clear()
        self._updated.clear()
        self._queue.append(Ended("", gracefully=False))
        self._news.set()
        self._count(_OVERHEAD - self.size)

    def put_back(self, event: Event | None) -> None:
        """Add an event that was taken, if there was one."""
        if event is not None:
            self.put(event)

    async def next(self, seconds: float) -> Event | None:
        """The next event; None if there is none in time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not self._queue:
                    self._news.clear()
                    await self._news.wait()
                return self._taken()
        return None

    def _taken(self) -> Event:
        event = self._queue.popleft()
        uri = _uri(event)
        self._updated.discard(uri)
        self._count(-_OVERHEAD - len(uri))
        return event

    def _count(self, size: int) -> None:
        self.size += size
        self._waiting.add(size)


def _size(events: Events) -> int:
    return events.size


def _uri(event: Event) -> str:
    """The URI of a resource that has changed; empty for another event."""
    if isinstance(event, Ended):
        return ""
    return str(event.get("params", {}).get("uri", ""))


async def told(
    events: Events, lists: Sequence[str], revision: Revision
) -> AsyncGenerator[Event | None]:
    """Events, and changes of lists; None each second without any."""
    known = revision()
    while True:
        event = await events.next(LOOK_SECONDS)
        current = revision()
        if current is None:
            yield Ended("", gracefully=True)
        elif current != known:
            for name in lists:
                yield {"jsonrpc": "2.0", "method": LISTS[name]}
        known = current
        yield event
