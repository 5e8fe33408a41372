"""The health endpoints: what they say about checks that pass, fail, raise and take long."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from kapi.app.operate.health_checks import clock_fault, disk
from kapi.front.web.operate.health import Check, Checks, Health


def fine() -> str:
    return ""


def broken() -> str:
    raise OSError("/secret/path is gone")


def client(*checks: tuple[str, Callable[[], str]], **options: Any) -> TestClient:
    health = Health(Checks([Check(*item) for item in checks], **options))
    return TestClient(Starlette(routes=health.routes()))


def test_all_is_well() -> None:
    http = client(("store", fine), ("disk", fine))
    assert (http.get("/livez").status_code, http.get("/livez").text) == (200, "ok")
    assert http.get("/readyz").text == "ok"
    answer = http.get("/readyz?verbose")
    assert answer.text == "[+]store ok\n[+]disk ok\nreadyz check passed\n"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


def test_a_failed_check_is_named_without_being_asked_for() -> None:
    http = client(
        ("store", broken), ("gateway", lambda: "Envoy is not connected"), ("disk", fine)
    )
    answer = http.get("/readyz")
    assert answer.status_code == 503
    assert answer.text.splitlines() == [
        "[-]store failed: failed; the log of the control process says why",
        "[-]gateway failed: Envoy is not connected",
        "[+]disk ok",
        "readyz check failed",
    ]
    assert http.get("/livez").status_code == 200
    value = http.get("/readyz", headers={"accept": "application/json"}).json()
    assert value["status"] == "failed"
    assert value["checks"][2] == {
        "name": "disk",
        "ok": True,
        "required": True,
        "fault": "",
    }
    assert "/secret" not in answer.text + str(value)


def test_calls_are_taken_while_a_check_fails_that_is_not_required() -> None:
    checks = Checks(
        [Check("store", lambda: "it is away", required=False), Check("disk", fine)]
    )
    http = TestClient(Starlette(routes=Health(checks).routes()))
    assert (http.get("/readyz").status_code, http.get("/readyz").text) == (200, "ok")
    assert http.get("/readyz?verbose").text.splitlines() == [
        "[!]store failed, not required: it is away",
        "[+]disk ok",
        "readyz check passed",
    ]


def test_a_check_that_hangs_fails() -> None:
    release = threading.Event()
    http = client(("store", lambda: str(release.wait(30))), patience=0.01)
    try:
        assert (
            "[-]store failed: no answer within 0.01 seconds" in http.get("/readyz").text
        )
    finally:
        release.set()


def test_many_callers_cause_one_run_a_second() -> None:
    now, runs = [100.0], []

    def counted() -> str:
        runs.append(now[0])
        return ""

    checks = Checks([Check("store", counted)], clock=lambda: now[0])
    for _ in range(20):
        checks.results()
    assert len(runs) == 1
    now[0] += 1.0
    checks.results()
    assert len(runs) == 2


@pytest.mark.parametrize(
    ("least", "says"), [(0, ""), (2**62, "MiB are free for the data directory")]
)
def test_disk(tmp_path: Path, least: int, says: str) -> None:
    assert disk(tmp_path, least).endswith(says)
    assert bool(disk(tmp_path, least)) is bool(says)


@pytest.mark.parametrize(
    ("own", "says"),
    [(95.0, ""), (105.9, ""), (94.0, "6 s late"), (145.3, "45 s early")],
)
def test_a_clock_that_differs_from_that_of_the_database(own: float, says: str) -> None:
    fault = clock_fault(lambda: 100, lambda: own)
    assert says in fault
    assert bool(fault) is bool(says)
