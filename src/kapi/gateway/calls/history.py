"""The calls of the last day by minute, API and operation, in memory: counts and histograms.

Fed from the lines of the access log, beside the figures of the metrics. Bounded: when there are
too many cells, the oldest minutes go. Read by the console.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import field
from datetime import datetime
from functools import lru_cache
from itertools import islice
from typing import Final

from kapi.dataclass import dataclass
from kapi.gateway.calls.alike import Alike, count_lines
from kapi.gateway.calls.lines import Call, why_refused

MINUTES: Final = 24 * 60
MOST_CELLS: Final = 30_000
"""Pairs of a minute and an operation, or a reason; about 460 bytes each."""
MOST_OF_MINUTE: Final = 2_000
_LINES_AT_ONCE: Final = 500
_OTHER: Final = "other"
BOUNDS: Final = tuple(round(200 * 1.5**number) for number in range(32))
"""Upper bounds of the buckets of durations, in microseconds: from 0.2 ms to 57 s."""
Key = tuple[str, str, str, str]
"""Organization, API, version, operation; or a reason instead of the operation."""


@dataclass(slots=True)
class Cell:
    """The calls of an operation in one minute, or of several cells together."""

    calls: int = 0
    refused: int = 0
    failed: int = 0
    """Answers with a status of 500 or more."""
    buckets: dict[int, int] = field(default_factory=dict)
    """How many calls took at most the time of a bound, by its index."""

    def add(self, other: Cell) -> None:
        """Add the calls of another cell."""
        self.calls += other.calls
        self.refused += other.refused
        self.failed += other.failed
        for index, number in tuple(other.buckets.items()):
            self.buckets[index] = self.buckets.get(index, 0) + number

    def quantile(self, part: float) -> float:
        """The time within which this part of the calls was answered, in milliseconds.

        Between the bounds of a bucket, the calls count as evenly spread.
        """
        wanted = part * self.calls
        passed = 0
        for index, number in sorted(self.buckets.items()):
            if passed + number >= wanted:
                low = BOUNDS[index - 1] if index else 0
                high = BOUNDS[min(index, len(BOUNDS) - 1)]
                return (low + (high - low) * (wanted - passed) / number) / 1000
            passed += number
        return 0.0


@dataclass(slots=True)
class _Minute:
    cells: dict[Key, Cell] = field(default_factory=dict)
    reasons: dict[Key, int] = field(default_factory=dict)

    @property
    def size(self) -> int:
        return len(self.cells) + len(self.reasons)


class CallHistory:
    """The minutes. Safe to share between threads."""

    def __init__(
        self,
        most_cells: int = MOST_CELLS,
        minutes: int = MINUTES,
        most_of_minute: int = MOST_OF_MINUTE,
    ) -> None:
        self._most_cells = most_cells
        self._seconds = minutes * 60
        self._most_of_minute = most_of_minute
        self._minutes: dict[int, _Minute] = {}
        self._cells = 0
        self._text = ""
        self._current: _Minute | None = None
        """The minute of the newest line, and its text."""
        self._lock = threading.Lock()

    def count_alike(self, calls: Alike) -> None:
        """Count calls that passed, if an API answered them."""
        get = calls.operation.get
        api = get("api")
        if not api:
            return
        of_api = (get("organization", ""), api, get("version", ""))
        with self._lock:
            minute = self._minute_at(calls.minute)
            if minute is None:
                return
            cell = self._cell(minute, (*of_api, get("operation", "")))
            cell.calls += len(calls.microseconds)
            buckets = cell.buckets
            for duration in calls.microseconds:
                bucket = bisect_left(BOUNDS, duration)
                buckets[bucket] = buckets.get(bucket, 0) + 1

    def count(self, call: Call) -> None:
        """Count one line of the access log, if an API answered the call."""
        get = call.get
        api = get("api")
        if not api:
            return
        of_api = (get("organization", ""), api, get("version", ""))
        with self._lock:
            minute = self._minute_at(get("time", "")[:16])
            if minute is None:
                return
            cell = self._cell(minute, (*of_api, get("operation", "")))
            cell.calls += 1
            bucket = bisect_left(BOUNDS, int(get("microseconds", 0)))
            cell.buckets[bucket] = cell.buckets.get(bucket, 0) + 1
            if int(get("status", 0)) >= 500:
                cell.failed += 1
            if reason := why_refused(call):
                cell.refused += 1
                self._count_reason(minute, (*of_api, reason))

    def fill(self, lines: Iterable[bytes]) -> None:
        """Count lines that were written before, in any order."""
        every = iter(lines)
        while some := list(islice(every, _LINES_AT_ONCE)):
            count_lines(some, self)

    def _minute_at(self, text: str) -> _Minute | None:
        """The minute of a line, such as `2026-11-27T08:59`."""
        if text != self._text:
            self._text, self._current = text, self._minute(_minute_of(text))
        return self._current

    def _minute(self, at: int) -> _Minute | None:
        """The minute; None if it is not a time, or over a day older than the newest."""
        if not at:
            return None
        minute = self._minutes.get(at)
        if minute is not None:
            return minute
        newest = max(self._minutes, default=at)
        if at <= newest - self._seconds:
            return None
        minute = self._minutes[at] = _Minute()
        for old in sorted(self._minutes):
            if old > max(newest, at) - self._seconds:
                break
            self._forget(old)
        return minute

    def _forget(self, at: int) -> None:
        self._cells -= self._minutes.pop(at).size

    def _cell(self, minute: _Minute, key: Key) -> Cell:
        return minute.cells.get(key) or self._new_cell(minute, key)

    def _new_cell(self, minute: _Minute, key: Key) -> Cell:
        if len(minute.cells) >= self._most_of_minute:
            key = (*key[:3], _OTHER)
        if len(minute.cells) >= 2 * self._most_of_minute:
            key = (key[0], _OTHER, "", _OTHER)
        cell = minute.cells.get(key)
        if cell is None:
            cell = minute.cells[key] = Cell()
            self._grown()
        return cell

    def _count_reason(self, minute: _Minute, key: Key) -> None:
        if key not in minute.reasons:
            if len(minute.reasons) >= self._most_of_minute:
                key = (*key[:3], _OTHER)
            self._grown()
        minute.reasons[key] = minute.reasons.get(key, 0) + 1

    def _grown(self) -> None:
        """Count the cells again, and forget the oldest minutes while there are too many."""
        self._cells += 1
        if self._cells <= self._most_cells:
            return
        self._cells = sum(minute.size for minute in self._minutes.values())
        for old in sorted(self._minutes)[:-1]:
            if self._cells <= self._most_cells:
                return
            self._forget(old)

    def since(self) -> int:
        """The first minute that is known, in seconds since the epoch; 0 without calls."""
        with self._lock:
            return min(self._minutes, default=0)

    def cells(
        self, organization: str, after: int, api: tuple[str, str] | None = None
    ) -> Iterator[tuple[int, Key, Cell]]:
        """The cells of an organization, or of one API (name and version), by minute."""
        for at, minute in self._later(after):
            for key, cell in tuple(minute.cells.items()):
                if _is_of(key, organization, api):
                    yield at, key, cell

    def reasons(
        self, organization: str, after: int, api: tuple[str, str] | None = None
    ) -> Iterator[tuple[str, int]]:
        """Reasons of refusals, and how many calls each."""
        for _, minute in self._later(after):
            for key, number in tuple(minute.reasons.items()):
                if _is_of(key, organization, api):
                    yield key[3], number

    def _later(self, after: int) -> list[tuple[int, _Minute]]:
        with self._lock:
            return sorted(
                (item for item in self._minutes.items() if item[0] > after),
                key=lambda item: item[0],
            )


def _is_of(key: Key, organization: str, api: tuple[str, str] | None) -> bool:
    return key[0] == organization and api in {None, (key[1], key[2])}


@lru_cache(4)
def _minute_of(text: str) -> int:
    """The minute of a time (ISO 8601, UTC) in seconds since the epoch; 0 if it is none."""
    try:
        return int(datetime.fromisoformat(f"{text}:00+00:00").timestamp())
    except ValueError:
        return 0
