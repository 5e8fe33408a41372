"""Lines of the access log, many at once: calls that passed are added up before they are counted.

Nearly all calls pass, and what differs between those of one operation and status are
times and bytes. So the metrics and the history are asked once for all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter
from typing import Any, Final, Protocol

import orjson

from kapi.dataclass import dataclass
from kapi.gateway.calls.lines import ALLOWED, ROUTE, USAGE, Call, with_values
from kapi.gateway.envoy.resources.logs.labels import fields_of

_FIELDS: Final = (
    *("decision", USAGE, ROUTE, "status", "url", "time"),
    *("microseconds", "upstream_microseconds", "bytes_in", "bytes_out"),
)
_VALUES: Final = itemgetter(*_FIELDS)
_MINUTE: Final = len("2026-11-27T08:59")
_Key = tuple[str, int, str, str]
"""Name of the route, status, host, minute."""
_Numbers = tuple[int | None, int | None, int, int]
"""Duration, that of the backend, bytes in and out."""


@dataclass(frozen=True, slots=True)
class Alike:
    """Calls that passed, of one operation, status, host and minute."""

    operation: dict[str, str]
    """The fields `organization`, `api`, `version` and `operation`."""
    status: int
    host: str
    """That the caller used."""
    minute: str
    """`2026-11-27T08:59`, UTC."""
    microseconds: Sequence[int]
    """The duration of each."""
    upstream_microseconds: Sequence[int]
    """Of those whose backend was called."""
    bytes_in: int
    bytes_out: int


class Counts(Protocol):
    """What counts calls."""

    def count_alike(self, calls: Alike) -> None:
        """Count calls that passed."""

    def count(self, call: Call) -> None:
        """Count one call."""


def count_lines(lines: Sequence[bytes], *counting: Counts) -> int:
    """Count the calls of these lines. Returns how many could not be read."""
    together, others, unread = read_lines(lines)
    for calls in together:
        for counts in counting:
            counts.count_alike(calls)
    for call in others:
        try:
            for counts in counting:
                counts.count(call)
        except (ValueError, TypeError, AttributeError):
            unread += 1
    return unread


def read_lines(lines: Sequence[bytes]) -> tuple[list[Alike], list[Call], int]:
    """Calls that are alike, the other ones, and how many lines could not be read."""
    groups: dict[_Key, list[_Numbers]] = {}
    others: list[Call] = []
    unread = 0
    for fields in _parsed(lines):
        try:
            decision, usage, route, status, url, time, *numbers = _VALUES(fields)
            key = (route, status, url.partition("/")[0], time[:_MINUTE])
        except (KeyError, TypeError, AttributeError):
            decision = None  # Of an older version, or it has no such fields.
        if decision == ALLOWED and usage is None:
            group = groups.get(key)
            if group is None:
                group = groups[key] = []
            group.append(numbers)
        elif isinstance(fields, dict):
            others.append(with_values(fields))
        else:
            unread += 1
    found = []
    for key, numbers in groups.items():
        try:
            found.append(_together(key, numbers))
        except TypeError:
            unread += len(numbers)
    return found, others, unread


def _parsed(lines: Sequence[bytes]) -> Iterable[Any]:
    """The value of each line; None if it is not JSON."""
    try:
        values = orjson.loads(b"[%b]" % b",".join(lines))
    except ValueError:
        return _one_by_one(lines)
    return values  # type: ignore[no-any-return]


def _one_by_one(lines: Sequence[bytes]) -> Iterator[Any]:
    for line in lines:
        try:
            yield orjson.loads(line)
        except ValueError:
            yield None


def _together(key: _Key, calls: list[_Numbers]) -> Alike:
    route, status, host, minute = key
    durations, waits, received, sent = zip(*calls, strict=True)
    return Alike(
        fields_of(route or ""),
        status,
        host,
        minute,
        [duration or 0 for duration in durations],
        list(filter(None, waits)),
        sum(received),
        sum(sent),
    )
