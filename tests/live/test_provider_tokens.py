"""Tokens as identity providers make them, real ones where a provider could run
(`tests/provider-tokens.json`): at the gateway, at the system APIs and in token exchange an
access token is accepted and an ID token is refused, by one rule.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from harness import DEFINITION, Answer, Platform, conf, free_port
from standin import Key

SAMPLES: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "provider-tokens.json").read_text()
)
GRANT = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS = "urn:ietf:params:oauth:token-type:access_token"
TENANT = "9188040d-6c67-4c5b-b112-36a304b66dad"
KEY = Key.make("one-key-for-all")
DECLARED: dict[str, dict[str, Any]] = {
    "oauth2-mock-server": {"preset": "oidc", "audiences": ["kapi"], "idTokens": True},
    "npm oidc-provider": {"preset": "oidc", "audiences": ["https://kapi.example"]},
    "navikt mock-oauth2-server": {
        "preset": "mock-oauth2-server",
        "parameters": {"url": "http://127.0.0.1:9340/acme"},
        "audiences": ["kapi"],
    },
    "Keycloak 26.7": {
        "preset": "keycloak",
        "parameters": {"url": "http://127.0.0.1:9310", "realm": "acme"},
        "audiences": ["kapi"],
    },
    "Authlib RFC 9068": {"preset": "oidc", "audiences": ["kapi"]},
    "glewlwyd 2.7.5 (Debian)": {"preset": "oidc", "audiences": ["kapi", "app"]},
    "Spring Authorization Server": {"preset": "oidc", "audiences": ["kapi", "app"]},
    "Dex": {
        "preset": "dex",
        "parameters": {"url": "https://dex.example"},
        "audiences": ["app"],
    },
    "Google": {
        "preset": "google",
        "audiences": ["123.apps.googleusercontent.com", "https://api.example"],
    },
    "Entra ID v2": {
        "preset": "entra",
        "parameters": {"tenant": TENANT},
        "audiences": ["api-client-id"],
    },
    "Auth0": {
        "preset": "auth0",
        "parameters": {"domain": "acme.eu.auth0.com"},
        "audiences": ["https://api.acme.example"],
    },
    "Asgardeo": {
        "preset": "asgardeo",
        "parameters": {"organization": "acme"},
        "audiences": ["cid"],
    },
    "Hydra": {"preset": "oidc", "audiences": ["kapi"]},
}
"""How a person declares each: by its preset, with the audience. ID tokens are accepted where
nothing tells them from access tokens.
"""
NOT_TOLD = {"oauth2-mock-server", "navikt mock-oauth2-server", "Dex", "Google"}
ORGANIZATIONS = {
    "org_9ybsU1dN2dKfDkBi": "default",
    "10084a8d-113f-4211-a0d5-efe36b082211": "default",
}
SETTINGS = f"""
[identity]
[[identity.clients]]
id = "exchanger"
secret = "a secret of the test"
grants = ["client_credentials", "{GRANT}"]
exchange_issuers = ["*"]
[[identity.clients]]
id = "45f1c5c8-a92e-11ed-afa1-0242ac120002"
secret = "4fbd62ec-a92e-11ed-afa1-0242ac120002"
"""


def name_of(provider: str) -> str:
    return "".join(
        letter if letter.isalnum() else "-" for letter in provider.lower()
    ).strip("-")


@dataclass
class World:
    platform: Platform
    operator: str

    def declare(self, provider: str, **changes: Any) -> Answer:
        issuer = next(
            item["claims"]["iss"] for item in SAMPLES if item["provider"] == provider
        )
        own = {"issuer": issuer} if DECLARED[provider]["preset"] == "oidc" else {}
        body = {
            **own,
            **DECLARED[provider],
            "publicKey": KEY.pem(),
            "organizations": ORGANIZATIONS,
            **changes,
        }
        sent = ("-X", "PUT", "--data-binary", json.dumps(body))
        return self.platform.api(
            f"/api/issuers/{name_of(provider)}", *sent, token=self.operator
        )

    def call(self, token: str) -> int:
        return self.platform.request(
            "default.gw.wso2.com",
            "/echo/1.0.0/items",
            "-H",
            f"Authorization: Bearer {token}",
        ).status

    def exchange(self, token: str) -> Answer:
        fields = {
            "grant_type": GRANT,
            "subject_token": token,
            "subject_token_type": ACCESS,
        }
        send = ("-u", "exchanger:a secret of the test", "-d", urlencode(fields))
        return self.platform.request("idp.am.wso2.com", "/oauth2/token", *send)

    def accepted(self, token: str) -> set[bool]:
        """What every place says of a token: whether it is an access token."""
        at_gateway, at_system_apis = (
            self.call(token),
            self.platform.api("/api/deployer/1.2.0/apis", token=token).status,
        )
        assert at_gateway in {200, 401}
        # A token that counts is told that it lacks the scope.
        assert at_system_apis in {200, 403, 401}
        exchanged = self.exchange(token)
        # This mock's tokens for clients have no subject, which an exchange cannot do without.
        counts = exchanged.status == 200 or "sub must be" in exchanged.body.decode()
        return {at_gateway == 200, at_system_apis != 401, counts}

    def walk(self, provider: str, token: str) -> dict[str, Any]:
        sent = ("--data-binary", json.dumps({"token": token}))
        answer = self.platform.api(
            f"/api/issuers/{name_of(provider)}/test", *sent, token=self.operator
        )
        return {step["step"]: step for step in answer.json()["steps"]}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, echo: int) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("kapi")
    (folder / "kapi.toml").write_text(SETTINGS)
    platform = Platform(
        free_port(), folder / "data", ("--config", str(folder / "kapi.toml"))
    )
    platform.start()
    assert platform.deploy(conf(port=echo), DEFINITION).status == 200
    made = World(platform, platform.token("kapi:issuers"))
    for provider in DECLARED:
        answer = made.declare(provider)
        assert answer.status == 200, answer.body
    yield made
    platform.stop()


def signed(sample: dict[str, Any], by: Key = KEY, **changes: Any) -> str:
    times = {"iat": ..., "exp": ..., "nbf": ...}
    claims = {
        name: value
        for name, value in {**sample["claims"], **changes}.items()
        if name not in times
    }
    header = {"typ": sample["header"].get("typ", ...), "kid": by.kid}
    return by.token(claims, **header)


@pytest.mark.parametrize(
    "sample", SAMPLES, ids=[f"{item['provider']}: {item['kind']}" for item in SAMPLES]
)
def test_every_place_says_the_same(world: World, sample: dict[str, Any]) -> None:
    provider, is_id_token = sample["provider"], sample["kind"].startswith("ID token")
    token = signed(sample)
    counts = not is_id_token or provider in NOT_TOLD
    assert world.accepted(token) == {counts}
    assert world.walk(provider, token)["signature"]["result"] == "ok"
    if not counts:
        failed = [
            step
            for step in world.walk(provider, token).values()
            if step["result"] == "fail"
        ]
        assert failed
        assert all(step["detail"] and step["hint"] for step in failed)
        assert world.walk(provider, token)["time"]["result"] == "ok"


EXPLAINED = {
    "Asgardeo": ("rule ID token: it has at_hash", "--id-tokens"),
    "Spring Authorization Server": ("rule ID token: it has nonce", "--id-tokens"),
    "Entra ID v2": (
        "rule required claim: azp is (none), it must be there",
        "access token",
    ),
}


@pytest.mark.parametrize("provider", EXPLAINED)
def test_the_test_of_an_issuer_names_the_rule_that_refuses(
    world: World, provider: str
) -> None:
    sample = next(
        item
        for item in SAMPLES
        if item["provider"] == provider and item["kind"].startswith("ID token")
    )
    step = world.walk(provider, signed(sample))["kind"]
    detail, hint = EXPLAINED[provider]
    assert step["result"] == "fail"
    assert step["detail"].startswith(detail)
    assert hint in step["hint"]


def test_other_parts_of_the_rule_are_named_too(world: World) -> None:
    sample = next(item for item in SAMPLES if item["provider"] == "Hydra")
    for changes, typ, detail in (
        ({}, "logout+jwt", "rule typ: typ 'logout+jwt' is not that of an access token"),
        ({"token_use": "refresh"}, "JWT", "rule kind: token_use is 'refresh'"),
        ({"events": {}}, "JWT", "rule kind: events is {}"),
    ):
        token = signed({**sample, "header": {"typ": typ}}, **changes)
        assert world.walk("Hydra", token)["kind"]["detail"].startswith(detail)
        assert world.accepted(token) == {False}


def test_a_person_says_that_id_tokens_count(world: World) -> None:
    """Declared as any provider, tokens of Dex are refused, and the hint says what to declare."""
    sample = next(item for item in SAMPLES if item["provider"] == "Dex")
    plain = {"preset": "oidc", "issuer": "https://dex.example", "parameters": {}}
    try:
        assert world.declare("Dex", **plain).status == 200
        assert world.accepted(signed(sample)) == {False}
        assert "--id-tokens" in world.walk("Dex", signed(sample))["kind"]["hint"]
        assert world.declare("Dex", **plain, idTokens=True).status == 200
        assert world.accepted(signed(sample)) == {True}
    finally:
        world.declare("Dex")


@pytest.mark.parametrize("provider", DECLARED)
def test_a_declaration_without_an_audience_gets_a_warning(
    world: World, provider: str
) -> None:
    try:
        assert world.declare(provider).json()["warnings"] == []
        [warning] = world.declare(provider, audiences=[]).json()["warnings"]
        assert "no audience is declared" in warning
    finally:
        world.declare(provider)
