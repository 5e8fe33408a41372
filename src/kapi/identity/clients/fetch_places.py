"""Limits on how many documents of clients are fetched at the same time, in all and per host.

There are fewer places than threads (`front/web/identity/app.py`), and a request without a place is
refused at once, so that a server that does not answer delays no other request.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

PLACES: Final = 48
"""Threads that fetch a document or wait for a place."""
_OF_HOST: Final = PLACES // 2
_FETCHING: Final = 8
_FETCHING_OF_HOST: Final = 4


class NoPlace(Exception):
    """Too many threads fetch or wait."""


class FetchPlaces:
    """The places; safe to share between threads."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._present: Counter[str] = Counter()
        self._fetching: Counter[str] = Counter()

    @contextmanager
    def place(self, host: str, seconds: float) -> Iterator[None]:
        """A place to fetch from a host; waits at most `seconds`. Raises NoPlace."""
        with self._changed:
            if self._present.total() >= PLACES or self._present[host] >= _OF_HOST:
                raise NoPlace
            self._present[host] += 1
            if not self._changed.wait_for(lambda: self._is_free(host), seconds):
                _take_off(self._present, host)
                raise NoPlace
            self._fetching[host] += 1
        try:
            yield
        finally:
            with self._changed:
                _take_off(self._present, host)
                _take_off(self._fetching, host)
                self._changed.notify_all()

    def _is_free(self, host: str) -> bool:
        return (
            self._fetching.total() < _FETCHING
            and self._fetching[host] < _FETCHING_OF_HOST
        )


def _take_off(counts: Counter[str], host: str) -> None:
    counts[host] -= 1
    if not counts[host]:
        del counts[host]
