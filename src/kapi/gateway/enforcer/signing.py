"""The key of backend JWTs: made at first start, kept in the store, its public half published as a JWK Set (RFC 7517)."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from kapi.store.enforcer_keys import EnforcerKeys, StoredEnforcerKey

_BITS = 2048


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One RSA key pair, ready to sign."""

    kid: str
    private: rsa.RSAPrivateKey = field(repr=False)

    def sign(self, message: bytes) -> bytes:
        """An RSASSA-PKCS1-v1_5 SHA-256 signature (RFC 7518 §3.3)."""
        return self.private.sign(message, padding.PKCS1v15(), hashes.SHA256())

    def public_jwk(self) -> dict[str, str]:
        """The public half, never a private member."""
        return {
            "kty": "RSA",
            "use": "sig",
            "alg": "RS256",
            "kid": self.kid,
            **_public_members(self.private),
        }


def ensure_key(store: EnforcerKeys, now: int) -> tuple[SigningKey, ...]:
    """All keys, the one that signs first; the first is made when there is none."""
    if not store.all():
        private = rsa.generate_private_key(public_exponent=65537, key_size=_BITS)
        pem = private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        store.add_first(StoredEnforcerKey(_thumbprint(private), pem.decode("ascii"), now))
    return tuple(_loaded(item) for item in store.all())


def jwks(keys: Sequence[SigningKey]) -> bytes:
    """The public keys as a JWK Set (RFC 7517 §5)."""
    return json.dumps({"keys": [key.public_jwk() for key in keys]}).encode()


def base64url(content: bytes) -> str:
    """Without padding (RFC 7515 §2)."""
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode("ascii")


def _loaded(stored: StoredEnforcerKey) -> SigningKey:
    # Validation costs a hundred signatures, and the key is our own.
    private = serialization.load_pem_private_key(
        stored.private_pem.encode("ascii"), None, unsafe_skip_rsa_key_validation=True
    )
    assert isinstance(private, rsa.RSAPrivateKey)  # noqa: S101 - we made it
    return SigningKey(stored.kid, private)


def _public_members(private: rsa.RSAPrivateKey) -> dict[str, str]:
    numbers = private.public_key().public_numbers()
    return {
        name: base64url(value.to_bytes((value.bit_length() + 7) // 8))
        for name, value in (("n", numbers.n), ("e", numbers.e))
    }


def _thumbprint(private: rsa.RSAPrivateKey) -> str:
    """RFC 7638."""
    members = {"kty": "RSA", **_public_members(private)}
    return base64url(
        hashlib.sha256(json.dumps(members, sort_keys=True, separators=(",", ":")).encode()).digest()
    )
