"""The figures of calls: what is counted of a line of the access log, the limit of rows, and the
reading of the file.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from kapi.figures import Counter, text_of
from kapi.gateway.calls.alike import count_lines
from kapi.gateway.calls.call_figures import CallFigures
from kapi.gateway.calls.following import Following
from kapi.gateway.calls.history import CallHistory
from kapi.gateway.calls.lines import read_line
from kapi.settings import MetricsSettings, Settings

API = {"api": "Items", "version": "1.0.0", "organization": "default"}
HERE = API | {"host": "production"}


def figures(tmp_path: Path, most: int = 5000) -> CallFigures:
    return CallFigures(Settings(tmp_path, metrics=MetricsSettings(max_series=most)))


def call(**more: Any) -> dict[str, Any]:
    return {
        **API,
        "operation": "GET /items/{id}",
        "url": "default.gw.wso2.com:9095/items/1.0.0/items/1",
        "status": 200,
        "decision": "allowed",
        "microseconds": 4000,
        **more,
    }


def shown(counted: CallFigures) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    text = text_of(counted.families())
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def row(name: str, **labels: str) -> tuple[str, frozenset[tuple[str, str]]]:
    return name, frozenset(labels.items())


def test_costs_of_ai_models_are_added_without_rounding(tmp_path: Path) -> None:
    counted = figures(tmp_path)
    for _ in range(10):
        counted.count(call(cost="0.1 USD", application="shop"))
    counted.count(call(cost="0.000000000003 EUR"))
    found = shown(counted)
    dollars = row("kapi_ai_cost_total", **API, application="shop", currency="USD")
    assert found[dollars] == 1
    assert (
        found[row("kapi_ai_cost_total", **API, application="", currency="EUR")] == 3e-12
    )


def test_a_call_that_passed(tmp_path: Path) -> None:
    counted = figures(tmp_path)
    for _ in range(2):
        counted.count(call(upstream_microseconds=3000, bytes_in=10, bytes_out="32"))
    found = shown(counted)
    assert (
        found[
            row(
                "kapi_requests_total",
                **HERE,
                operation="GET /items/{id}",
                status="200",
                code="",
            )
        ]
        == 2
    )
    assert found[row("kapi_request_duration_seconds_count", **HERE)] == 2
    assert found[row("kapi_request_duration_seconds_sum", **HERE)] == 0.008
    assert found[row("kapi_request_duration_seconds_bucket", **HERE, le="0.0025")] == 0
    assert found[row("kapi_request_duration_seconds_bucket", **HERE, le="0.005")] == 2
    assert found[row("kapi_request_duration_seconds_bucket", **HERE, le="+Inf")] == 2
    assert found[row("kapi_upstream_duration_seconds_sum", **HERE)] == 0.006
    assert found[row("kapi_body_bytes_total", **HERE, direction="received")] == 20
    assert found[row("kapi_body_bytes_total", **HERE, direction="sent")] == 64


def test_calls_that_did_not_pass(tmp_path: Path) -> None:
    counted = figures(tmp_path)
    counted.count(
        call(
            status=403,
            decision="refused",
            code="900910",
            reason="scope items:write is missing",
        )
    )
    counted.count(call(status=429, decision="refused", code="900800"))
    counted.count(call(status=503, decision="failed", code="102503", flags="UF,URX"))
    counted.count(call(status=429))
    found = shown(counted)
    assert (
        found[
            row(
                "kapi_refusals_total",
                **API,
                code="900910",
                reason="The access token does not allow you to access the requested resource",
            )
        ]
        == 1
    )
    assert found[row("kapi_limits_reached_total", **API, code="900800")] == 1
    assert (
        found[row("kapi_upstream_failures_total", **API, reason="connection failed")]
        == 1
    )
    assert len([key for key in found if key[0] == "kapi_limits_reached_total"]) == 1


def test_kinds_of_hosts(tmp_path: Path) -> None:
    counted = figures(tmp_path)
    for host in (
        "api.am.wso2.com",
        "LOCALHOST",
        "idp.am.wso2.com",
        "default.sandbox.gw.wso2.com",
        "x.gw.wso2.com",
        "evil",
    ):
        counted.count(
            {"url": f"{host}/x", "status": 404, "decision": "refused", "code": "404"}
        )
    kinds = {
        dict(labels)["host"]: value
        for (name, labels), value in shown(counted).items()
        if name == "kapi_requests_total"
    }
    assert kinds == {
        "system": 2,
        "provider": 1,
        "sandbox": 1,
        "production": 1,
        "other": 1,
    }


def test_ten_thousand_apis_are_bounded_and_none_of_their_calls_is_lost(
    tmp_path: Path,
) -> None:
    counted = figures(tmp_path, 1000)
    for number in range(10_000):
        counted.count(call(api=f"Api{number}"))
    found = shown(counted)
    requests = {
        key: value for key, value in found.items() if key[0] == "kapi_requests_total"
    }
    assert len(requests) == 1001
    assert sum(requests.values()) == 10_000
    other = {
        "api": "other",
        "version": "other",
        "organization": "other",
        "host": "production",
    }
    assert (
        found[
            row(
                "kapi_requests_total", **other, operation="other", status="200", code=""
            )
        ]
        == 9000
    )
    assert found[row("kapi_request_duration_seconds_count", **other)] == 9000
    assert len(found) < 1001 * 20


def test_label_values_are_escaped() -> None:
    counter = Counter("kapi_x_total", "X.", ("client",), 10)
    counter.add(('a"b\\c\nd',))
    (family,) = text_string_to_metric_families(text_of([counter.family()]))
    assert family.samples[0].labels == {"client": 'a"b\\c\nd'}


def test_a_log_is_followed_over_its_rotation(tmp_path: Path) -> None:
    path, seen = tmp_path / "access.log", list[int]()

    def take(lines: Sequence[bytes]) -> int:
        for line in lines:
            seen.append(json.loads(line)["n"])
        return 0

    following = Following(path, take)

    def write(file: Path, *numbers: int, end: str = "\n") -> None:
        with file.open("a") as log:
            log.write("\n".join(json.dumps({"n": number}) for number in numbers) + end)

    following.look()
    write(path, 1, 2)
    write(path, 3, end="")
    following.look()
    assert seen == [1, 2]
    write(path, end="\n")
    write(path, 4)
    path.rename(tmp_path / "access.log.1")
    following.look()
    assert seen == [1, 2, 3, 4]
    write(path, 5)
    following.look()
    assert seen == [1, 2, 3, 4, 5]


def written(**more: Any) -> bytes:
    """A line of a call that passed, as Envoy writes it."""
    fields = {
        "decision": "allowed",
        "usage": None,
        "route": "default|Items|1.0.0|GET /items/{id}",
        "status": 200,
        "url": "default.gw.wso2.com/items/1.0.0/items/1",
        "time": "2026-11-27T12:00:07.123Z",
        "microseconds": 4000,
        "upstream_microseconds": 3000,
        "bytes_in": 10,
        "bytes_out": 32,
        **more,
    }
    return json.dumps(fields).encode()


def test_calls_that_are_read_together_are_counted_as_single_ones(
    tmp_path: Path,
) -> None:
    lines = [
        *(written(microseconds=number) for number in (900, 1000, 1001, 60_000_000)),
        written(status=304, upstream_microseconds=None, microseconds=None),
        written(url="default.sandbox.gw.wso2.com/items/1.0.0/x", bytes_in=0),
        written(url="api.am.wso2.com/api/apis", route="-"),
        written(time="2026-11-27T12:01:00.000Z"),
        written(decision="refused", code="900902", status=401),
        written(route="default|100%25 %7C|1|"),
    ]
    together, singly = figures(tmp_path), figures(tmp_path)
    history, by_call = CallHistory(), CallHistory()
    assert count_lines(lines, together, history) == 0
    for line in lines:
        singly.count(read_line(line))
        by_call.count(read_line(line))
    assert shown(together) == shown(singly)
    assert row("kapi_request_duration_seconds_sum", **HERE) in shown(together)
    assert [*history.cells("default", 0)] == [*by_call.cells("default", 0)]
    assert {key[1] for _, key, _ in history.cells("default", 0)} == {"Items", "100% |"}


def test_lines_of_older_versions_are_counted_and_others_that_cannot_be_read_too(
    tmp_path: Path,
) -> None:
    older = {**API, "operation": "GET /x", "url": "default.gw.wso2.com/items/1.0.0/x"}
    passed = {**older, "status": 200, "decision": "allowed", "cost": "-", "bytes_in": 7}
    lines = [
        json.dumps(passed).encode(),
        *(b"not json", b"", b"[1]", b"1,2", b'{"route":'),
        written(bytes_in="many", status=204),
        written(),
    ]
    counted = figures(tmp_path)
    assert count_lines(lines, counted) == 6
    found = shown(counted)
    assert found[row("kapi_request_duration_seconds_count", **HERE)] == 2
    assert found[row("kapi_body_bytes_total", **HERE, direction="received")] == 17
