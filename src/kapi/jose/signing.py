"""Signature algorithms of JSON Web Signature (RFC 7518 §3, RFC 8037 §3.1): making a key pair for one, and signing with it.

One key is used with one algorithm only (RFC 8725 §3.1). Called by `keys.py`; `signatures` that others made are checked elsewhere.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils

Private = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
Public = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey

_RSA_BITS = 2048
_CURVES: dict[str, tuple[str, ec.EllipticCurve]] = {
    "ES256": ("P-256", ec.SECP256R1()),
    "ES384": ("P-384", ec.SECP384R1()),
    "ES512": ("P-521", ec.SECP521R1()),
}


@dataclass(frozen=True, slots=True)
class Algorithm:
    """One algorithm: how a key for it is made, and how it signs."""

    make: Callable[[], Private]
    sign: Callable[[Any, bytes], bytes]


def _rsa(digest: hashes.HashAlgorithm, scheme: padding.AsymmetricPadding) -> Algorithm:
    return Algorithm(
        make=lambda: rsa.generate_private_key(public_exponent=65537, key_size=_RSA_BITS),
        sign=lambda key, message: bytes(key.sign(message, scheme, digest)),
    )


def _pss(digest: hashes.HashAlgorithm) -> Algorithm:
    # RFC 7518 §3.5: the mask is made with the same digest, and the salt is as long as it.
    return _rsa(digest, padding.PSS(padding.MGF1(digest), digest.digest_size))


def _ec(digest: hashes.HashAlgorithm, curve: ec.EllipticCurve) -> Algorithm:
    size = (curve.key_size + 7) // 8

    def sign(key: ec.EllipticCurvePrivateKey, message: bytes) -> bytes:
        # RFC 7518 §3.4: both numbers in full length, one after the other.
        r, s = utils.decode_dss_signature(key.sign(message, ec.ECDSA(digest)))
        return r.to_bytes(size) + s.to_bytes(size)

    return Algorithm(make=lambda: ec.generate_private_key(curve), sign=sign)


ALGORITHMS: dict[str, Algorithm] = {
    "RS256": _rsa(hashes.SHA256(), padding.PKCS1v15()),
    "RS384": _rsa(hashes.SHA384(), padding.PKCS1v15()),
    "RS512": _rsa(hashes.SHA512(), padding.PKCS1v15()),
    "PS256": _pss(hashes.SHA256()),
    "PS384": _pss(hashes.SHA384()),
    "PS512": _pss(hashes.SHA512()),
    "ES256": _ec(hashes.SHA256(), ec.SECP256R1()),
    "ES384": _ec(hashes.SHA384(), ec.SECP384R1()),
    "ES512": _ec(hashes.SHA512(), ec.SECP521R1()),
    "EdDSA": Algorithm(
        make=ed25519.Ed25519PrivateKey.generate, sign=lambda key, message: bytes(key.sign(message))
    ),
}
"""All that tokens may be signed with, by their registered name."""


def public_members(algorithm: str, public: Public) -> dict[str, str]:
    """The members of a public JWK that hold the key itself, `kty` first (RFC 7518 §6, RFC 8037 §2); never a private one."""
    if isinstance(public, rsa.RSAPublicKey):
        numbers = public.public_numbers()
        return {"kty": "RSA", "n": _number(numbers.n), "e": _number(numbers.e)}
    if isinstance(public, ec.EllipticCurvePublicKey):
        point, size = public.public_numbers(), (public.key_size + 7) // 8
        return {
            "kty": "EC",
            "crv": _CURVES[algorithm][0],
            "x": _number(point.x, size),
            "y": _number(point.y, size),
        }
    return {"kty": "OKP", "crv": "Ed25519", "x": _text(public.public_bytes_raw())}


def _number(number: int, size: int = 0) -> str:
    return _text(number.to_bytes(size or (number.bit_length() + 7) // 8))


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode("ascii")
