"""The calls of the last day by minute: counted from lines of the access log, and bounded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kapi.front.web.console.summary import SPANS, Overview, overview
from kapi.gateway.calls.call_log import newest_lines
from kapi.gateway.calls.history import BOUNDS, CallHistory, Cell

AT = 1_795_780_800  # 2026-11-27T12:00:00Z
HOUR, _, DAY = SPANS


def line(minute: int = 0, **more: Any) -> dict[str, Any]:
    """A line of a call in a minute after 12:00."""
    hours, minutes = divmod(12 * 60 + minute, 60)
    days, hours = divmod(hours, 24)
    return {
        "time": f"2026-11-{27 + days}T{hours:02}:{minutes:02}:07.123Z",
        "organization": "acme",
        "api": "Pets",
        "version": "1.0.0",
        "operation": "GET /pets",
        "status": 200,
        "microseconds": "2000",
        **more,
    }


def seen(
    history: CallHistory, minute: int = 0, api: tuple[str, str] | None = None
) -> Overview:
    return overview(history, "acme", HOUR, AT + minute * 60, api)


def test_calls_are_counted_by_minute_api_and_operation() -> None:
    history = CallHistory()
    for given in (
        line(),
        line(status=503),
        line(
            2, operation="PUT /pets", decision="refused", reason="no token", status=401
        ),
        line(2, api="Shop", version="2"),
        line(2, organization="other"),
        line(2, api=None),
        {"time": "then", "api": "Pets"},
    ):
        history.count(given)
    found = seen(history, 3)
    assert (found.whole.calls, found.whole.refused, found.whole.failed) == (4, 1, 1)
    assert found.whole.reasons == (("no token", 1),)
    assert found.of("Pets", "1.0.0").calls == 3
    assert found.of("Shop", "2").calls == 1
    assert found.of("None", "1").calls == 0
    points = [(item.at - AT, item.calls, item.refused) for item in found.whole.minutes]
    assert points == [(0, 2, 0), (60, 0, 0), (120, 2, 1), (180, 0, 0)]
    assert found.whole.minutes[1].median is None
    one = seen(history, 3, ("Pets", "1.0.0"))
    assert one.whole.calls == 3
    assert one.of("PUT /pets").refused == 1
    assert one.of("GET /pets").calls == 2
    assert found.known_since == "2026-11-27 12:00 UTC"


def test_figures_are_those_of_the_span() -> None:
    history = CallHistory()
    for minute in range(0, 180, 10):
        history.count(line(minute))
    now = AT + 179 * 60
    assert overview(history, "acme", HOUR, now).whole.calls == 6
    day = overview(history, "acme", DAY, now).whole
    assert day.calls == 18
    assert [item.at % 900 for item in day.minutes] == [0] * 12
    assert round(sum(item.calls * 15 for item in day.minutes)) == 18
    assert overview(history, "acme", HOUR, now + 9000).whole.minutes == ()


@pytest.mark.parametrize("milliseconds", [0.1, 0.5, 1, 3, 12, 100, 900, 20_000])
def test_times_are_near_those_of_the_calls(milliseconds: float) -> None:
    history = CallHistory()
    for _ in range(9):
        history.count(line(microseconds=str(int(milliseconds * 1000))))
    history.count(line(microseconds="50000000"))
    whole = seen(history).whole
    assert whole.median == pytest.approx(milliseconds, rel=0.5, abs=0.2)
    assert 30_000 < whole.slowest <= BOUNDS[-1] / 1000
    assert Cell().quantile(0.5) == 0


def test_minutes_older_than_a_day_go() -> None:
    history = CallHistory(minutes=60)
    for minute in (0, 30, 59):
        history.count(line(minute))
    assert history.since() == AT
    history.count(line(60))
    assert history.since() == AT + 30 * 60
    history.count(line(0))
    assert history.since() == AT + 30 * 60
    history.count(line(600))
    assert history.since() == AT + 600 * 60


def test_the_oldest_minutes_go_when_there_are_too_many_cells() -> None:
    history = CallHistory(most_cells=10)
    for minute in range(8):
        for number in range(4):
            history.count(line(minute, operation=f"GET /{number}"))
    assert history.since() == AT + 6 * 60
    assert seen(history, 8).whole.calls == 8


def test_operations_and_reasons_of_one_minute_are_bounded() -> None:
    history = CallHistory(most_of_minute=3)
    for number in range(50):
        refused = {"decision": "refused", "reason": f"because of {number}"}
        history.count(line(operation=f"GET /{number}", **refused))
        history.count(line(api=f"Api {number}"))
    assert len(list(history.cells("acme", 0))) <= 3 * 3
    assert len(list(history.reasons("acme", 0))) <= 3 + 1
    assert seen(history).whole.calls == 100
    assert sum(number for _, number in history.reasons("acme", 0)) == 50


def test_it_is_filled_from_the_lines_that_were_written_before(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    text = "".join(f"{json.dumps(line(minute))}\n" for minute in range(3))
    path.write_text(f"not a line\n[]\n{text}")
    end = path.stat().st_size
    with path.open("a") as file:
        file.write(f"{json.dumps(line(9))}\n")
    history = CallHistory()
    history.fill(newest_lines(path, 1 << 20, end))
    assert seen(history, 10).whole.calls == 3
    history.fill(newest_lines(tmp_path / "absent", 1 << 20, 0))
