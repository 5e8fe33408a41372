"""Signing keys (RFC 7517, RFC 7518 §3.3): made once, kept in the store, held ready as key objects.

Loading a key costs a hundred signatures when it is validated; ours are loaded once, without, since we made them.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from kapi.store import Store, StoredKey

ALGORITHMS = ("RS256",)
"""What tokens may be signed with; discovery says the same."""
_BITS = 2048


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One key pair. `kid` names it in token headers and in the JWKS."""

    kid: str
    algorithm: str
    private: rsa.RSAPrivateKey = field(repr=False)

    def sign(self, message: bytes) -> bytes:
        """An RSASSA-PKCS1-v1_5 SHA-256 signature."""
        return self.private.sign(message, padding.PKCS1v15(), hashes.SHA256())

    def public_jwk(self) -> dict[str, Any]:
        """The public half as a JWK, never a private member."""
        numbers = self.private.public_key().public_numbers()
        return {"kty": "RSA", "kid": self.kid, "use": "sig", "alg": self.algorithm, "n": _base64url(numbers.n), "e": _base64url(numbers.e)}


def ensure_signing_key(store: Store, kid: str, now: int) -> tuple[SigningKey, ...]:
    """All signing keys of the store, the active one first; the first key is made when there is none."""
    stored = store.signing_keys()
    if not stored:
        store.add_first_signing_key(_make(kid, now))
        stored = store.signing_keys()
    return tuple(_load(key) for key in sorted(stored, key=lambda key: key.state != "active"))


def jwks(keys: Sequence[SigningKey]) -> bytes:
    """The public keys as a JWK Set (RFC 7517 §5)."""
    return orjson.dumps({"keys": [key.public_jwk() for key in keys]})


def etag(document: bytes) -> str:
    """A strong entity tag of a document (RFC 9110 §8.8.3)."""
    return f'"{hashlib.sha256(document).hexdigest()[:32]}"'


def _make(kid: str, now: int) -> StoredKey:
    key = rsa.generate_private_key(public_exponent=65537, key_size=_BITS)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return StoredKey(kid, "RS256", "active", pem.decode("ascii"), now)


def _load(stored: StoredKey) -> SigningKey:
    key = serialization.load_pem_private_key(stored.private_pem.encode("ascii"), None, unsafe_skip_rsa_key_validation=True)
    assert isinstance(key, rsa.RSAPrivateKey)  # noqa: S101 - we made it
    return SigningKey(stored.kid, stored.algorithm, key)


def _base64url(number: int) -> str:
    return base64.urlsafe_b64encode(number.to_bytes((number.bit_length() + 7) // 8)).rstrip(b"=").decode("ascii")
