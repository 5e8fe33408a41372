"""Public keys as JWKs (RFC 7517, RFC 7518 §6, RFC 8037 §2), and thumbprints (RFC 7638)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from kapi.jose import base64url
from kapi.jose.algorithms import CURVES, PublicKey, key_type
from kapi.typed import items

PUBLIC_MEMBERS: Mapping[str, tuple[str, ...]] = {
    "RSA": ("n", "e"),
    "EC": ("crv", "x", "y"),
    "OKP": ("crv", "x"),
}
"""The members that hold a public key, by `kty`."""
PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
LEAST_RSA_BITS = 2048
MOST_RSA_BITS = 8192
"""A larger key makes every verification slow."""
_LONGEST_MEMBER = 1400
"""Characters of a number of MOST_RSA_BITS, and some leading zeros."""


class InvalidKey(ValueError):
    """Why a JWK cannot be used. The text may be shown: it contains nothing of the key."""


def public_jwk(value: Any) -> Mapping[str, Any]:
    """A value, if it is the JWK of a public key and nothing more. Raises InvalidKey."""
    if not isinstance(value, dict):
        raise InvalidKey("it is not a JSON object")
    if not PRIVATE_MEMBERS.isdisjoint(value):
        raise InvalidKey("it holds a private key")
    public_key(value)
    return value


def public_key(jwk: Mapping[str, Any]) -> PublicKey:
    """The public key of a JWK; private members are ignored. Raises InvalidKey."""
    read = _READERS.get(str(jwk.get("kty")), _unknown)
    try:
        return read(jwk)
    except InvalidKey:
        raise
    except (ValueError, KeyError, UnsupportedAlgorithm) as error:
        raise InvalidKey("it is malformed") from error


def check_rsa_size(bits: int) -> None:
    """Raise InvalidKey for an RSA key that is too weak or too slow."""
    if bits < LEAST_RSA_BITS:
        raise InvalidKey(f"RSA of fewer than {LEAST_RSA_BITS} bits ({bits})")
    if bits > MOST_RSA_BITS:
        raise InvalidKey(f"RSA of more than {MOST_RSA_BITS} bits ({bits})")


def public_members(public: PublicKey) -> dict[str, str]:
    """The members of a JWK that hold a public key, `kty` first."""
    if isinstance(public, rsa.RSAPublicKey):
        numbers = public.public_numbers()
        return {"kty": "RSA", "n": _encoded(numbers.n), "e": _encoded(numbers.e)}
    kty, crv = key_type(public)
    if isinstance(public, ec.EllipticCurvePublicKey):
        point = public.public_numbers()
        # RFC 7518 §6.2.1.2: coordinates have the full length of the curve's field.
        size = (public.key_size + 7) // 8
        return {
            "kty": kty,
            "crv": crv,
            "x": _encoded(point.x, size),
            "y": _encoded(point.y, size),
        }
    return {"kty": kty, "crv": crv, "x": base64url.encode(public.public_bytes_raw())}


def thumbprint(jwk: Mapping[str, Any]) -> str:
    """The SHA-256 thumbprint of a JWK with a known `kty` (RFC 7638 §3)."""
    names = ("kty", *PUBLIC_MEMBERS[jwk["kty"]])
    members = {name: jwk[name] for name in names}
    return base64url.sha256(orjson.dumps(members, option=orjson.OPT_SORT_KEYS))


def is_for_verification(jwk: Mapping[str, Any]) -> bool:
    """Whether `use` and `key_ops`, if present, allow verification (RFC 7517 §4.2, §4.3)."""
    if jwk.get("use", "sig") != "sig":
        return False
    return "verify" in items(jwk.get("key_ops", ["verify"]))


def _rsa_key(jwk: Mapping[str, Any]) -> PublicKey:
    modulus, exponent = _number(jwk, "n"), _number(jwk, "e")
    check_rsa_size(modulus.bit_length())
    return rsa.RSAPublicNumbers(exponent, modulus).public_key()


def _ec_key(jwk: Mapping[str, Any]) -> PublicKey:
    curve = CURVES[_text(jwk, "crv")]
    return ec.EllipticCurvePublicNumbers(
        _number(jwk, "x"), _number(jwk, "y"), curve
    ).public_key()


def _okp_key(jwk: Mapping[str, Any]) -> PublicKey:
    if _text(jwk, "crv") != "Ed25519":
        raise InvalidKey("its curve or type is not supported")
    return ed25519.Ed25519PublicKey.from_public_bytes(base64url.decode(_text(jwk, "x")))


def _unknown(_jwk: Mapping[str, Any]) -> PublicKey:
    raise InvalidKey("its type is unknown")


_READERS: Mapping[str, Callable[[Mapping[str, Any]], PublicKey]] = {
    "RSA": _rsa_key,
    "EC": _ec_key,
    "OKP": _okp_key,
}
"""What reads the members of a key, by `kty`."""


def _number(jwk: Mapping[str, Any], name: str) -> int:
    return int.from_bytes(base64url.decode(_text(jwk, name)))


def _text(jwk: Mapping[str, Any], name: str) -> str:
    value = jwk.get(name)
    if not isinstance(value, str):
        raise InvalidKey("it is malformed")
    if len(value) > _LONGEST_MEMBER:
        raise InvalidKey("it is too large")
    return value


def _encoded(number: int, size: int = 0) -> str:
    return base64url.encode(number.to_bytes(size or (number.bit_length() + 7) // 8))
