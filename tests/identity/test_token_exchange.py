"""Token exchange (RFC 8693): delegation, impersonation, targets, scopes, and tokens that are not
what they claim to be.
"""

from __future__ import annotations

import base64
import hmac
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from cryptography.hazmat.primitives import serialization
from joserfc import jws
from joserfc.jwk import RSAKey

from flows import NOW, Clock, allowed, client, person_at, provider_app
from idp import Answer, basic, call
from kapi.identity.grants import token_exchange as token_exchange_grant
from person import authorize_path, claims_of

grant_type = token_exchange_grant.facts.grant_type

ACCESS, ID, JWT, REFRESH = (
    f"urn:ietf:params:oauth:token-type:{name}"
    for name in ("access_token", "id_token", "jwt", "refresh_token")
)
CODE = ("authorization_code", "refresh_token", "client_credentials")
CLIENTS = (
    client(
        "shop", grants=CODE, consent="never", redirect_uris=("https://shop.example/cb",)
    ),
    client(
        "orders",
        grants=(grant_type, "client_credentials"),
        exchange_from=("shop",),
        exchange_audiences=("https://stock.example", "stock"),
    ),
    client(
        "mask",
        grants=(grant_type, "client_credentials"),
        exchange_from=("*",),
        exchange_audiences=("*",),
        exchange_impersonates=True,
    ),
    client("narrow", grants=(grant_type,), exchange_from=("shop",), scopes=("a",)),
    client("stranger", grants=(grant_type,)),
    client(
        "bound", grants=("client_credentials",), claims={"may_act": {"sub": "mask"}}
    ),
    client("meant", grants=("client_credentials",), audience=("stranger",)),
    client("clear", grants=("client_credentials",), access_token_format="opaque"),
)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def app(tmp_path: Path, clock: Clock) -> Any:
    return provider_app(tmp_path, clock, *CLIENTS)


def own(app: Any, name: str, scope: str = "a b") -> str:
    body = urlencode({"grant_type": "client_credentials", "scope": scope}).encode()
    return call(app, body=body, authorization=basic(name, "s")).json()["access_token"]


def of_person(app: Any, scope: str = "openid a b") -> dict[str, str]:
    page = allowed(
        person_at(app), authorize_path("shop", "https://shop.example/cb", scope=scope)
    )
    body = urlencode(
        {
            "grant_type": "authorization_code",
            "code": page.parameters["code"],
            "redirect_uri": "https://shop.example/cb",
        }
    )
    return call(app, body=body.encode(), authorization=basic("shop", "s")).json()


def exchange(
    app: Any, name: str, token: str, kind: str = ACCESS, **more: Any
) -> Answer:
    body = urlencode(
        {
            "grant_type": grant_type,
            "subject_token": token,
            "subject_token_type": kind,
            **more,
        },
        doseq=True,
    ).encode()
    return call(app, body=body, authorization=basic(name, "s"))


def test_delegation_names_who_acts(app: Any, clock: Clock) -> None:
    token = of_person(app)["access_token"]
    clock.now += 100
    answer = exchange(
        app, "orders", token, scope="a", audience=["stock", "https://stock.example"]
    )
    assert answer.status == 200
    assert {
        name: answer.json()[name]
        for name in ("issued_token_type", "token_type", "scope", "expires_in")
    } == {
        "issued_token_type": ACCESS,
        "token_type": "Bearer",
        "scope": "a",
        "expires_in": 3500,
    }
    claims = claims_of(answer.json()["access_token"])
    assert (claims["sub"], claims["clientId"], claims["organization"]) == (
        "org1user",
        "orders",
        "org1",
    )
    assert claims["aud"] == ["stock", "https://stock.example"]
    assert claims["act"] == {"sub": "orders"}
    assert "refresh_token" not in answer.json()
    again = claims_of(
        exchange(
            app,
            "mask",
            answer.json()["access_token"],
            actor_token=own(app, "mask"),
            actor_token_type=ACCESS,
        ).json()["access_token"]
    )
    assert again["act"] == {"sub": "mask", "act": {"sub": "orders"}}


def test_impersonation_is_for_those_whose_settings_say_so(app: Any) -> None:
    token = of_person(app)["access_token"]
    assert "act" not in claims_of(exchange(app, "mask", token).json()["access_token"])
    assert "act" in claims_of(exchange(app, "orders", token).json()["access_token"])


def test_may_act_limits_who_may(app: Any) -> None:
    token = own(app, "bound")
    assert exchange(app, "mask", token).status == 200
    other = exchange(
        app, "mask", token, actor_token=own(app, "orders"), actor_token_type=ACCESS
    )
    assert (other.status, other.json()["error"]) == (400, "invalid_request")


def test_an_id_token_goes_in_and_comes_out(app: Any) -> None:
    tokens = of_person(app)
    answer = exchange(app, "mask", tokens["id_token"], ID, requested_token_type=ID)
    assert (answer.json()["token_type"], answer.json()["issued_token_type"]) == (
        "N_A",
        ID,
    )
    claims = claims_of(answer.json()["access_token"])
    assert (claims["aud"], claims["sub"], claims["auth_time"]) == (
        "mask",
        "org1user",
        NOW,
    )
    assert exchange(app, "mask", answer.json()["access_token"]).status == 400, (
        "an ID token is no access token"
    )
    token = answer.json()["access_token"]
    asked = call(
        app,
        "POST",
        "/oauth2/introspect",
        urlencode({"token": token}).encode(),
        authorization=basic("mask", "s"),
    )
    assert asked.json() == {"active": False}
    assert (
        call(app, "GET", "/oauth2/userinfo", authorization=f"Bearer {token}").status
        == 401
    )
    assert (
        exchange(app, "mask", own(app, "shop"), requested_token_type=ID).json()["error"]
        == "invalid_request"
    )


