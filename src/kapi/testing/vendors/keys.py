"""The keys that an emulated provider publishes: certificates, copies, an encryption key."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

from cryptography.hazmat.primitives import serialization

from kapi.identity.issuers.emulation import Emulation, PublishedKeys
from kapi.identity.keys.keyring import Keyring
from kapi.jose.signing_keys import SigningKey
from kapi.store.keys import ACTIVE, PUBLISHED
from kapi.testing.http.calls import Reply, json_reply
from kapi.testing.powers.certificates import certificate_of, named, thumbprint
from kapi.testing.powers.stock import make_key


def published(keyring: Keyring, emulation: Emulation) -> list[SigningKey]:
    """The keys of the provider's algorithm: those of others are not published."""
    return [key for key in keyring.keys if key.algorithm == emulation.algorithm]


def jwks(keyring: Keyring, emulation: Emulation) -> Reply:
    """The JWK Set, as the vendor publishes it."""
    shape = emulation.keys
    keys = [
        _jwk(key, certified=shape.certificates) for key in published(keyring, emulation)
    ]
    if shape.encryption_key:
        keys.append(_encryption_key())
    return _cached({"keys": keys}, shape.max_age)


def certificates(keyring: Keyring, emulation: Emulation) -> Reply:
    """The keys as `{kid: certificate in PEM}`."""
    pem = serialization.Encoding.PEM
    made = {
        key.kid: certificate_of(key).public_bytes(pem).decode()
        for key in published(keyring, emulation)
    }
    return _cached(made, emulation.keys.max_age)


def _jwk(key: SigningKey, *, certified: bool) -> dict[str, Any]:
    members = key.public_jwk()
    if not certified:
        return members
    der = certificate_of(key).public_bytes(serialization.Encoding.DER)
    return members | {"x5t": thumbprint(key), "x5c": [_standard_base64(der)]}


def _standard_base64(content: bytes) -> str:
    """RFC 7517 §4.7: `x5c` is not URL-safe."""
    import base64

    return base64.b64encode(content).decode()


@cache
def _encryption_key() -> dict[str, Any]:
    key = make_key("RS256", "encryption")
    return key.public_jwk() | {"use": "enc", "alg": "RSA-OAEP"}


def _cached(value: Any, max_age: int) -> Reply:
    reply = json_reply(value)
    reply = reply.with_header(
        "cache-control", f"public, max-age={max_age}, must-revalidate"
    )
    return reply.with_header("access-control-allow-origin", "*")


def first_keys(
    emulation: Emulation | None, algorithms: Iterable[str]
) -> Iterator[tuple[SigningKey, str]]:
    """New keys of an issuer with their states: those that sign, those that are published ahead."""
    shape = PublishedKeys()
    if emulation is not None:
        shape = emulation.keys
        for _ in range(shape.ahead):
            yield named(make_key(emulation.algorithm), shape), PUBLISHED
    for algorithm in algorithms:
        yield named(make_key(algorithm), shape), ACTIVE
