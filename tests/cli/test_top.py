"""`kapi top`: figures from two readings of the metrics, and the screen."""

from __future__ import annotations

from typing import Any

from kapi.figures import Family, counter, gauge, text_of
from kapi.front.cli.top.rates import figures
from kapi.front.cli.top.samples import read
from kapi.front.cli.top.screen import lines

ODD = 'a "quoted"\\ name\nwith lines'


def answer(*families: Family) -> str:
    return text_of(families)


def calls(*rows: tuple[str, str, float]) -> Family:
    made = [
        ({"api": api, "version": "1", "organization": "org1", "status": status}, number)
        for api, status, number in rows
    ]
    return counter("kapi_requests_total", "", made)


def durations(*counts: float) -> Family:
    labels = {"api": "Shop", "version": "1", "organization": "org1"}
    bounds = ("0.1", "0.2", "+Inf")
    rows = [
        ("_bucket", {**labels, "le": bound}, count)
        for bound, count in zip(bounds, counts, strict=True)
    ]
    return Family("kapi_request_duration_seconds", "histogram", "", rows)


def refusals(number: float) -> Family:
    labels = {"api": "Shop", "version": "1", "organization": "org1", "code": "900902"}
    return counter(
        "kapi_refusals_total", "", [({**labels, "reason": "no token"}, number)]
    )


def process(name: str, seconds: float, memory: float) -> tuple[Family, Family]:
    labels = {"process": name}
    return (
        counter("kapi_process_cpu_seconds_total", "", [(labels, seconds)]),
        gauge("kapi_process_resident_memory_bytes", "", [(labels, memory)]),
    )


def seen() -> dict[str, Any]:
    before = answer(
        calls(("Shop", "200", 100), ("Gone", "200", 5)),
        durations(0, 0, 0),
        refusals(1),
        *process("envoy", 10, 1e6),
    )
    now = answer(
        calls(
            ("Shop", "200", 180),
            ("Shop", "503", 10),
            ("New", "200", 10),
            ("Gone", "200", 5),
        ),
        durations(50, 100, 100),
        refusals(21),
        *process("envoy", 15, 64 * 1024 * 1024),
    )
    return figures(read(before, 100.0), read(now, 110.0))


def test_rates_are_per_second_and_by_api() -> None:
    found = seen()
    assert found["requests"] == {
        "perSecond": 10.0,
        "refusedPerSecond": 2.0,
        "failedPerSecond": 1.0,
        "p50": 100.0,
        "p95": 190.0,
        "p99": 198.0,
    }
    assert [(item["api"], item["perSecond"]) for item in found["apis"]] == [
        ("Shop", 9.0),
        ("New", 1.0),
    ]
    assert found["apis"][1]["p50"] is None
    assert found["refusals"] == [
        {"code": "900902", "reason": "no token", "perSecond": 2.0}
    ]
    assert found["processes"] == [
        {"process": "envoy", "cpuPercent": 50.0, "memoryBytes": 64 * 1024 * 1024}
    ]


def test_a_counter_that_began_again_counts_from_zero() -> None:
    before, now = (
        answer(calls(("Shop", "200", 100))),
        answer(calls(("Shop", "200", 10))),
    )
    assert figures(read(before, 0.0), read(now, 10.0))["requests"]["perSecond"] == 1.0


def test_calls_slower_than_the_last_bound_have_that_bound() -> None:
    before, now = answer(durations(0, 0, 0)), answer(durations(0, 0, 10))
    assert figures(read(before, 0.0), read(now, 1.0))["requests"]["p50"] == 200.0


def test_labels_are_read_as_they_were_written() -> None:
    text = answer(calls((ODD, "200", 1))) + "no metric at all\nkapi_x{} nothing\n"
    [(labels, value)] = read(text, 0.0).of("kapi_requests_total")
    assert (labels["api"], value) == (ODD, 1.0)


def test_the_screen_fits_the_terminal() -> None:
    shown = lines(seen(), "api.localhost:9095", 60, 12)
    assert len(shown) <= 12
    assert max(map(len, shown)) <= 60
    text = "\n".join(lines(seen(), "api.localhost:9095", 200, 1000))
    for part in (
        "requests 10.0/s",
        "p95 190.0 ms",
        "Shop 1 (org1)",
        "no token",
        "50 %",
        "64 MiB",
    ):
        assert part in text


def test_names_cannot_command_the_terminal() -> None:
    before, now = answer(calls()), answer(calls(("\x1b[2J\x07", "200", 1)))
    shown = lines(figures(read(before, 0.0), read(now, 1.0)), "x", 100, 50)
    assert all(map(str.isprintable, shown))


def test_without_the_access_log_the_screen_says_so() -> None:
    empty = figures(read("", 0.0), read("", 1.0))
    assert empty["requests"]["perSecond"] == 0.0
    assert "access_log is off" in "\n".join(lines(empty, "x", 100, 50))
