"""Which keys of an issuer may verify tokens, and with which algorithm (RFC 7517 §4, RFC 7518 §3, RFC 8725 §3.1). Pure.

Envoy takes the algorithm from the token where a key does not say its own; so every key it gets says one.
"""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64decode
from collections.abc import Mapping, Sequence
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from kapi.json_reading import NotJson, read_json

_RSA = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_CURVES = {"P-256": ("ES256",), "P-384": ("ES384",), "P-521": ("ES512",), "Ed25519": ("EdDSA",)}
ALGORITHMS = (*_RSA, "ES256", "ES384", "ES512", "EdDSA")
"""What the gateway verifies. No symmetric algorithm: a verifier that can sign is none."""
LEAST_RSA_BITS = 2048
_EC: dict[str, type[ec.EllipticCurve]] = {
    "P-256": ec.SECP256R1,
    "P-384": ec.SECP384R1,
    "P-521": ec.SECP521R1,
}
_BASE64URL = re.compile(r"[A-Za-z0-9_-]{1,4096}")
_PUBLIC = {"RSA": ("n", "e"), "EC": ("crv", "x", "y"), "OKP": ("crv", "x")}


def verifying_keys(jwks: str, algorithms: Sequence[str]) -> str:
    """The JWK Set with only what can verify a token of these algorithms: one entry for each key and algorithm, public members only.

    Empty when no key is left: Envoy does not take a set without keys.
    Left out: symmetric keys, keys for encryption, RSA keys below 2048 bits, unknown types and curves, what is no JWK at all.
    """
    try:
        document = read_json(jwks)
    except NotJson:
        document = None
    keys = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(keys, list):
        return ""
    usable: list[dict[str, Any]] = []
    for key in keys:
        if isinstance(key, dict):
            usable += _entries(key, algorithms)
    return json.dumps({"keys": usable}) if usable else ""


def _entries(key: Mapping[str, Any], algorithms: Sequence[str]) -> list[dict[str, Any]]:
    """One entry for each algorithm that the key may verify."""
    possible = _possible_algorithms(key) if _is_for_verifying(key) else ()
    named = key.get("alg")
    if named is not None:
        possible = tuple(name for name in possible if name == named)
    if not possible or not _is_sound(key):
        return []
    public = {name: key[name] for name in ("kty", *_PUBLIC[key["kty"]])}
    if isinstance(key.get("kid"), str):
        public["kid"] = key["kid"]
    return [{**public, "use": "sig", "alg": name} for name in possible if name in algorithms]


def _is_for_verifying(key: Mapping[str, Any]) -> bool:
    """By `use` and `key_ops` (RFC 7517 §4.2, §4.3)."""
    if key.get("use", "sig") != "sig":
        return False
    operations = key.get("key_ops")
    if operations is None:
        return True
    return isinstance(operations, list) and "verify" in operations


def _possible_algorithms(key: Mapping[str, Any]) -> tuple[str, ...]:
    """By key type and curve; none for a key that lacks a public member."""
    kind = str(key.get("kty"))
    members = _PUBLIC.get(kind, ())
    if not members or not all(isinstance(key.get(name), str) for name in members):
        return ()
    if kind == "RSA":
        return _RSA
    return _CURVES.get(key["crv"], ())


def _is_sound(key: Mapping[str, Any]) -> bool:
    """One key that Envoy cannot read refuses the keys of every issuer, so each is read here first."""
    try:
        if key["kty"] == "RSA":
            return (
                rsa.RSAPublicNumbers(_number(key["e"]), _number(key["n"])).public_key().key_size
                >= LEAST_RSA_BITS
            )
        if key["kty"] == "EC":
            ec.EllipticCurvePublicNumbers(
                _number(key["x"]), _number(key["y"]), _EC[key["crv"]]()
            ).public_key()
        else:
            ed25519.Ed25519PublicKey.from_public_bytes(_bytes(key["x"]))
    except (ValueError, UnsupportedAlgorithm):
        return False
    return True


def _number(encoded: str) -> int:
    return int.from_bytes(_bytes(encoded))


def _bytes(encoded: str) -> bytes:
    if not _BASE64URL.fullmatch(encoded):
        raise ValueError(encoded[:8])
    return urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
