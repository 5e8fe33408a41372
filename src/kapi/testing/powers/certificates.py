"""Certificates of signing keys, signed by themselves, and names of keys made from them."""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from kapi.identity.issuers.emulation import PublishedKeys
from kapi.jose import base64url
from kapi.jose.signing_keys import SigningKey

if TYPE_CHECKING:
    from cryptography import x509

_YEARS = 10
_SERIAL_BYTES = 16


@cache
def certificate_of(key: SigningKey) -> x509.Certificate:
    """A certificate of the key, signed by itself (RFC 5280 §3.2).

    That of an RSA key is the same each time, whatever its `kid` is.
    """
    # Only some emulated providers have certificates.
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "emulated provider")])
    start = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name)
    made = made.public_key(key.public).serial_number(_serial(key))
    made = made.not_valid_before(start).not_valid_after(
        start + dt.timedelta(days=365 * _YEARS)
    )
    private: Any = key.private
    return made.sign(private, hashes.SHA256())


def thumbprint(key: SigningKey) -> str:
    """`x5t` of the key's certificate (RFC 7517 §4.8)."""
    der = certificate_of(key).public_bytes(serialization.Encoding.DER)
    return base64url.encode(hashlib.sha1(der, usedforsecurity=False).digest())


def named(key: SigningKey, shape: PublishedKeys) -> SigningKey:
    """The key with the `kid` that the provider would give it; only RSA keys have certificates."""
    if shape.kid_is_thumbprint and isinstance(key.private, rsa.RSAPrivateKey):
        return replace(key, kid=thumbprint(key))
    return key


def _serial(key: SigningKey) -> int:
    """A positive number of the public key (RFC 5280 §4.1.2.2)."""
    der = key.public.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return int.from_bytes(hashlib.sha256(der).digest()[:_SERIAL_BYTES]) | 1
