"""The password grant: absent unless a setting asks for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from flows import Clock, client, provider_app
from idp import Answer, basic, call
from person import claims_of

OLD = client("old", grants=("password", "refresh_token"))


def ask(app: Any, **parameters: str) -> Answer:
    return call(
        app,
        body=urlencode({"grant_type": "password", **parameters}).encode(),
        authorization=basic("old", "s"),
    )


def test_it_is_not_there_by_default(tmp_path: Path) -> None:
    app = provider_app(tmp_path, Clock(), OLD)
    assert (
        ask(app, username="org1user", password="org1user").json()["error"]
        == "unsupported_grant_type"
    )


def test_old_suites_may_turn_it_on(tmp_path: Path) -> None:
    app = provider_app(tmp_path, Clock(), OLD, client("new"), password_grant=True)
    tokens = ask(app, username="org1user", password="org1user", scope="a").json()
    assert (
        claims_of(tokens["access_token"])["sub"],
        claims_of(tokens["access_token"])["organization"],
    ) == ("org1user", "org1")
    assert "refresh_token" in tokens
    assert (
        "password"
        in call(app, "GET", "/.well-known/openid-configuration").json()[
            "grant_types_supported"
        ]
    )
    for wrong in (
        {"username": "org1user", "password": "x"},
        {"username": "nobody", "password": "nobody"},
        {"username": "org1user", "password": "org1user", "organization": "org2"},
        {"username": "multiorguser", "password": "multiorguser"},
    ):
        assert ask(app, **wrong).json()["error"] == "invalid_grant"
    assert ask(app, username="org1user").json()["error"] == "invalid_request"
    body = urlencode(
        {"grant_type": "password", "username": "org1user", "password": "org1user"}
    ).encode()
    assert (
        call(app, body=body, authorization=basic("new", "s")).json()["error"]
        == "unauthorized_client"
    )
    for _ in range(20):
        last = ask(app, username="org1user", password="x").json()
    assert "Too many" in last["error_description"]
