"""JWT bearer assertions (RFC 7523 §2.1): issuers that the settings trust, and everything that is
not an assertion of theirs.
"""

from __future__ import annotations

import hmac
import json
import threading
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from joserfc.jwk import ECKey, RSAKey

from flows import ISSUER, NOW, Clock, client, provider_app
from idp import Answer, basic, call
from kapi.identity.grants import jwt_bearer as jwt_bearer_grant
from kapi.jose import base64url
from kapi.jose.algorithms import ALGORITHMS
from kapi.settings import AssertionIssuerSettings, ResourceSettings
from kapi.settings.identity import RegistrationSettings
from person import claims_of

grant_type = jwt_bearer_grant.facts.grant_type

HR = ECKey.generate_key("P-256", {"kid": "hr"})
OTHER = ECKey.generate_key("P-256", {"kid": "hr"})
RSA = RSAKey.generate_key(2048, {"kid": "rsa"})
TRUSTED = (
    AssertionIssuerSettings(
        "https://hr.example",
        ("payroll",),
        {"keys": [HR.as_dict(private=False), RSA.as_dict(private=False)]},
        algorithms=("ES256",),
        scopes=("pay",),
    ),
    AssertionIssuerSettings(
        "https://any.example",
        jwks={"keys": [RSA.as_dict(private=False)]},
        algorithms=("RS256",),
        any_subject=True,
    ),
)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Any:
    clients = (
        client("payroll", grants=(grant_type,)),
        client("other", grants=(grant_type,)),
        client("without"),
    )
    resources = (
        ResourceSettings("https://a.example", "at+jwt"),
        ResourceSettings("https://b.example", "jwt"),
    )
    return provider_app(
        tmp_path_factory.mktemp("jwt"),
        Clock(),
        *clients,
        assertion_issuers=TRUSTED,
        resources=resources,
    )


def test_a_client_may_register_for_assertions(tmp_path: Path) -> None:
    registration = RegistrationSettings(initial_access_token="first")
    app = provider_app(
        tmp_path, Clock(), registration=registration, assertion_issuers=TRUSTED
    )
    wanted = {"client_name": "Payroll", "grant_types": [grant_type]}
    headers = {"content_type": "application/json", "authorization": "Bearer first"}
    made = call(app, path="/dcr/register", body=json.dumps(wanted).encode(), **headers)
    assert (made.status, made.json().get("grant_types")) == (201, [grant_type]), (
        made.body
    )


_count = iter(range(10_000))


def assertion(
    key: Any = HR, header: dict[str, Any] | None = None, **changes: Any
) -> str:
    claims = {
        "iss": "https://hr.example",
        "sub": "org1user",
        "aud": ISSUER,
        "exp": NOW + 300,
        "iat": NOW,
        "jti": f"j{next(_count)}",
    }
    claims = {
        name: value for name, value in (claims | changes).items() if value is not None
    }
    head = {
        name: value
        for name, value in {"alg": "ES256", "kid": "hr", **(header or {})}.items()
        if value is not None
    }
    signed = ".".join(
        base64url.encode(json.dumps(part).encode()) for part in (head, claims)
    )
    made = (
        hmac.digest(key, signed.encode(), "sha256")
        if isinstance(key, bytes)
        else ALGORITHMS[head["alg"]].sign(key.private_key, signed.encode())
    )
    return f"{signed}.{base64url.encode(made)}"


def present(app: Any, text: str, name: str = "payroll", scope: str = "pay") -> Answer:
    body = urlencode(
        {"grant_type": grant_type, "assertion": text, "scope": scope}
    ).encode()
    return call(app, body=body, authorization=basic(name, "s"))


def test_an_assertion_becomes_a_token_once(app: Any) -> None:
    text = assertion()
    answer = present(app, text)
    assert answer.status == 200
    claims = claims_of(answer.json()["access_token"])
    assert (
        claims["sub"],
        claims["clientId"],
        claims["organization"],
        claims["scope"],
    ) == (
        "org1user",
        "payroll",
        "org1",
        "pay",
    )
    assert "refresh_token" not in answer.json()
    assert present(app, text).json()["error"] == "invalid_grant"


