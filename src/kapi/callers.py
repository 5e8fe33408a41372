"""Whether the caller of a request is still connected: slow work stops when it is not.

`front/web/http/lanes.py` watches the connection; `pool.py` and `fetch.py` say how their work is
stopped. A context variable carries the caller into the thread that works.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

CALLER: ContextVar[Caller | None] = ContextVar("caller", default=None)
"""The caller that this context works for; None where there is none, such as in a command."""


class CallerLeft(Exception):
    """The caller closed the connection, so nothing waits for the result."""


class Caller:
    """One caller. Threads share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._left = False
        self._stops: list[Callable[[], None]] = []

    @property
    def left(self) -> bool:
        """Whether the connection is closed."""
        return self._left

    def leave(self) -> None:
        """The connection was closed: stop the work."""
        with self._lock:
            self._left = True
            stops = tuple(self._stops)
        for stop in stops:
            stop()

    def add(self, stop: Callable[[], None]) -> None:
        """Call `stop` when the caller leaves. Raises CallerLeft when that has happened."""
        with self._lock:
            if self._left:
                raise CallerLeft
            self._stops.append(stop)

    def remove(self, stop: Callable[[], None]) -> None:
        """The work is done."""
        with self._lock:
            self._stops.remove(stop)


@contextmanager
def stopped_by_leaving(stop: Callable[[], None]) -> Iterator[None]:
    """Call `stop` if the caller leaves in this context. Raises CallerLeft if it has left."""
    caller = CALLER.get()
    if caller is None:
        yield
        return
    caller.add(stop)
    try:
        yield
    except Exception as error:
        if caller.left:
            raise CallerLeft from error
        raise
    finally:
        caller.remove(stop)
    if caller.left:
        raise CallerLeft
