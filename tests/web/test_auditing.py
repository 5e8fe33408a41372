"""What the audit log records of requests to the system APIs, and how failures are limited."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.testclient import TestClient

from kapi.audit import MOST_FAILURES, MOST_OF_ONE, Audit
from kapi.errors import Problem
from kapi.front.web.http.access import PRINCIPAL
from kapi.front.web.http.problems import answer
from kapi.front.web.operate.auditing import Auditing, about, changes, entry_of
from kapi.identity.issuers.verify import Principal
from kapi.store.audit import FAILURE, AuditStore, Event, Sought
from kapi.store.engine.database import Database

CALLER = Principal("alice", "ci", frozenset(), "acme", "inbuilt", "token-1")
MINUTE = 60_000


async def change(request: Request) -> Response:
    """Answers with the status that the header names."""
    status = int(request.headers.get("x-status", "200"))
    if status != 401:
        setattr(request.state, PRINCIPAL, CALLER)
        about(request, "Items 1.0.0", "created")
    return Response(status_code=status)


async def plain(request: Request) -> Response:
    setattr(request.state, PRINCIPAL, CALLER)
    return Response(status_code=int(request.headers.get("x-status", "200")))


async def refused(request: Request) -> Response:
    error = Problem(409, "1", "The platform is not empty", "It has alice already.")
    return answer(request, error)


async def restored(request: Request) -> Response:
    changes(request, [("user.add", "alice"), ("restore", "")])
    return Response()


ROUTES = [
    Route("/api/dump", refused, methods=["POST"]),
    Route("/api/restore", restored, methods=["POST"]),
    Route("/api/deployer/apis/deploy", change, methods=["POST"]),
    Route("/api/deployer/1.2.0/apis/deploy", change, methods=["POST"]),
    Route("/api/users/{username}/password", plain, methods=["PUT"]),
]


def recorded(
    method: str,
    path: str,
    status: int = 200,
    forwarded: str = "192.0.2.9, 198.51.100.4",
) -> list[dict[str, Any]]:
    found: list[Event] = []
    app = Auditing(found.append, "default", ROUTES).around(Starlette(routes=ROUTES))
    headers = {"x-status": str(status), "x-forwarded-for": forwarded}
    TestClient(app).request(
        method, path, headers=headers, content=b'{"password": "top secret"}'
    )
    assert all("top secret" not in repr(item) for item in found)
    return [
        {name: value for name, value in item.shown().items() if name != "time"}
        for item in found
    ]


@pytest.mark.parametrize("version", ["", "/1.2.0"])
def test_a_change(version: str) -> None:
    assert recorded("POST", f"/api/deployer{version}/apis/deploy") == [
        {
            "event": "api.deploy",
            "outcome": "success",
            "target": "Items 1.0.0",
            "detail": "created",
            "subject": "alice",
            "client": "ci",
            "issuer": "inbuilt",
            "token": "token-1",
            "address": "198.51.100.4",
            "organization": "acme",
        }
    ]


def test_the_parts_of_a_path_are_the_target_and_a_refusal_is_a_failure() -> None:
    (event,) = recorded("PUT", "/api/users/bob/password", 404)
    assert (event["event"], event["outcome"], event["target"], event["detail"]) == (
        "user.password",
        "failure",
        "bob",
        "HTTP 404",
    )


def test_a_failure_has_its_reason_but_nothing_that_was_sent() -> None:
    (event,) = recorded("POST", "/api/dump")
    assert event["detail"] == "HTTP 409: The platform is not empty"


def test_what_a_request_makes_names_the_request() -> None:
    made = [
        (item["event"], item.get("detail")) for item in recorded("POST", "/api/restore")
    ]
    assert made == [("user.add", "restore"), ("restore", None)]


def test_a_caller_without_a_token() -> None:
    (event,) = recorded("POST", "/api/deployer/apis/deploy", 401)
    assert (event["event"], event["outcome"], event["organization"]) == (
        "api.deploy",
        "failure",
        "default",
    )
    assert "subject" not in event


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/users/bob/password"),
        ("POST", "/nothing"),
        ("POST", "/api/nothing"),
    ],
)
def test_what_changes_nothing_is_not_recorded(method: str, path: str) -> None:
    assert recorded(method, path) == []


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database.open(tmp_path / "kapi.db")
    yield opened
    opened.close()


def test_strangers_cannot_fill_it(database: Database, tmp_path: Path) -> None:
    store = AuditStore(database, 1000)
    audit = Audit(store, tmp_path / "audit.log")
    for number in range(200):
        audit.record(
            Event(
                "sign_in",
                FAILURE,
                address=f"192.0.2.{number % 4}",
                at=5 * MINUTE + number,
            )
        )
    assert len(store.newest(Sought(), 1000)) == 4 * MOST_OF_ONE
    for number in range(200):
        audit.record(
            Event(
                "sign_in",
                FAILURE,
                address=f"198.51.100.{number}",
                at=6 * MINUTE + number,
            )
        )
    audit.record(Event("api.deploy", at=6 * MINUTE + 300))
    events = store.newest(Sought(), 1000)
    limited = [item for item in events if item["event"] == "audit.limited"]
    assert [item["detail"] for item in limited] == [
        f"{200 - 4 * MOST_OF_ONE} failures were left out"
    ]
    assert len(events) == 4 * MOST_OF_ONE + 1 + MOST_FAILURES + 1
    assert events[-1]["event"] == "api.deploy"


def test_failures_of_one_address_leave_room_for_others(
    database: Database, tmp_path: Path
) -> None:
    store = AuditStore(database, 1000)
    audit = Audit(store, tmp_path / "audit.log")
    for number in range(2 * MOST_FAILURES):
        audit.record(Event("sign_in", FAILURE, address="192.0.2.1", at=MINUTE + number))
    audit.record(Event("sign_in", FAILURE, address="192.0.2.2", at=2 * MINUTE - 1))
    addresses = [item["address"] for item in store.newest(Sought(), 1000)]
    assert addresses == ["192.0.2.1"] * MOST_OF_ONE + ["192.0.2.2"]


def test_the_file_has_what_the_store_has_and_is_its_owners(
    database: Database, tmp_path: Path
) -> None:
    path, store = tmp_path / "audit.log", AuditStore(database, 1000)
    audit = Audit(store, path)
    audit.record(Event("key.rotate", subject="alice"))
    path.rename(tmp_path / "audit.log.1")
    audit.record(Event("secret.set", target="a/b"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    lines = [
        *(tmp_path / "audit.log.1").read_text().splitlines(),
        *path.read_text().splitlines(),
    ]
    assert list(map(json.loads, lines)) == store.newest(Sought(), 10)


@pytest.mark.parametrize(
    ("status", "breaks", "expected"),
    [
        (200, False, [("success", "Items 1.0.0")]),
        (404, True, [("failure", "Items 1.0.0")]),
    ],
)
def test_work_writes_its_entry_in_its_own_transaction(
    database: Database,
    tmp_path: Path,
    status: int,
    breaks: bool,
    expected: list[tuple[str, str]],
) -> None:
    """Both or neither; then the answer of the request is what is recorded, as of any other."""
    path, store = tmp_path / "audit.log", AuditStore(database, 1000)
    audit = Audit(store, path)

    async def work(request: Request) -> Response:
        setattr(request.state, PRINCIPAL, CALLER)
        about(request, "Items 1.0.0")
        entry = entry_of(request)
        assert entry is not None
        try:
            with database.transaction() as db:
                entry.store(db)
                if breaks:
                    raise ValueError
        except ValueError:
            return Response(status_code=status)
        entry.stored()
        return Response(status_code=status)

    routes = [Route("/api/deployer/apis/deploy", work, methods=["POST"])]
    around = Auditing(audit.record, "default", routes, audit.record_within)
    TestClient(around.around(Starlette(routes=routes))).post(
        "/api/deployer/apis/deploy"
    )
    found = store.newest(Sought(), 10)
    assert [(item["outcome"], item["target"]) for item in found] == expected
    assert list(map(json.loads, path.read_text().splitlines())) == found
