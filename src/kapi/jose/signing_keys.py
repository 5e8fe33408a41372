"""Key pairs that sign, with one algorithm each (RFC 7517, RFC 8725 §3.1), stored as PEM.

To validate a key while it is loaded costs as much as a hundred signatures. Our own keys are loaded
without, since we made them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import field
from typing import Any

import orjson
from cryptography.hazmat.primitives import serialization

from kapi.dataclass import dataclass
from kapi.jose.algorithms import ALGORITHMS, PrivateKey, PublicKey
from kapi.jose.jwk import public_members


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One key pair, for one algorithm. `kid` is its name in token headers and in the JWK Set."""

    kid: str
    algorithm: str
    private: PrivateKey = field(repr=False)

    @property
    def public(self) -> PublicKey:
        """The public key as a JWK."""
        return self.private.public_key()

    def sign(self, message: bytes) -> bytes:
        """A JWS signature (RFC 7518 §3)."""
        return ALGORITHMS[self.algorithm].sign(self.private, message)

    def public_jwk(self) -> dict[str, Any]:
        """The public half as a JWK, without any private member."""
        members = public_members(self.public)
        return {
            "kty": members.pop("kty"),
            "kid": self.kid,
            "use": "sig",
            "alg": self.algorithm,
            **members,
        }


def generate_key(kid: str, algorithm: str) -> SigningKey:
    """A fresh key pair. Raises KeyError for an unknown algorithm."""
    return SigningKey(kid, algorithm, ALGORITHMS[algorithm].generate())


def load_key(kid: str, algorithm: str, pem: str) -> SigningKey:
    """A key pair from the PEM text that `to_pem` returned for it."""
    private: Any = serialization.load_pem_private_key(
        pem.encode("ascii"), None, unsafe_skip_rsa_key_validation=True
    )
    return SigningKey(kid, algorithm, private)


def to_pem(key: SigningKey) -> str:
    """The private key as PEM (PKCS #8, RFC 5958), not encrypted."""
    pem = key.private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return pem.decode("ascii")


def public_jwks(keys: Iterable[SigningKey]) -> bytes:
    """The public halves as a JWK Set (RFC 7517 §5)."""
    return orjson.dumps({"keys": [key.public_jwk() for key in keys]})
