"""Signature algorithms of JWS (RFC 7518 §3, RFC 8037 §3.1): generate keys, sign, verify.

One key is used with one algorithm only (RFC 8725 §3.1). The caller chooses key and algorithm, never
the token.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils

from kapi.dataclass import dataclass

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey

CURVES: Mapping[str, ec.EllipticCurve] = {
    "P-256": ec.SECP256R1(),
    "P-384": ec.SECP384R1(),
    "P-521": ec.SECP521R1(),
}
"""Elliptic curves by the `crv` of a JWK (RFC 7518 §6.2.1.1)."""
_CURVE_NAMES = {curve.name: crv for crv, curve in CURVES.items()}
_RSA_BITS = 2048
"""Size of the RSA keys that are generated."""


@dataclass(frozen=True, slots=True)
class SignatureAlgorithm:
    """One algorithm, for keys of one type and curve. `verify` raises InvalidSignature."""

    kty: str
    crv: str
    """Empty for RSA."""
    generate: Callable[[], PrivateKey]
    sign: Callable[[Any, bytes], bytes]
    verify: Callable[[Any, bytes, bytes], None]


def _rsa(
    digest: hashes.HashAlgorithm, scheme: padding.AsymmetricPadding
) -> SignatureAlgorithm:
    return SignatureAlgorithm(
        "RSA",
        "",
        generate=lambda: rsa.generate_private_key(
            public_exponent=65537, key_size=_RSA_BITS
        ),
        sign=lambda key, message: bytes(key.sign(message, scheme, digest)),
        verify=lambda key, message, signature: key.verify(
            signature, message, scheme, digest
        ),
    )


def _pss(digest: hashes.HashAlgorithm) -> SignatureAlgorithm:
    # RFC 7518 §3.5: the mask uses the same digest, and the salt is as long as the digest.
    return _rsa(digest, padding.PSS(padding.MGF1(digest), digest.digest_size))


def _ecdsa(digest: hashes.HashAlgorithm, crv: str) -> SignatureAlgorithm:
    curve = CURVES[crv]
    scheme = ec.ECDSA(digest)
    size = (curve.key_size + 7) // 8

    # RFC 7518 §3.4: a signature is both numbers in full length, one after the other.
    def sign(key: ec.EllipticCurvePrivateKey, message: bytes) -> bytes:
        r, s = utils.decode_dss_signature(key.sign(message, scheme))
        return r.to_bytes(size) + s.to_bytes(size)

    def verify(
        key: ec.EllipticCurvePublicKey, message: bytes, signature: bytes
    ) -> None:
        if len(signature) != 2 * size:
            raise InvalidSignature
        r, s = int.from_bytes(signature[:size]), int.from_bytes(signature[size:])
        key.verify(utils.encode_dss_signature(r, s), message, scheme)

    return SignatureAlgorithm(
        "EC", crv, lambda: ec.generate_private_key(curve), sign, verify
    )


_EDDSA = SignatureAlgorithm(
    "OKP",
    "Ed25519",
    generate=ed25519.Ed25519PrivateKey.generate,
    sign=lambda key, message: bytes(key.sign(message)),
    verify=lambda key, message, signature: key.verify(signature, message),
)

ALGORITHMS: Mapping[str, SignatureAlgorithm] = {
    "RS256": _rsa(hashes.SHA256(), padding.PKCS1v15()),
    "RS384": _rsa(hashes.SHA384(), padding.PKCS1v15()),
    "RS512": _rsa(hashes.SHA512(), padding.PKCS1v15()),
    "PS256": _pss(hashes.SHA256()),
    "PS384": _pss(hashes.SHA384()),
    "PS512": _pss(hashes.SHA512()),
    "ES256": _ecdsa(hashes.SHA256(), "P-256"),
    "ES384": _ecdsa(hashes.SHA384(), "P-384"),
    "ES512": _ecdsa(hashes.SHA512(), "P-521"),
    "EdDSA": _EDDSA,
}
"""The algorithms that tokens may be signed with, by their registered names."""
_VERIFIED: Mapping[str, SignatureAlgorithm] = {**ALGORITHMS, "Ed25519": _EDDSA}
"""The algorithms that are verified: also by the name that RFC 9864 gives EdDSA with this curve."""
_OF_KEYS: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("RSA", ""): ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    ("EC", "P-256"): ("ES256",),
    ("EC", "P-384"): ("ES384",),
    ("EC", "P-521"): ("ES512",),
    ("OKP", "Ed25519"): ("EdDSA",),
}
"""The algorithms of a key, by its type and curve."""
ASYMMETRIC = tuple(_VERIFIED)
"""Algorithms of what clients sign with their own keys."""
_DIGESTS = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}
SYMMETRIC = tuple(_DIGESTS)
"""Algorithms of what clients sign with their secret (RFC 7518 §3.2)."""


def key_type(key: object) -> tuple[str, str]:
    """`kty` and `crv` of a public key; `crv` is empty for RSA, both are empty for other keys."""
    if isinstance(key, rsa.RSAPublicKey):
        return "RSA", ""
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _CURVE_NAMES:
        return "EC", _CURVE_NAMES[key.curve.name]
    if isinstance(key, ed25519.Ed25519PublicKey):
        return "OKP", "Ed25519"
    return "", ""


def algorithms_of(kty: str, crv: str) -> tuple[str, ...]:
    """The algorithms that keys of this type and curve verify; none for unknown ones."""
    return _OF_KEYS.get((kty, crv), ())


def fits(algorithm: str, kty: object, crv: object) -> bool:
    """Whether keys of this type and curve verify an algorithm. RSA keys have no curve."""
    found = _VERIFIED.get(algorithm)
    return found is not None and found.kty == kty and found.crv in ("", crv)


def verifies(algorithm: str, key: PublicKey, message: bytes, signature: bytes) -> bool:
    """Whether `key` signed `message`; False also if the key is for other algorithms."""
    if not fits(algorithm, *key_type(key)):
        return False
    try:
        _VERIFIED[algorithm].verify(key, message, signature)
    except InvalidSignature:
        return False
    return True


def verifies_hmac(
    algorithm: str, secret: bytes, message: bytes, signature: bytes
) -> bool:
    """Whether `signature` is the MAC of `message` (RFC 7518 §3.2); False for an empty secret."""
    if not secret:
        return False
    mac = hmac.digest(secret, message, _DIGESTS[algorithm])
    return hmac.compare_digest(mac, signature)
