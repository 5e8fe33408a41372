"""Forged and misused tokens at the real Envoy: every one is refused with 401 and a body of ours."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from live_gateway import ISSUER, Gateway, api, backend, gateway, operation

from attacks import compact, forged, rs256, rsa_jwk
from kapi.apis.ir import Endpoint
from kapi.jose.token_kinds import AccessTokenRule

PATH = "/attack/1.0.0/closed"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
NAMES = sorted(forged(KEY, "k", ISSUER))


@pytest.fixture(scope="module")
def live() -> Iterator[Gateway]:
    with backend() as port, gateway() as it:
        end = Endpoint("http", "127.0.0.1", port)
        it.put(api("/attack", [operation("GET", "/closed", end, sandbox=end)]))
        yield it


@pytest.fixture(scope="module")
def tokens(live: Gateway) -> dict[str, str]:
    return forged(live.minter.key, live.minter.name, live.minter.issuer)


def test_the_good_one_passes(live: Gateway) -> None:
    assert live.call(PATH, token=live.minter.token(scope="b")).status == 200


@pytest.mark.parametrize("name", NAMES)
def test_a_bad_one_is_refused(live: Gateway, tokens: dict[str, str], name: str) -> None:
    reply = live.call(PATH, token=tokens[name])
    assert reply.status == 401, (reply.status, reply.body)
    assert reply.json["code"] == ("900903" if name == "expired" else "900901"), (
        reply.body
    )
    assert set(reply.json) == {"error_message", "code", "error_description"}


def trusting(live: Gateway, **changes: object) -> None:
    live.trust(dataclasses.replace(live.minter.trusted, **changes))


@pytest.fixture
def restored(live: Gateway) -> Iterator[None]:
    yield
    live.trust(live.minter.trusted)


@pytest.mark.parametrize(
    ("key", "accepted"),
    [
        ({"use": "sig", "alg": "RS256"}, True),
        ({}, True),
        ({"use": "sig"}, True),
        ({"key_ops": ["verify"]}, True),
        ({"use": "enc"}, False),
        ({"key_ops": ["encrypt"]}, False),
        ({"alg": "RS512"}, False),
        ({"alg": "RSA-OAEP"}, False),
    ],
)
def test_a_key_verifies_only_what_it_is_for(
    live: Gateway, restored: None, key: dict[str, object], accepted: bool
) -> None:
    jwk = rsa_jwk(live.minter.key, live.minter.name, **key)
    trusting(live, jwks=json.dumps({"keys": [jwk]}))
    assert live.call(PATH, token=live.minter.token()).status == (
        200 if accepted else 401
    )


def test_a_short_rsa_key_verifies_nothing(live: Gateway, restored: None) -> None:
    short = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    trusting(live, jwks=json.dumps({"keys": [rsa_jwk(short, "short", alg="RS256")]}))
    claims = {"iss": ISSUER, "exp": int(time.time()) + 60}
    assert (
        live.call(
            PATH, token=compact({"alg": "RS256", "kid": "short"}, claims, rs256(short))
        ).status
        == 401
    )


def test_a_symmetric_key_in_the_set_verifies_nothing(
    live: Gateway, restored: None
) -> None:
    import hashlib
    import hmac

    secret = b"0" * 32
    oct_key = {
        "kty": "oct",
        "kid": "o",
        "alg": "HS256",
        "k": "MDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDA",
    }
    trusting(
        live,
        jwks=json.dumps(
            {"keys": [oct_key, rsa_jwk(live.minter.key, live.minter.name)]}
        ),
        algorithms=("RS256", "HS256"),
    )
    claims = {"iss": ISSUER, "exp": int(time.time()) + 60}
    token = compact(
        {"alg": "HS256", "kid": "o"},
        claims,
        lambda message: hmac.new(secret, message, hashlib.sha256).digest(),
    )
    assert live.call(PATH, token=token).status == 401
    assert live.call(PATH, token=live.minter.token()).status == 200


def test_an_issuer_may_use_several_algorithms_but_no_other(
    live: Gateway, restored: None
) -> None:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding

    jwk = rsa_jwk(live.minter.key, "k")
    claims = {"iss": ISSUER, "exp": int(time.time()) + 60}

    def ps256(message: bytes) -> bytes:
        return live.minter.key.sign(
            message, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256()
        )

    tokens = {
        "RS256": compact({"alg": "RS256", "kid": "k"}, claims, rs256(live.minter.key)),
        "PS256": compact({"alg": "PS256", "kid": "k"}, claims, ps256),
    }
    for algorithms in (("RS256",), ("PS256",), ("RS256", "PS256"), ("ES256",)):
        trusting(live, jwks=json.dumps({"keys": [jwk]}), algorithms=algorithms)
        for name, token in tokens.items():
            assert live.call(PATH, token=token).status == (
                200 if name in algorithms else 401
            ), (
                algorithms,
                name,
            )


def test_the_type_of_a_token_is_the_issuers(live: Gateway, restored: None) -> None:
    def token(**header: str) -> str:
        claims = {"iss": ISSUER, "exp": int(time.time()) + 60}
        return compact(
            {"alg": "RS256", "kid": live.minter.name, **header},
            claims,
            rs256(live.minter.key),
        )

    usual = {
        "JWT": 200,
        "jwt": 200,
        "at+jwt": 200,
        "AT+JWT": 200,
        "application/at+jwt": 200,
        "application/jwt": 200,
        "Application/JWT": 200,
        "x": 401,
    }
    for name, status in usual.items():
        assert live.call(PATH, token=token(typ=name)).status == status, name
    assert live.call(PATH, token=token()).status == 200
    trusting(live, rule=AccessTokenRule(types=("at+jwt",)))
    for name, status in {"JWT": 401, "at+jwt": 200, "x": 401}.items():
        assert live.call(PATH, token=token(typ=name)).status == status, name
    assert live.call(PATH, token=token()).status == 401
    trusting(live, rule=AccessTokenRule(types=("", "x")))
    for name, status in {"JWT": 401, "x": 200}.items():
        assert live.call(PATH, token=token(typ=name)).status == status, name
    assert live.call(PATH, token=token()).status == 200


def test_claims_that_an_issuers_tokens_must_have(live: Gateway, restored: None) -> None:
    trusting(
        live,
        rule=AccessTokenRule(required_claims=(("client_id", "c"), ("org.name", ""))),
    )
    for claims, status in (
        ({}, 401),
        ({"client_id": "c"}, 401),
        ({"client_id": "c", "org": {"name": "o"}}, 200),
        ({"client_id": "d", "org": {"name": "o"}}, 401),
        ({"client_id": "c", "org": {}}, 401),
    ):
        assert live.call(PATH, token=live.minter.token(**claims)).status == status, (
            claims
        )


def test_a_claim_that_is_called_by_a_uri(live: Gateway, restored: None) -> None:
    trusting(
        live,
        rule=AccessTokenRule(required_claims=(("https://acme.example/tenant", "t1"),)),
    )
    for claims, status in (
        ({}, 401),
        ({"https://acme.example/tenant": "t2"}, 401),
        ({"https://acme.example/tenant": "t1"}, 200),
    ):
        assert live.call(PATH, token=live.minter.token(**claims)).status == status, (
            claims
        )


def test_the_key_type_is_that_of_the_host(live: Gateway) -> None:
    production, sandbox = "default.gw.wso2.com", "default.sandbox.gw.wso2.com"
    for host, key_type, status in (
        (production, "PRODUCTION", 200),
        (production, "SANDBOX", 401),
        (sandbox, "SANDBOX", 200),
        (sandbox, "PRODUCTION", 401),
        (sandbox.upper(), "PRODUCTION", 401),
        (sandbox, None, 200),
        (sandbox, 7, 401),
    ):
        assert (
            live.call(PATH, host=host, token=live.minter.token(keytype=key_type)).status
            == status
        ), (host, key_type)
