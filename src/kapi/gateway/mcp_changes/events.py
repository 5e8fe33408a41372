"""What waits for a client: the changes that servers tell of, and those of lists.

Lists come from the definition, so they change with a deployment. For `listening.py` and
`sessions.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from kapi.dataclass import dataclass

MOST_WAITING: Final = 1024
"""Notifications for a client that does not read; more end its stream."""
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


class Events:
    """What waits for a client."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Event] = asyncio.Queue(MOST_WAITING)

    def put(self, event: Event) -> None:
        """Add an event; if there are too many, the client gets none of them and its stream ends."""
        if self._queue.full():
            while not self._queue.empty():
                self._queue.get_nowait()
            event = Ended("", gracefully=False)
        self._queue.put_nowait(event)

    def put_back(self, event: Event | None) -> None:
        """Add an event that was taken, if there was one."""
        if event is not None:
            self.put(event)

    async def next(self, seconds: float) -> Event | None:
        """The next event; None if there is none in time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                return await self._queue.get()
        return None


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
