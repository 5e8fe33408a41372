"""A JWK Set of somebody else: which keys are used, which are not and why, and what the gateway
gets.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kapi.identity.issuers.declaration import Issuer
from kapi.identity.issuers.preset import ASYMMETRIC
from kapi.identity.issuers.trials.token import token_steps
from kapi.jose.algorithms import verifies
from kapi.jose.jwk_set import KeySet, one_key, read_jwks
from standin import Key

RSA, SMALL, EC, ED = (
    Key.make("r"),
    Key.make("s", bits=1024),
    Key.make("e", "ES256"),
    Key.make("d", "EdDSA"),
)


def read(*keys: Any, algorithms: tuple[str, ...] = ASYMMETRIC) -> KeySet:
    return read_jwks(json.dumps({"keys": list(keys)}), algorithms)


@pytest.mark.parametrize("alg", ASYMMETRIC)
def test_a_signature_of_every_algorithm_is_verified_with_the_key_of_the_set(
    alg: str,
) -> None:
    key = Key("k", alg, RSA.private if alg[0] in "RP" else Key.make("k", alg).private)
    (found,) = read(key.jwk()).find("k", alg)
    signature = key.sign(b"message", alg)
    assert verifies(alg, found.public, b"message", signature)
    assert not verifies(alg, found.public, b"massage", signature)
    assert not verifies(alg, found.public, b"message", signature[:-1])
    assert not verifies(alg, found.public, b"message", b"")
    others = [other for other in ASYMMETRIC if other != alg]
    assert not any(
        verifies(other, found.public, b"message", signature) for other in others
    )


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ({"kty": "oct", "k": "c2VjcmV0", "kid": "x"}, "it is symmetric"),
        ({**RSA.jwk(), "d": "AQAB"}, "its private half is published"),
        (RSA.jwk(use="enc"), "it is not for signatures"),
        (RSA.jwk(key_ops=["encrypt"]), "it is not for signatures"),
        (RSA.jwk(key_ops="verify"), "it is not for signatures"),
        (SMALL.jwk(), "RSA of fewer than 2048 bits"),
        (RSA.jwk(alg="HS256"), "its algorithm (HS256) is not accepted"),
        (RSA.jwk(alg="ES256"), "its algorithm (ES256) is not accepted"),
        (RSA.jwk(alg="none"), "its algorithm (none) is not accepted"),
        (RSA.jwk(alg="RSA-OAEP"), "its algorithm (RSA-OAEP) is not accepted"),
        (RSA.jwk(kid=7), "its kid is not a short text"),
        (RSA.jwk(kid="x" * 513), "its kid is not a short text"),
        (RSA.jwk(n="AQAB"), "RSA of fewer than 2048 bits"),
        (RSA.jwk(n="=" * 400), "it is malformed"),
        (RSA.jwk(n=...), "it is malformed"),
        (RSA.jwk(e=5), "it is malformed"),
        (EC.jwk(x="AA"), "it is malformed"),
        (EC.jwk(crv="P-192"), "it is malformed"),
        (EC.jwk(crv="secp256k1"), "it is malformed"),
        ({**ED.jwk(), "crv": "X25519"}, "its curve or type is not supported"),
        ({"kty": "what"}, "its type is unknown"),
        ("text", "it is not a JSON object"),
        (None, "it is not a JSON object"),
    ],
)
def test_a_key_that_must_not_verify_is_left_out_and_the_others_stay(
    key: Any, reason: str
) -> None:
    keys = read(key, EC.jwk())
    assert keys.kids == ("e",)
    assert reason in keys.ignored[0]


def test_the_issuers_algorithms_decide_and_the_gateway_gets_one_entry_for_each() -> (
    None
):
    bare = RSA.jwk(alg=...)
    keys = read(bare, EC.jwk(), algorithms=("RS256", "PS256"))
    assert keys.kids == ("r",)
    entries = json.loads(keys.jwks())["keys"]
    assert [(entry["kid"], entry["alg"], entry["use"]) for entry in entries] == [
        ("r", "PS256", "sig"),
        ("r", "RS256", "sig"),
    ]
    assert all(
        entry.keys() == {"kty", "n", "e", "kid", "alg", "use"} for entry in entries
    )
    # What is kept in the store reads back as it was.
    assert read_jwks(keys.jwks(), ("RS256", "PS256")).find("r", "PS256")
    assert json.loads(read_jwks(keys.jwks(), ("RS256", "PS256")).jwks()) == json.loads(
        keys.jwks()
    )


def test_the_order_of_the_keys_means_nothing() -> None:
    """Some servers list their keys in another order each time; nothing has changed then."""
    both = [RSA.jwk(alg="RS256"), RSA.jwk(alg="PS256")]
    keys = [*both, EC.jwk(), ED.jwk(kid="e")]
    texts = {read(*order).jwks() for order in itertools.permutations(keys)}
    assert len(texts) == 1


def test_the_same_kid_twice() -> None:
    other = Key("r", "RS256", Key.make("x").private)
    keys = read(RSA.jwk(), RSA.jwk(), other.jwk())
    assert len(keys.find("r", "RS256")) == 2, (
        "the same key counts once, another one with its kid is tried too"
    )


def test_a_key_without_kid_serves_every_token() -> None:
    keys = read(RSA.jwk(kid=...))
    assert keys.find("anything", "RS256") == keys.find("", "RS256") == keys.keys
    assert "kid" not in json.loads(keys.jwks())["keys"][0]


def test_a_key_given_by_hand() -> None:
    keys = one_key(RSA.pem(), ("RS256", "ES256"))
    assert keys.keys[0].algorithms == ("RS256",)
    with pytest.raises(ValueError, match="1024"):
        one_key(SMALL.pem(), ASYMMETRIC)
    with pytest.raises(ValueError, match="not accepted"):
        one_key(RSA.pem(), ("ES256",))


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "null",
        '{"keys": {}}',
        '{"keys": null}',
        "<html>",
        "[" * 100_000,
        b"\xff\xfe",
    ],
)
def test_what_is_no_jwk_set_is_refused(content: Any) -> None:
    with pytest.raises(ValueError, match="document"):
        read_jwks(content, ASYMMETRIC)


def test_a_set_of_very_many_keys_is_cut() -> None:
    keys = read(*[{**ED.jwk(), "kid": str(number)} for number in range(150)])
    assert len(keys.keys) == 100
    assert "only the first 100" in keys.ignored[-1]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["kty", "n", "e", "crv", "x", "y", "kid", "alg", "use", "key_ops"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=8,
)


@given(
    st.lists(
        st.fixed_dictionaries(
            {"kty": st.sampled_from(["RSA", "EC", "OKP", "oct"])},
            optional={
                "n": JSON,
                "e": JSON,
                "crv": JSON,
                "x": JSON,
                "y": JSON,
                "kid": JSON,
                "alg": JSON,
                "use": JSON,
                "key_ops": JSON,
            },
        )
        | JSON,
        max_size=4,
    )
)
def test_no_key_set_makes_it_fall_over(entries: list[Any]) -> None:
    assert read(*entries, ED.jwk()).kids[-1:] in {("d",), ()}


def test_a_key_for_another_algorithm_than_the_token_s_is_explained() -> None:
    """Providers that sign with PS256 publish keys that say RS256; a key is used for its own `alg`
    only (RFC 7517 §4.4).
    """
    key = Key.make("k")
    jwks = json.dumps({"keys": [key.jwk(alg="RS256")]})
    [reason] = read_jwks(jwks, ("PS256",)).ignored
    for part in ("its alg says RS256", "PS256 is accepted", "without alg"):
        assert part in reason
    issuer = Issuer(
        "acme", "oidc", "https://acme.example", "", "", algorithms=("RS256", "PS256")
    )
    token = dataclasses.replace(key, alg="PS256").token({"iss": issuer.issuer})
    steps = {
        step.step: step
        for step in token_steps(
            token, issuer, read_jwks(jwks, issuer.algorithms), int(time.time())
        )
    }
    assert steps["signature"].result == "fail"
    assert (
        steps["signature"].detail
        == "the token is signed with PS256, and the `alg` of its key 'k' in the JWKS says RS256"
    )
    assert "publish the key with alg PS256 or without alg" in steps["signature"].hint
    good = json.dumps({"keys": [key.jwk(alg=...)]})
    steps = {
        step.step: step
        for step in token_steps(
            token, issuer, read_jwks(good, issuer.algorithms), int(time.time())
        )
    }
    assert steps["signature"].result == "ok"
