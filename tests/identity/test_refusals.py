"""Every refusal that the provider's OpenAPI document shows comes as it is shown: status and body,
by a request that gets it.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import jsonschema
import pytest

from client_keys import key, proof
from flows import Clock, client, person_at, provider_app, public
from idp import Answer, basic, call
from kapi.front.web.identity import app as oauth
from kapi.identity.openapi import CATALOGUE
from kapi.identity.protocol.waiting import MOST, MOST_PROOFS

TOKEN_PATH, PAR, CIBA_PATH, DEVICE_PATH = (
    "/oauth2/token",
    "/oauth2/par",
    "/oauth2/bc-authorize",
    "/oauth2/device_authorization",
)
TOKEN_URL = f"https://idp.am.wso2.com:9095{TOKEN_PATH}"
DEVICE, CIBA = (
    "urn:ietf:params:oauth:grant-type:device_code",
    "urn:openid:params:grant-type:ciba",
)
OWN = {"grant_type": "client_credentials"}
CODE = {"response_type": "code", "redirect_uri": "https://shop.example/cb"}
GRANTS = ("authorization_code", "refresh_token", "client_credentials", DEVICE, CIBA)
CLIENTS = (
    client(scopes=("a", "openid"), grants=GRANTS),
    client("bound", grants=("client_credentials",), dpop_bound_access_tokens=True),
    client("pushes"),
    public("app"),
    client("other", grants=("client_credentials",)),
    client("own", grants=("client_credentials",), organization="org1"),
)


class Provider:
    def __init__(self, folder: Path) -> None:
        self.clock = Clock()
        self.folder = folder
        self.app: Any = provider_app(folder, self.clock, *CLIENTS, dpop_nonce=True)

    def post(
        self,
        path: str,
        body: dict[str, str] | bytes,
        caller: str | None = "shop",
        **headers: str,
    ) -> Answer:
        sent = {"authorization": basic(caller, "s")} if caller else {}
        return call(
            self.app,
            "POST",
            path,
            body if isinstance(body, bytes) else urlencode(body).encode(),
            **sent | headers,
        )

    def bearer(self, scope: str, caller: str = "other") -> dict[str, str]:
        token = self.post(TOKEN_PATH, {**OWN, "scope": scope}, caller).json()[
            "access_token"
        ]
        return {"authorization": f"Bearer {token}"}

    def userinfo(self, **headers: str) -> Answer:
        return call(self.app, "GET", "/oauth2/userinfo", b"", **headers)

    def register(self, headers: dict[str, str], **metadata: Any) -> Answer:
        body = json.dumps({"client_name": "x", **metadata}).encode()
        return call(
            self.app,
            "POST",
            "/dcr/register",
            body,
            content_type="application/json",
            **headers,
        )

    def polled(self, times: int = 1, later: int = 0) -> Answer:
        code = self.post(DEVICE_PATH, {}).json()["device_code"]
        self.clock.now += later
        for _ in range(times):
            answer = self.post(TOKEN_PATH, {"grant_type": DEVICE, "device_code": code})
        return answer

    def denied(self) -> Answer:
        asked = self.post(DEVICE_PATH, {}).json()
        person = person_at(self.app)
        page = person.open(f"/device?user_code={asked['user_code']}")
        person.submit(person.sign_in(page), decision="deny")
        return self.post(
            TOKEN_PATH, {"grant_type": DEVICE, "device_code": asked["device_code"]}
        )

    def flooded_with_proofs(self) -> Answer:
        end = self.clock.now + 300
        with sqlite3.connect(self.folder / "kapi.db") as db:
            db.executemany(
                (
                    "INSERT INTO records (kind, key, family, payload, expires_at, holder) VALUES "
                    "('dpop-proof', ?, '', '{}', ?, 'address ')"
                ),
                [(str(number), end) for number in range(MOST_PROOFS)],
            )
        form = {"grant_type": "refresh_token", "refresh_token": "x", "client_id": "app"}
        answer = self.post(
            TOKEN_PATH, form, None, dpop=proof(key(), "POST", TOKEN_URL, self.clock.now)
        )
        nonce = answer.headers["dpop-nonce"]
        return self.post(
            TOKEN_PATH,
            form,
            None,
            dpop=proof(key(), "POST", TOKEN_URL, self.clock.now, nonce=nonce),
        )

    def slow(self) -> Answer:
        """A body of which a part never comes."""

        async def ask() -> list[dict[str, Any]]:
            events = [{"type": "http.request", "body": b"grant", "more_body": True}]
            got: list[dict[str, Any]] = []

            async def receive() -> dict[str, Any]:
                if events:
                    return events.pop(0)
                await asyncio.sleep(30 if not got else 0)
                return {"type": "http.disconnect"}

            async def send(message: dict[str, Any]) -> None:
                got.append(message)

            headers = [(b"content-type", b"application/x-www-form-urlencoded")]
            await self.app(
                {
                    "type": "http",
                    "method": "POST",
                    "path": TOKEN_PATH,
                    "query_string": b"",
                    "headers": headers,
                },
                receive,
                send,
            )
            return got

        start, *rest = asyncio.run(ask())
        return Answer(
            start["status"], {}, b"".join(message["body"] for message in rest)
        )


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Provider:
    return Provider(tmp_path_factory.mktemp("refusals"))


REQUESTS: dict[str, Callable[[Provider], Answer]] = {
    "invalid_request": lambda p: p.post(TOKEN_PATH, b"grant_type=a&grant_type=b"),
    "invalid_media_type": lambda p: p.post(
        TOKEN_PATH, b"{}", content_type="application/json"
    ),
    "unsupported_grant_type": lambda p: p.post(TOKEN_PATH, {"grant_type": "implicit"}),
    "unauthorized_client": lambda p: p.post(
        TOKEN_PATH, {"grant_type": "authorization_code"}, "other"
    ),
    "unauthorized_device": lambda p: p.post(DEVICE_PATH, {}, "other"),
    "unauthorized_ciba": lambda p: p.post(CIBA_PATH, {}, "other"),
    "invalid_grant": lambda p: p.post(
        TOKEN_PATH,
        {
            "grant_type": "authorization_code",
            "code": "x",
            "redirect_uri": CODE["redirect_uri"],
        },
    ),
    "not_yours": lambda p: p.post(
        "/oauth2/revoke",
        {"token": p.bearer("a", "shop")["authorization"].split(" ")[1]},
        "other",
    ),
    "invalid_scope": lambda p: p.post(TOKEN_PATH, {**OWN, "scope": "c"}),
    "invalid_target": lambda p: p.post(TOKEN_PATH, {**OWN, "resource": "x"}),
    "invalid_authorization_details": lambda p: p.post(
        TOKEN_PATH, {**OWN, "authorization_details": "x"}
    ),
    "invalid_dpop_proof": lambda p: p.post(TOKEN_PATH, OWN, "bound"),
    "use_dpop_nonce": lambda p: p.post(
        TOKEN_PATH, OWN, "bound", dpop=proof(key(), "POST", TOKEN_URL, p.clock.now)
    ),
    "authorization_pending": lambda p: p.polled(),
    "slow_down": lambda p: p.polled(2),
    "expired_token": lambda p: p.polled(later=601),
    "access_denied": lambda p: p.denied(),
    "unsupported_response_type": lambda p: p.post(
        PAR, {**CODE, "response_type": "token"}
    ),
    "invalid_request_object": lambda p: p.post(PAR, {"request": "x"}),
    "unknown_user_id": lambda p: p.post(
        CIBA_PATH, {"scope": "openid", "login_hint": "nobody"}
    ),
    "invalid_binding_message": lambda p: p.post(
        CIBA_PATH, {"scope": "openid", "login_hint": "x", "binding_message": "x" * 65}
    ),
    "invalid_client_metadata": lambda p: p.register(
        p.bearer("kapi:clients"), grant_types=["password"]
    ),
    "invalid_redirect_uri": lambda p: p.register(
        p.bearer("kapi:clients"),
        grant_types=["authorization_code"],
        redirect_uris=["ftp://x.example/"],
    ),
    "invalid_client": lambda p: p.post(TOKEN_PATH, OWN, "nobody"),
    "no_token": lambda p: p.userinfo(),
    "invalid_token": lambda p: p.userinfo(authorization="Bearer x"),
    "not_a_person": lambda p: p.userinfo(**p.bearer("openid")),
    "insufficient_scope": lambda p: p.userinfo(**p.bearer("a")),
    "no_registration_token": lambda p: p.register({}),
    "registration_scope": lambda p: p.register(p.bearer("a")),
    "registration_organization": lambda p: p.register(p.bearer("kapi:clients", "own")),
    "wrong_registration_token": lambda p: call(
        p.app, "GET", "/dcr/register/x", b"", authorization="Bearer x"
    ),
    "too_many_proofs": lambda p: p.flooded_with_proofs(),
    "too_many_waiting": lambda p: [
        p.post(PAR, CODE, "pushes") for _ in range(MOST + 1)
    ][-1],
    "too_large": lambda p: p.post(TOKEN_PATH, b"x" * 65537),
}
ELSEWHERE = {"page", "too_slow"}
"""Proved below."""


@pytest.mark.parametrize("name", list(REQUESTS))
def test_the_example_is_what_comes(provider: Provider, name: str) -> None:
    answer, shown = REQUESTS[name](provider), CATALOGUE.refusals[name]
    assert (answer.status, answer.json()) == (shown.status, shown.example)
    jsonschema.validate(answer.json(), CATALOGUE.schemas["OAuthError"])


def test_a_slow_body(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oauth, "FORM_SECONDS", 0.05)
    answer, shown = provider.slow(), CATALOGUE.refusals["too_slow"]
    assert (answer.status, answer.json()) == (shown.status, shown.example)


def test_a_page_says_no(provider: Provider) -> None:
    answer = call(provider.app, "GET", "/oauth2/authorize", b"")
    assert answer.status == CATALOGUE.refusals["page"].status
    assert answer.headers["content-type"].startswith("text/html")


def test_every_refusal_is_proved_and_every_one_that_a_row_names_is_there() -> None:
    assert set(REQUESTS) | ELSEWHERE == set(CATALOGUE.refusals)
    assert {
        name for row in CATALOGUE.operations.values() for name in row.refuses
    } <= set(CATALOGUE.refusals)
