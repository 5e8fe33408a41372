"""The reading of the access log, and the words for a call."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from kapi.gateway.calls.call_log import CallLog, Wanted
from kapi.gateway.calls.explaining import explanation, with_exact_reason
from kapi.gateway.envoy.resources.logs.reasons import reason_of

OURS = Wanted("default")


def write(path: Path, *calls: dict[str, Any]) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.writelines(
            json.dumps(call, separators=(",", ":")) + "\n" for call in calls
        )


def call(number: int, **more: Any) -> dict[str, Any]:
    return {
        "request_id": f"00000000-{number}",
        "organization": "default",
        "api": "A",
        **more,
    }


def numbers(calls: list[dict[str, Any]]) -> list[str]:
    return [item["request_id"][9:] for item in calls]


def test_the_newest_calls_come_last_and_a_place_leads_on(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    write(path, *(call(number) for number in range(5)))
    log = CallLog(path)
    calls, place = log.newest(OURS, 2)
    assert numbers(calls) == ["3", "4"]
    write(path, call(5), call(6))
    calls, place = log.after(place, OURS, 1)
    assert numbers(calls) == ["5"]
    path.rename(tmp_path / "access.log.1")
    write(path, call(7))
    calls, place = log.after(place, OURS, 10)
    assert numbers(calls) == ["6", "7"]
    assert log.after(place, OURS, 10)[0] == []
    assert numbers(log.newest(OURS, 3)[0]) == ["5", "6", "7"]
    assert log.of("00000000-1", OURS) == call(1)


def test_only_the_calls_that_are_wanted(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    write(
        path,
        call(1, decision="allowed"),
        call(2, decision="refused"),
        call(3, organization="other", decision="refused"),
        call(4, organization="", api="", decision="refused"),
        call(5, api="B", decision="failed"),
    )
    log = CallLog(path)
    assert numbers(log.newest(Wanted("default", refused=True), 9)[0]) == ["2", "5"]
    assert numbers(log.newest(Wanted("default", api="B"), 9)[0]) == ["5"]
    assert numbers(log.newest(Wanted("default", with_system=True), 9)[0]) == [
        "1",
        "2",
        "4",
        "5",
    ]
    assert log.of("00000000-3", OURS) is None
    assert log.of('x","y":"', OURS) is None


def test_readings_of_the_log_are_no_calls_to_wait_for(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    own, there = {"api": "", "organization": ""}, "api.localhost/api/logs"
    write(
        path,
        call(1, **own, url=there, status=200),
        call(2, **own, url=there, status=403),
        call(3, url=there, status=200),
    )
    log, wanted = CallLog(path), Wanted("default", with_system=True, but="/api/logs")
    assert numbers(log.newest(wanted, 9)[0]) == ["2", "3"]
    assert numbers(log.newest(OURS, 9)[0]) == ["3"]


def test_a_line_that_is_being_written_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    write(path, call(1))
    with path.open("a", encoding="utf-8") as file:
        file.write('{"request_id":"00000000-2"')
    log = CallLog(path)
    assert numbers(log.newest(OURS, 9)[0]) == ["1"]
    assert CallLog(tmp_path / "none.log").newest(OURS, 9) == ([], "")


def test_empty_fields_are_left_out_however_they_are_written(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    write(
        path, call(1, subject="-", application=None, consumer="", bytes_in=0, url="a/-")
    )
    assert CallLog(path).newest(OURS, 1)[0] == [call(1, bytes_in=0, url="a/-")]


def test_the_name_of_the_route_says_api_and_operation(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    fields = {"request_id": "0" * 8, "status": 200}
    write(
        path,
        {**fields, "route": "acme|A%7CB 100%25 ü|1.0.0|GET /a%7Cb"},
        {**fields, "route": "acme|A|1||"},
        {**fields, "route": "-"},
        call(4, organization="acme"),
    )
    found, _ = CallLog(path).newest(Wanted("acme", with_system=True), 9)
    of_api = {"organization": "acme", "api": "A|B 100% ü", "version": "1.0.0"}
    assert found[0] == {**fields, **of_api, "operation": "GET /a|b"}
    assert found[1:3] == [fields, fields]
    assert found[3:] == [call(4, organization="acme")]


def test_one_field_has_tokens_cost_and_model(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    write(
        path,
        call(1, usage="70|30|100|0.000475 USD|a|b"),
        call(2, usage="0|2|2||"),
        call(3, usage=None, total_tokens="7", model="older"),
    )
    tokens = {"prompt_tokens": "70", "completion_tokens": "30", "total_tokens": "100"}
    assert CallLog(path).newest(OURS, 3)[0] == [
        call(1, **tokens, cost="0.000475 USD", model="a|b"),
        call(2, prompt_tokens="0", completion_tokens="2", total_tokens="2"),
        call(3, total_tokens="7", model="older"),
    ]


def test_the_missing_scopes_are_named() -> None:
    refused = call(
        1,
        decision="refused",
        status=403,
        code="900910",
        reason="one of the scopes a b c is missing",
        needed_scopes="a b c",
        scopes="b",
    )
    assert with_exact_reason(refused)["reason"] == "scopes a, c are missing"
    assert "because scopes a, c are missing" in explanation(refused)
    assert (
        with_exact_reason({**refused, "scopes": ["a", "b"]})["reason"]
        == "scope c is missing"
    )


def test_the_first_reason_that_matches_counts() -> None:
    assert reason_of("jwt_authn_access_denied{Jwt_is_expired}", 401).code == "900903"
    assert (
        reason_of("rbac_access_denied_matched_policy[900901_typ]", 401).code == "900901"
    )
    assert reason_of("rbac_access_denied_matched_policy[none]", 403).code == "900910"
    assert reason_of("upstream_response_timeout", 504).decision == "failed"
    assert reason_of("via_upstream", 500).decision == "allowed"
    assert reason_of("anything", 418).decision == "refused"