def test_resources_that_cannot_share_a_token_do_not_cost_the_assertion(
    app: Any,
) -> None:
    text = assertion()
    fields = [
        ("grant_type", grant_type),
        ("assertion", text),
        ("scope", "pay"),
        ("resource", "https://a.example"),
    ]
    both = urlencode([*fields, ("resource", "https://b.example")]).encode()
    assert (
        call(app, body=both, authorization=basic("payroll", "s")).json()["error"]
        == "invalid_target"
    )
    answer = call(
        app, body=urlencode(fields).encode(), authorization=basic("payroll", "s")
    )
    assert claims_of(answer.json()["access_token"])["aud"] == "https://a.example"


def test_a_stranger_is_taken_where_the_settings_say_so(app: Any) -> None:
    more = {
        "iss": "https://any.example",
        "key": RSA,
        "header": {"alg": "RS256", "kid": "rsa"},
    }
    answer = present(app, assertion(**more, sub="somebody"), "other", "a b")
    assert claims_of(answer.json()["access_token"])["sub"] == "somebody"
    assert (
        present(app, assertion(**more, sub="payroll"), "other").json()["error"]
        == "invalid_grant"
    ), "nobody may be taken for a client"
    audiences = [
        "https://elsewhere.example",
        "https://idp.am.wso2.com:9095/oauth2/token",
    ]
    assert present(app, assertion(**more, aud=audiences), "other").status == 200


REFUSED: dict[str, dict[str, Any]] = {
    "signed by another key": {"key": OTHER},
    "an issuer that is not trusted": {"iss": "https://evil.example"},
    "no issuer": {"iss": None},
    "another issuer's key": {"iss": "https://any.example"},
    "an algorithm that is not the issuer's": {
        "key": RSA,
        "header": {"alg": "RS256", "kid": "rsa"},
    },
    "a symmetric algorithm": {
        "key": HR.as_pem(private=False),
        "header": {"alg": "HS256"},
    },
    "an unknown kid": {"header": {"kid": "../../dev/null"}},
    "its own key": {"key": OTHER, "header": {"jwk": OTHER.as_dict(private=False)}},
    "an address of keys": {"header": {"jku": "https://evil.example/jwks"}},
    "a critical header": {"header": {"crit": ["x"], "x": 1}},
    "a typ of another kind": {"header": {"typ": "at+jwt"}},
    "another audience": {"aud": "https://elsewhere.example"},
    "no audience": {"aud": None},
    "an audience that is no text": {"aud": [7, {}]},
    "expired": {"exp": NOW - 60},
    "no expiry": {"exp": None},
    "an expiry that is no number": {"exp": "soon"},
    "valid for days": {"exp": NOW + 90_000},
    "not valid yet": {"nbf": NOW + 600},
    "from the future": {"iat": NOW + 600},
    "no jti": {"jti": None},
    "a jti that is no text": {"jti": 7},
    "nobody here": {"sub": "nobody"},
    "no subject": {"sub": None},
    "a subject that is no text": {"sub": ["org1user"]},
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_bad_assertion_is_refused(app: Any, case: str) -> None:
    answer = present(app, assertion(**REFUSED[case]))
    assert (answer.status, answer.json()["error"]) == (400, "invalid_grant")
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "text", ["x", "a.b.c", "." * 9000, "x" * 60_000, "e30.e30.", "e30.e30.e30"]
)
def test_what_is_no_jwt_is_refused(app: Any, text: str) -> None:
    assert present(app, text).json()["error"] == "invalid_grant"


def test_who_may_present_what(app: Any) -> None:
    assert present(app, assertion(), "other").json()["error"] == "invalid_grant"
    assert present(app, assertion(), "without").json()["error"] == "unauthorized_client"
    assert (
        present(app, assertion(), scope="pay more").json()["error"] == "invalid_scope"
    )
    empty = call(
        app,
        body=urlencode({"grant_type": grant_type}).encode(),
        authorization=basic("payroll", "s"),
    )
    assert empty.json()["error"] == "invalid_request"


@pytest.mark.long
def test_of_fifty_parallel_uses_one_wins(app: Any) -> None:
    text, statuses = assertion(), []
    threads = [
        threading.Thread(target=lambda: statuses.append(present(app, text).status))
        for _ in range(50)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (statuses.count(200), statuses.count(400)) == (1, 49)
