"""JSON Web Signature verification by algorithm (RFC 7518 §3, RFC 8037 §3.1). The caller has chosen key and algorithm; the token has not."""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils

_HASHES: dict[str, hashes.HashAlgorithm] = {
    "256": hashes.SHA256(),
    "384": hashes.SHA384(),
    "512": hashes.SHA512(),
}
_CURVES = {"ES256": "secp256r1", "ES384": "secp384r1", "ES512": "secp521r1"}


def signed(algorithm: str, key: object, message: bytes, signature: bytes) -> bool:
    """Whether `signature` is one of `message` by `key`; False as well when the algorithm is not one for that key."""
    try:
        if isinstance(key, rsa.RSAPublicKey) and algorithm[:2] in {"RS", "PS"}:
            return _by_rsa(algorithm, key, message, signature)
        if isinstance(key, ec.EllipticCurvePublicKey) and _CURVES.get(algorithm) == key.curve.name:
            return _by_ec(algorithm, key, message, signature)
        if isinstance(key, ed25519.Ed25519PublicKey) and algorithm == "EdDSA":
            key.verify(signature, message)
            return True
    except InvalidSignature:
        pass
    return False


def _by_rsa(algorithm: str, key: rsa.RSAPublicKey, message: bytes, signature: bytes) -> bool:
    digest = _HASHES[algorithm[2:]]
    # RFC 7518 §3.5: the salt is as long as the digest.
    pad = (
        padding.PKCS1v15()
        if algorithm.startswith("RS")
        else padding.PSS(padding.MGF1(digest), digest.digest_size)
    )
    key.verify(signature, message, pad, digest)
    return True


def _by_ec(
    algorithm: str, key: ec.EllipticCurvePublicKey, message: bytes, signature: bytes
) -> bool:
    size = (key.curve.key_size + 7) // 8
    if len(signature) != 2 * size:
        return False
    encoded = utils.encode_dss_signature(
        int.from_bytes(signature[:size]), int.from_bytes(signature[size:])
    )
    key.verify(
        encoded, message, ec.ECDSA(_HASHES["512" if algorithm == "ES512" else algorithm[2:]])
    )
    return True
