"""Figures of calls for a page: from lines of the access log, or from the history. Pure."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from kapi.dataclass import dataclass
from kapi.gateway.calls.history import CallHistory, Cell
from kapi.gateway.calls.lines import Call, why_refused

_MOST_REASONS: Final = 8


@dataclass(frozen=True, slots=True)
class Figures:
    """Figures of some calls. Times are in milliseconds."""

    calls: int
    refused: int
    failed: int
    """Answers with a status of 500 or more."""
    median: float
    slowest: float
    """95 of 100 calls took at most as long."""
    reasons: tuple[tuple[str, int], ...]
    """The most frequent reasons of refusals."""
    minutes: tuple[Minute, ...]
    """Points of the plots; none for lines of the access log."""


@dataclass(frozen=True, slots=True)
class Minute:
    """The calls of one minute, or of each minute of a step on average.

    `at` is in seconds since the epoch.
    """

    at: int
    calls: float
    refused: float
    median: float | None
    """None without calls."""


@dataclass(frozen=True, slots=True)
class Span:
    """A time until now. `step` is the time of a point of the plots, in seconds."""

    name: str
    minutes: int
    step: int
    renewed: int
    """Seconds after which a page shows new figures."""


SPANS: Final = (
    Span("1 hour", 60, 60, 10),
    Span("6 hours", 6 * 60, 300, 60),
    Span("1 day", 24 * 60, 900, 60),
)


@dataclass(frozen=True, slots=True)
class Overview:
    """The figures of a span: of all its calls, and of each part."""

    whole: Figures
    parts: Mapping[tuple[str, ...], Figures]
    """By API (name and version); of one API, by operation."""
    since: int
    """The first minute that is known, in seconds since the epoch; 0 without calls."""

    @property
    def known_since(self) -> str:
        """That minute as text (UTC); empty without calls."""
        if not self.since:
            return ""
        return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(self.since))

    def of(self, *part: str) -> Figures:
        """The figures of a part."""
        return self.parts.get(part) or _figures(Cell(), (), ())


def overview(
    history: CallHistory,
    organization: str,
    span: Span,
    now: int,
    api: tuple[str, str] | None = None,
) -> Overview:
    """The figures of an organization's APIs, or of one API and its operations."""
    begin = now - span.minutes * 60
    whole, parts, steps = (
        Cell(),
        defaultdict[tuple[str, ...], Cell](Cell),
        defaultdict[int, Cell](Cell),
    )
    for at, (_, name, version, operation), cell in history.cells(
        organization, begin, api
    ):
        part: tuple[str, ...] = (name, version)
        if api is not None:
            part = (operation,)
        parts[part].add(cell)
        steps[at // span.step * span.step].add(cell)
    for cell in parts.values():
        whole.add(cell)
    reasons: Counter[str] = Counter()
    for reason, number in history.reasons(organization, begin, api):
        reasons[reason] += number
    since = history.since()
    points = tuple(_points(steps, span, max(begin, since), now))
    named = {name: _figures(cell, (), ()) for name, cell in parts.items()}
    return Overview(
        _figures(whole, reasons.most_common(_MOST_REASONS), points), named, since
    )


def _figures(
    cell: Cell, reasons: Iterable[tuple[str, int]], minutes: tuple[Minute, ...]
) -> Figures:
    return Figures(
        calls=cell.calls,
        refused=cell.refused,
        failed=cell.failed,
        median=cell.quantile(0.5),
        slowest=cell.quantile(0.95),
        reasons=tuple(reasons),
        minutes=minutes,
    )


def _points(
    steps: Mapping[int, Cell], span: Span, begin: int, now: int
) -> Iterator[Minute]:
    """A point for each step, also those without calls; none if there were no calls at all."""
    if not steps:
        return
    minutes = span.step / 60
    for at in range(begin // span.step * span.step, now + 1, span.step):
        cell = steps.get(at)
        if cell is None:
            yield Minute(at, 0, 0, None)
            continue
        calls, refused = (
            round(cell.calls / minutes, 2),
            round(cell.refused / minutes, 2),
        )
        yield Minute(at, calls, refused, round(cell.quantile(0.5), 3))


def figures_of(calls: Sequence[Call]) -> Figures:
    """The figures of these calls."""
    times = sorted(map(_milliseconds, calls))
    reasons: Counter[str] = Counter()
    failed = 0
    for call in calls:
        if reason := why_refused(call):
            reasons[reason] += 1
        if int(call.get("status") or 0) >= 500:
            failed += 1
    return Figures(
        calls=len(calls),
        refused=reasons.total(),
        failed=failed,
        median=_quantile(times, 0.5),
        slowest=_quantile(times, 0.95),
        reasons=tuple(reasons.most_common(_MOST_REASONS)),
        minutes=(),
    )


def _milliseconds(call: Call) -> float:
    return int(call.get("microseconds") or 0) / 1000


def _quantile(ordered: Sequence[float], part: float) -> float:
    if not ordered:
        return 0.0
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]
