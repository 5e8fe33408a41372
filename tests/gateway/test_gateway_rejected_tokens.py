"""Envoy tells which tokens it refused: the issuer, the reason, and nothing of the token itself."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from live_gateway import Gateway, Minter, api, backend, gateway, operation

from kapi import run_files
from kapi.apis.ir import Endpoint
from kapi.gateway.rejected_tokens import RejectedTokenLog
from waiting import until

OTHER = Minter("other", "https://other.example")
PATH = "/x/1.0.0/a"
Heard = list[tuple[str, str]]


@pytest.fixture(scope="module")
def heard() -> Heard:
    return []


@pytest.fixture(scope="module")
def running(heard: Heard) -> Iterator[Gateway]:
    names = {"https://other.example": "other"}
    with gateway(start=False) as live, backend() as port:
        log = RejectedTokenLog(
            run_files.rejected_tokens_socket(live.settings),
            lambda *refusal: heard.append(refusal),
            lambda iss: names.get(iss, ""),
            4,
        )
        log.start()
        item = api(
            "/x", [operation("GET", "/a", Endpoint("http", "127.0.0.1", port, "/"))]
        )
        live.apis[item.id] = item
        live.publisher.set_initial(live.base([live.minter.trusted, OTHER.trusted]))
        live.publisher.start()
        live.start_envoy()
        live.wait_ready()
        yield live
        log.stop()


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        ("", ("", "missing")),
        ("x.y.z", ("", "malformed")),
        (OTHER.token(exp=5), ("other", "expired")),
        (OTHER.token(nbf=4_000_000_000), ("other", "not yet valid")),
        (Minter("unknown", "https://other.example").token(), ("other", "unknown key")),
        (Minter("other", "https://other.example").token(), ("other", "signature")),
        (Minter("other", "https://nobody.example").token(), ("", "unknown issuer")),
        (OTHER.token(token_type="refresh_token"), ("other", "type")),
        (OTHER.token(cnf={"jkt": "x"}), ("other", "claim")),
    ],
    ids=[
        "missing",
        "malformed",
        "expired",
        "not yet valid",
        "unknown key",
        "signature",
        "unknown issuer",
        "refresh token",
        "bound",
    ],
)
def test_a_refusal_is_told(
    running: Gateway, heard: Heard, token: str, expected: tuple[str, str]
) -> None:
    heard.clear()
    assert running.call(PATH, token=token).status == 401
    until(lambda: heard)
    assert heard == [expected]


def test_what_is_accepted_is_not_told(running: Gateway, heard: Heard) -> None:
    heard.clear()
    assert running.call(PATH, token=OTHER.token()).status == 200
    time.sleep(0.2)
    assert heard == []
