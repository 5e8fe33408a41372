"""The keys that an emulated provider publishes: certificates, copies, an encryption key."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from kapi.identity.issuers.emulation import Emulation
from kapi.identity.keys.keyring import Keyring
from kapi.jose import base64url
from kapi.jose.signing_keys import SigningKey
from kapi.testing.http.calls import Reply, json_reply
from kapi.testing.powers.stock import make_key

_YEARS = 10


@cache
def certificate_of(key: SigningKey) -> x509.Certificate:
    """A certificate of the key, signed by itself (RFC 5280 §3.2)."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, key.kid)])
    start = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name)
    made = made.public_key(key.public).serial_number(x509.random_serial_number())
    made = made.not_valid_before(start).not_valid_after(start + dt.timedelta(days=365 * _YEARS))
    private: Any = key.private
    return made.sign(private, hashes.SHA256())


def thumbprint(key: SigningKey) -> str:
    """`x5t` of the key's certificate (RFC 7517 §4.8)."""
    der = certificate_of(key).public_bytes(serialization.Encoding.DER)
    return base64url.encode(hashlib.sha1(der, usedforsecurity=False).digest())


def published(keyring: Keyring, emulation: Emulation) -> list[SigningKey]:
    """The keys of the provider's algorithm: those of others are not published."""
    return [key for key in keyring.keys if key.algorithm == emulation.algorithm]


def jwks(keyring: Keyring, emulation: Emulation) -> Reply:
    """The JWK Set, as the vendor publishes it."""
    shape = emulation.keys
    keys = [_jwk(key, certified=shape.certificates) for key in published(keyring, emulation)]
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
    reply = reply.with_header("cache-control", f"public, max-age={max_age}, must-revalidate")
    return reply.with_header("access-control-allow-origin", "*")


def ahead(count: int, algorithm: str) -> Iterable[SigningKey]:
    """Keys that are published before they sign."""
    return (make_key(algorithm) for _ in range(count))
