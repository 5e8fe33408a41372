"""Which keys of an issuer Envoy gets."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from live_gateway import Minter

from attacks import b64, rsa_jwk
from kapi.gateway.envoy.resources.context import render_context
from kapi.gateway.envoy.resources.render import render_issuers
from kapi.gateway.envoy.resources.tokens.jwt import TokenCache, jwt_filter
from kapi.gateway.envoy.resources.tokens.keys import verifying_keys
from kapi.policies.authentication.trust import Need
from kapi.settings import GatewaySettings, Settings

RSA = rsa_jwk(rsa.generate_private_key(public_exponent=65537, key_size=2048), "r")
_POINT = ec.generate_private_key(ec.SECP256R1()).public_key().public_numbers()
EC = {
    "kty": "EC",
    "kid": "e",
    "crv": "P-256",
    "x": b64(_POINT.x.to_bytes(32)),
    "y": b64(_POINT.y.to_bytes(32)),
}
OKP = {
    "kty": "OKP",
    "kid": "o",
    "crv": "Ed25519",
    "x": b64(ed25519.Ed25519PrivateKey.generate().public_key().public_bytes_raw()),
}
ALL = ("RS256", "PS256", "ES256", "EdDSA", "HS256", "none")


def left(*keys: object, algorithms: tuple[str, ...] = ALL) -> list[tuple[str, str]]:
    text = verifying_keys(json.dumps({"keys": keys}), algorithms)
    return (
        [(key["kid"], key["alg"]) for key in json.loads(text)["keys"]] if text else []
    )


def test_every_key_says_its_algorithm() -> None:
    # In the order of their ids, whatever the order of the issuer.
    assert left(RSA, EC, OKP) == [
        ("e", "ES256"),
        ("o", "EdDSA"),
        ("r", "PS256"),
        ("r", "RS256"),
    ]
    assert left({**RSA, "alg": "PS256"}) == [("r", "PS256")]
    assert left(RSA, EC, algorithms=("ES256",)) == [("e", "ES256")]


@pytest.mark.parametrize(
    "key",
    [
        {**RSA, "use": "enc"},
        {**RSA, "use": 7},
        {**RSA, "key_ops": ["sign"]},
        {**RSA, "key_ops": "verify"},
        {**RSA, "alg": "HS256"},
        {**RSA, "alg": "none"},
        {**RSA, "n": "AQAB"},
        {**RSA, "n": "!"},
        {**RSA, "n": RSA["n"] + "==\n"},
        {**RSA, "e": "AA"},
        {**RSA, "n": 7},
        {**EC, "crv": "P-192"},
        {**EC, "crv": ["P-256"]},
        {**EC, "y": EC["x"]},
        {**OKP, "x": "AQAB"},
        {"kty": "oct", "kid": "s", "k": "c2VjcmV0"},
        {"kty": ["RSA"]},
        {},
        [],
        "key",
        None,
    ],
)
def test_what_cannot_verify_is_left_out(key: object) -> None:
    assert left(key) == []
    assert left(key, EC) == [("e", "ES256")]


def test_private_members_never_leave() -> None:
    text = verifying_keys(
        json.dumps(
            {"keys": [{**RSA, "d": "secret", "p": "secret", "x5c": ["secret"]}]}
        ),
        ALL,
    )
    assert "secret" not in text


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"keys": 1}', '{"keys": []}', "[" * 100_000]
)
def test_what_is_no_set_has_no_keys(text: str) -> None:
    assert verifying_keys(text, ALL) == ""


@pytest.mark.parametrize(
    ("size", "memory", "threads", "issuers", "tokens"),
    [
        (10_000, 128 * 1024**2, 2, 1, 9362),
        (10_000, 128 * 1024**2, 16, 1, 1170),
        (10_000, 128 * 1024**2, 16, 4, 292),
        (100, 128 * 1024**2, 2, 1, 100),
        (10_000, 1024**2, 256, 8, 1),
    ],
)
def test_verified_tokens_of_all_threads_and_issuers_share_the_memory(
    size: int, memory: int, threads: int, issuers: int, tokens: int
) -> None:
    """Envoy keeps them for each provider in each thread, and counts tokens, not bytes."""
    trusted = [
        Minter(f"i{number}", f"https://i{number}.example").trusted
        for number in range(issuers)
    ]
    made = jwt_filter(
        trusted, TokenCache(size, memory, threads), [Need("b", "default", "")]
    )
    found = [
        provider["jwt_cache_config"]["jwt_cache_size"]
        for provider in made["typed_config"]["providers"].values()
    ]
    assert found == [tokens] * issuers


def test_a_second_name_of_an_issuer_takes_no_memory_of_the_others() -> None:
    one = Minter("i", "https://i.example").trusted
    second = dataclasses.replace(
        one, name="i@2", issuer="https://second", same_as=one.issuer
    )
    made = jwt_filter(
        [one, second], TokenCache(10_000, 128 * 1024**2, 2), [Need("b", "default", "")]
    )
    config = made["typed_config"]
    sizes = {
        name: item["jwt_cache_config"]["jwt_cache_size"]
        for name, item in config["providers"].items()
    }
    assert sizes == {"i": 9362, "i@2": 256}
    # The first one is tried first: most tokens are its own.
    (requirement,) = config["requirement_map"].values()
    tried = [
        item["provider_name"] for item in requirement["requires_any"]["requirements"]
    ]
    assert tried == ["i", "i@2"]


def test_the_memory_for_verified_tokens_is_a_setting() -> None:
    def rendered(**fields: int) -> int:
        context = render_context(
            Settings(Path("/data"), gateway=GatewaySettings(concurrency=4, **fields))
        )
        found = render_issuers(context, [Minter().trusted], [Need("b", "default", "")])[
            0
        ]
        return found["typed_config"]["providers"]["inbuilt"]["jwt_cache_config"][
            "jwt_cache_size"
        ]

    assert rendered(token_cache_bytes=4 * 7 * 1024 * 1000) == 1000
    assert rendered(token_cache_bytes=1024**3) == 10_000
    assert rendered(token_cache_bytes=1024**3, token_cache_size=50) == 50
