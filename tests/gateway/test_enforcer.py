"""The enforcer alone: what a backend JWT says, when it is made anew, and the key that signs it."""

from __future__ import annotations

import json
import stat
import time
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from kapi.errors import Problem
from kapi.gateway.consumer_index import consumer_index
from kapi.gateway.enforcer import backend_jwt
from kapi.gateway.enforcer.backend_jwt import BackendJwts
from kapi.gateway.enforcer.callers import find_caller
from kapi.gateway.enforcer.signing import ensure_key
from kapi.gateway.issuers import TrustedIssuer, consumer_of
from kapi.identity.issuers.declaration import Issuer
from kapi.jose.claim_names import client_of
from kapi.jose.signing_keys import public_jwks as jwks
from kapi.settings import SubscriptionsSettings
from kapi.store.engine.database import Database
from kapi.store.gateway.applications import Application, ConsumerKey, Subscription
from kapi.store.gateway.enforcer_keys import EnforcerKeys

API = {
    "name": "Orders",
    "version": "1.0.0",
    "context": "/orders/1.0.0",
    "organization": "default",
    "keytype": "PRODUCTION",
}
DIALECT = "http://wso2.org/claims/"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> EnforcerKeys:
    return EnforcerKeys(Database.open(tmp_path_factory.mktemp("store") / "kapi.db"))


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def question(
    claims: dict[str, Any],
    *,
    ttl: int = 3600,
    encoding: str = "Base64Url",
    custom: dict[str, Any] | None = None,
) -> bytes:
    return json.dumps(
        {
            "api": API,
            "jwt": {"encoding": encoding, "ttl": ttl, "claims": custom or {}},
            "claims": claims,
        }
    ).encode()


def signer(
    store: EnforcerKeys, clock: Any = time.time, **more: Any
) -> tuple[BackendJwts, KeySet]:
    keys = ensure_key(store, 1)
    numbers = iter(range(10**9))
    made = BackendJwts(
        keys,
        "wso2.org/products/am",
        now=clock,
        random_id=lambda: f"id-{next(numbers)}",
        **more,
    )
    return made, KeySet.import_key_set(json.loads(jwks(keys)))


def claims_of(token: str, keys: KeySet) -> dict[str, Any]:
    return dict(jwt.decode(token, keys, algorithms=["RS256"]).claims)


def test_there_is_one_key_and_it_stays(store: EnforcerKeys, tmp_path: Path) -> None:
    first = ensure_key(store, 1)
    assert [key.kid for key in ensure_key(store, 2)] == [key.kid for key in first]
    assert len(first) == 1
    assert "PRIVATE" not in repr(first) + repr(store.all())
    assert "d" not in json.loads(jwks(first))["keys"][0]
    path = tmp_path / "kapi.db"
    Database.open(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_claims_about_the_token_stay_out_and_custom_ones_win(
    store: EnforcerKeys,
) -> None:
    made, keys = signer(store)
    sent = {
        "iss": "https://other",
        "sub": "anna",
        "aud": ["x"],
        "exp": 1,
        "nbf": 1,
        "iat": 1,
        "jti": "t",
        "scope": ["a"],
        "cnf": {"jkt": "x"},
        "azp": "app",
        "email": "anna@example.com",
        "groups": ["a", "b"],
        "level": 1,
        DIALECT + "subscriber": "forged",
        "organizations": ["forged"],
    }
    claims = claims_of(
        made.answer(question(sent, custom={"level": 3, "email": "x"})).token, keys
    )
    assert (
        claims["iss"],
        claims["sub"],
        claims["groups"],
        claims["level"],
        claims["email"],
    ) == (
        "wso2.org/products/am",
        "anna",
        ["a", "b"],
        3,
        "x",
    )
    assert not {"aud", "nbf", "scope", "cnf"} & set(claims)
    assert claims["jti"].startswith("id-")
    assert claims[DIALECT + "subscriber"] == "anna"
    assert (claims[DIALECT + "applicationname"], claims[DIALECT + "enduser"]) == (
        "app",
        "anna",
    )


def test_the_description_of_the_call_is_ours(store: EnforcerKeys) -> None:
    made, keys = signer(store)
    claims = claims_of(
        made.answer(
            question({"sub": "a", "organizations": ["forged"], "organization": "kept"})
        ).token,
        keys,
    )
    assert (claims["organizations"], claims["organization"]) == (["default"], "kept")


def test_an_answer_is_used_again_until_shortly_before_it_expires(
    store: EnforcerKeys,
) -> None:
    clock = Clock()
    made, _ = signer(store, clock)
    first = made.answer(question({"sub": "a"}, ttl=100))
    assert first.reusable_until == 1_000_090
    clock.now += 89
    assert made.answer(question({"sub": "a"}, ttl=100)) == first
    assert made.answer(question({"sub": "b"}, ttl=100)) != first
    clock.now += 1
    assert made.answer(question({"sub": "a"}, ttl=100)).token != first.token
    assert first.token not in repr(first)


def test_what_is_kept_is_bounded(
    store: EnforcerKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backend_jwt, "MOST_ANSWERS", 3)
    made, _ = signer(store)
    questions = [question({"sub": str(number)}) for number in range(4)]
    answers = [made.answer(item) for item in questions]
    assert [made.answer(item) for item in questions[1:]] == answers[1:]
    assert made.answer(questions[0]) != answers[0]


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"[]",
        b"{}",
        b"null",
        b'{"api": [], "jwt": {}, "claims": {}}',
        b"\xff",
        b"{" * 100_000,
        question([]),
    ],
)  # type: ignore[arg-type]
def test_rubbish_is_no_question(store: EnforcerKeys, bad: bytes) -> None:
    made, _ = signer(store)
    with pytest.raises(Problem):
        made.answer(bad)


