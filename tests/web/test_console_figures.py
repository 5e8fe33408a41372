"""The figures of calls at the console: of a span, of each API and operation, and their plots."""

from __future__ import annotations

import time
from typing import Any

import pytest

from kapi.front.web.console.summary import SPANS, Figures, figures_of, overview
from kapi.gateway.calls.history import CallHistory

NOW = 1_800_000_000
"""A full hour."""
HOUR, HOURS, DAY = SPANS


def call(before: int, **members: Any) -> dict[str, Any]:
    """A call some minutes before now."""
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(NOW - 60 * before))
    known = {
        "time": moment,
        "status": 200,
        "microseconds": 1000,
        "organization": "acme",
    }
    return {**known, "api": "Pets", "version": "1", "operation": "GET /a", **members}


def refused(before: int, reason: str, **members: Any) -> dict[str, Any]:
    return call(before, status=401, decision="refused", reason=reason, **members)


def history_of(*calls: dict[str, Any]) -> CallHistory:
    history = CallHistory()
    for item in calls:
        history.count(item)
    return history


def counts(figures: Figures) -> tuple[int, int, int]:
    return figures.calls, figures.refused, figures.failed


def test_each_part_and_all_of_them() -> None:
    history = history_of(
        call(1),
        call(2, operation="GET /b", status=500),
        refused(2, "no token"),
        call(2, version="2"),
        call(2, api="Shelf"),
        call(2, organization="other"),
    )
    found = overview(history, "acme", HOUR, NOW)
    assert counts(found.whole) == (5, 1, 1)
    assert counts(found.of("Pets", "1")) == (3, 1, 1)
    assert counts(found.of("Pets", "2")) == (1, 0, 0)
    assert counts(found.of("Shelf", "1")) == (1, 0, 0)
    assert counts(found.of("Shelf", "2")) == (0, 0, 0)
    one = overview(history, "acme", HOUR, NOW, ("Pets", "1"))
    assert counts(one.whole) == (3, 1, 1)
    assert counts(one.of("GET /a")) == (2, 1, 0)
    assert counts(one.of("GET /b")) == (1, 0, 1)
    assert one.whole.reasons == (("no token", 1),)


@pytest.mark.parametrize(("span", "minutes"), [(HOUR, 60), (HOURS, 360), (DAY, 1440)])
def test_a_span_has_the_calls_of_its_time(span: Any, minutes: int) -> None:
    history = history_of(call(minutes - 1), refused(minutes - 1, "old"))
    assert overview(history, "acme", span, NOW).whole.calls == 2
    later = overview(history, "acme", span, NOW + 60)
    assert (later.whole.calls, later.whole.reasons, later.whole.minutes) == (0, (), ())


def test_points_are_averages_of_their_steps() -> None:
    history = history_of(*[call(30)] * 3, refused(29, "no token"), call(12))
    points = overview(history, "acme", HOUR, NOW).whole.minutes
    assert [point.at for point in points] == list(range(NOW - 30 * 60, NOW + 1, 60))
    assert [(point.calls, point.refused) for point in points[:3]] == [
        (3, 0),
        (1, 1),
        (0, 0),
    ]
    assert points[2].median is None
    assert points[0].median == pytest.approx(1, rel=0.5)
    points = overview(history, "acme", HOURS, NOW).whole.minutes
    assert [point.at for point in points] == list(range(NOW - 30 * 60, NOW + 1, 300))
    assert [(point.calls, point.refused) for point in points[:2]] == [
        (0.8, 0.2),
        (0, 0),
    ]


def test_a_point_has_the_median_of_its_calls() -> None:
    times = [1000] * 3 + [3000] * 2 + [90_000] * 4
    history = history_of(*[call(3, microseconds=item) for item in times])
    whole = overview(history, "acme", HOUR, NOW).whole
    assert whole.median != round(whole.median, 3)
    assert whole.minutes[0].median == round(whole.median, 3)


def test_points_begin_with_the_span() -> None:
    points = overview(history_of(call(600), call(1)), "acme", HOUR, NOW).whole.minutes
    assert points[0].at == NOW - 3600
    assert len(points) == 61


def test_since_when_calls_are_known() -> None:
    assert (
        overview(history_of(call(600)), "acme", HOUR, NOW).known_since
        == "2027-01-14 22:00 UTC"
    )
    nothing = overview(history_of(), "acme", HOUR, NOW)
    assert (nothing.known_since, nothing.whole.minutes) == ("", ())


def test_the_most_frequent_reasons_come_first() -> None:
    calls = []
    for number in range(10):
        calls += [refused(number, f"reason {number}")] * (number + 1)
        calls += [refused(number + 10, f"reason {number}")]
    found = overview(history_of(*calls), "acme", HOUR, NOW).whole
    expected = tuple((f"reason {number}", number + 2) for number in range(9, 1, -1))
    assert found.reasons == expected
    assert figures_of(calls).reasons == expected


@pytest.mark.parametrize(
    ("times", "median", "slowest"),
    [((5,), 5, 5), ((1, 3), 3, 3), ((3, 1, 2), 2, 3), (range(20, 0, -1), 11, 20)],
)
def test_quantiles_of_calls(times: Any, median: float, slowest: float) -> None:
    figures = figures_of([{"microseconds": 1000 * item} for item in times])
    assert (figures.median, figures.slowest) == (median, slowest)


def test_failed_calls_have_a_status_of_500_or_more() -> None:
    calls = [{"status": status} for status in (499, 500, "503", 501, None)]
    assert figures_of(calls).failed == 3