def test_opaque_tokens_are_resolved(app: Any) -> None:
    token = own(app, "clear")
    assert "." not in token
    assert (
        claims_of(
            exchange(app, "mask", token, requested_token_type=JWT).json()[
                "access_token"
            ]
        )["sub"]
        == "clear"
    )
    assert exchange(app, "mask", token, JWT).status == 400


def test_whose_tokens_a_client_may_exchange(app: Any) -> None:
    assert (
        exchange(app, "stranger", own(app, "shop")).json()["error"] == "invalid_request"
    )
    assert exchange(app, "stranger", own(app, "meant")).status == 200, (
        "it was meant for the client"
    )
    assert exchange(app, "orders", own(app, "orders")).status == 200
    assert (
        call(
            app,
            body=urlencode({"grant_type": grant_type}).encode(),
            authorization=basic("shop", "s"),
        ).json()["error"]
        == "unauthorized_client"
    )


TARGETS = (
    ("audience", "other"),
    ("resource", "https://other.example"),
    ("resource", "stock#x"),
    ("resource", "nonsense"),
    ("audience", ["stock"] * 11),
)


@pytest.mark.parametrize(("name", "value"), TARGETS)
def test_a_target_beyond_the_settings_is_refused(
    app: Any, name: str, value: Any
) -> None:
    assert (
        exchange(app, "orders", own(app, "shop"), **{name: value}).json()["error"]
        == "invalid_target"
    )


def test_scopes_only_become_narrower(app: Any) -> None:
    token = own(app, "shop", "a b")
    assert exchange(app, "orders", token).json()["scope"] == "a b"
    assert exchange(app, "narrow", token).json()["scope"] == "a"
    assert (
        exchange(app, "orders", token, scope="a c").json()["error"] == "invalid_scope"
    )
    assert exchange(app, "narrow", token, scope="b").json()["error"] == "invalid_scope"


def test_malformed_requests(app: Any) -> None:
    token = own(app, "shop")
    for more in (
        {"requested_token_type": REFRESH},
        {"requested_token_type": "nonsense"},
        {"actor_token_type": ACCESS},
        {"actor_token": token},
        {"actor_token": "x", "actor_token_type": ACCESS},
        {"actor_token": token, "actor_token_type": REFRESH},
        {"subject_token": ""},
        {"subject_token_type": ""},
        {"subject_token_type": REFRESH},
        {"subject_token_type": ID},
    ):
        answer = exchange(app, "mask", token, **more)
        assert (answer.status, answer.json()["error"]) == (400, "invalid_request"), more


def b64(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def hs256(header: dict[str, Any], payload: str, secret: bytes) -> str:
    signed = f"{b64(json.dumps(header).encode())}.{payload}"
    return f"{signed}.{b64(hmac.digest(secret, signed.encode(), 'sha256'))}"


def test_confusions_of_key_and_algorithm_are_refused(app: Any, clock: Clock) -> None:
    token = own(app, "shop")
    head, payload, signature = token.split(".")
    header = json.loads(base64.urlsafe_b64decode(head + "=="))
    jwk = call(app, "GET", "/oauth2/jwks").json()["keys"][0]
    public = RSAKey.import_key(jwk)
    claims = base64.urlsafe_b64decode(payload + "==")
    forged = [
        f"{b64(json.dumps({**header, 'alg': name}).encode())}.{payload}."
        for name in ("none", "None", "nOnE", "")
    ]
    for secret in (
        public.as_pem(),
        json.dumps(jwk).encode(),
        public.public_key.public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.PKCS1
        ),
    ):
        forged.append(hs256({"alg": "HS256", "kid": header["kid"]}, payload, secret))
    mine = RSAKey.generate_key(2048)
    strange = (
        {},
        {"kid": "../../dev/null"},
        {"kid": "x' OR 1=1"},
        {"kid": "\x00"},
        {"jwk": mine.as_dict(private=False)},
        {"crit": ["x"], "x": 1},
    )
    for more in strange:
        text = jws.serialize_compact(
            {"alg": "RS256", "kid": header["kid"], "typ": "JWT"},
            claims,
            mine,
            algorithms=["RS256"],
        )
        forged.append(
            b64(
                json.dumps(
                    {"alg": "RS256", "kid": header["kid"], "typ": "JWT", **more}
                ).encode()
            )
            + f".{text.partition('.')[2]}"
        )
    forged += [
        f"{head}.{payload}",
        f"{head}.{payload}.",
        f"{head}.{payload}.{signature}x",
        "." * 10_000,
        "x" * 50_000,
        f"{head}.{payload}.{'A' * 21_000}",
    ]
    for text in forged:
        for kind in (ACCESS, JWT, ID):
            answer = exchange(app, "mask", text, kind)
            assert (answer.status, answer.json()["error"]) == (
                400,
                "invalid_request",
            ), text[:80]
    clock.now += 3600
    assert exchange(app, "mask", token).json()["error"] == "invalid_request", (
        "it has expired"
    )


def test_codes_and_refresh_tokens_are_no_subject_tokens(app: Any) -> None:
    tokens = of_person(app)
    for kind in (ACCESS, JWT, ID):
        assert (
            exchange(app, "mask", tokens["refresh_token"], kind).json()["error"]
            == "invalid_request"
        )