APPLICATIONS = (
    Application("1", "other", "Theirs", keys=(ConsumerKey("app", "PRODUCTION"),)),
    Application(
        "2",
        "default",
        "Shop",
        tier="Gold",
        keys=(ConsumerKey("app", "PRODUCTION"),),
        subscriptions=(Subscription("s", "Orders", "1\\..*", tier="Silver"),),
    ),
)


def test_the_application_is_the_one_with_the_consumer_key(store: EnforcerKeys) -> None:
    made, keys = signer(
        store, callers=lambda *wanted: find_caller(lambda: APPLICATIONS, *wanted)
    )
    claims = claims_of(made.answer(question({"sub": "anna", "azp": "app"})).token, keys)
    names = (
        "applicationid",
        "applicationUUId",
        "applicationname",
        "applicationtier",
        "tier",
    )
    assert [claims[DIALECT + name] for name in names] == [
        "2",
        "2",
        "Shop",
        "Gold",
        "Silver",
    ]
    claims = claims_of(
        made.answer(question({"sub": "anna", "azp": "unknown"})).token, keys
    )
    assert [claims[DIALECT + name] for name in names] == [
        "unknown",
        "unknown",
        "unknown",
        "Unlimited",
        "Unlimited",
    ]


def test_an_api_key_names_its_application_itself(store: EnforcerKeys) -> None:
    made, keys = signer(store)
    claims = claims_of(
        made.answer(
            question(
                {
                    "application": {
                        "uuid": "u",
                        "name": "Shop",
                        "owner": "anna",
                        "tier": "Gold",
                    }
                }
            )
        ).token,
        keys,
    )
    assert [
        claims[DIALECT + name]
        for name in (
            "applicationid",
            "applicationname",
            "subscriber",
            "applicationtier",
            "enduser",
        )
    ] == [
        "u",
        "Shop",
        "anna",
        "Gold",
        "Shop",
    ]
    assert "sub" not in claims
    assert "application" not in claims


@pytest.mark.parametrize(
    ("claims", "client"),
    [
        ({"iss": "https://b", "azp": "page", "client_id": "app"}, "app"),
        ({"iss": "https://b", "azp": "a", "clientId": "c", "client_id": "b"}, "c"),
        ({"iss": "https://b", "cid": "okta"}, "okta"),
        ({"iss": "https://b", "appid": "entra"}, "entra"),
        ({"iss": "https://b", "client_id": "", "azp": "app"}, "app"),
        ({"iss": "https://b", "client_id": ["x"], "azp": "app"}, "app"),
        ({"iss": "https://a", "azp": "page", "org.app": "declared"}, "declared"),
        ({"iss": "https://a", "azp": "page", "org": {"app": "nested"}}, "nested"),
        ({"iss": "https://a", "azp": "page"}, ""),
    ],
)
def test_the_application_is_that_of_the_claim_that_subscriptions_look_at(
    store: EnforcerKeys, claims: dict[str, Any], client: str
) -> None:
    """The record for the admission filter, the backend JWT and the system APIs name the same
    client.
    """
    issuers = [
        TrustedIssuer("a", "https://a", "{}", consumer_key_claim="org.app"),
        TrustedIssuer("b", "https://b", "{}"),
    ]
    names = consumer_index([], list, issuers, SubscriptionsSettings())[
        f"i\t{claims['iss']}"
    ].split("\t")
    assert client_of(claims, names) == client
    declared = Issuer(
        "x",
        "oidc",
        claims["iss"],
        "",
        "",
        consumer_key_claim="org.app" if claims["iss"] == "https://a" else "",
    )
    assert client_of(claims, declared.client_claims) == client
    made, keys = signer(store, consumer=lambda of: consumer_of(of, issuers))
    assert (
        claims_of(made.answer(question({"sub": "s", **claims})).token, keys)[
            DIALECT + "applicationid"
        ]
        == client
    )
