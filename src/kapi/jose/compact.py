"""The compact serialization of a JWS (RFC 7515 §7.1) whose payload is a JSON object.

A ValueError says why a part cannot be used; its text contains nothing of the token.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from kapi.jose import base64url
from kapi.jose.signing_keys import SigningKey
from kapi.json_reading import NotJson, read_object

_TEXTS = frozenset({"alg", "typ", "cty", "kid", "jku", "x5u", "x5t", "x5t#S256"})
"""Header parameters that are texts (RFC 7515 §4.1)."""


def json_part(encoded: str) -> dict[str, Any]:
    """The JSON object in a part. Raises ValueError."""
    try:
        return read_object(octets(encoded))
    except NotJson as error:
        raise ValueError(
            f"its parts are not base64url of JSON objects: {error}"
        ) from error


def octets(encoded: str) -> bytes:
    """The bytes of a part. Raises ValueError."""
    try:
        return base64url.decode(encoded)
    except ValueError as error:
        raise ValueError("its parts are not base64url without padding") from error


def jose_header(encoded: str) -> dict[str, Any]:
    """The JOSE header. Raises ValueError, also for a value of the wrong type (RFC 7515 §4.1)."""
    header = json_part(encoded)
    if not all(isinstance(header[name], str) for name in _TEXTS & header.keys()):
        raise ValueError("its header parameters are not of the types of RFC 7515 4.1")
    return header


def bare_type(media_type: str) -> str:
    """A `typ` to compare: lower case, without `application/` (RFC 7515 §4.1.9, RFC 2045 §5.1)."""
    return media_type.lower().removeprefix("application/")


def sign_jwt(
    key: SigningKey,
    claims: Mapping[str, Any],
    media_type: str = "JWT",
    encode: Callable[[bytes], str] = base64url.encode,
) -> str:
    """A JWT with these claims (RFC 7519 §7.1); its `typ` is its kind (RFC 8725 §3.11).

    `encode` replaces base64url, for verifiers that do not follow RFC 7515.
    """
    return signed(key, protected_header(key, media_type, encode), claims, encode)


def protected_header(
    key: SigningKey, media_type: str, encode: Callable[[bytes], str] = base64url.encode
) -> str:
    """The encoded header of the JWTs that a key signs. It does not change, so it can be kept."""
    return encode(
        orjson.dumps({"alg": key.algorithm, "typ": media_type, "kid": key.kid})
    )


def signed(
    key: SigningKey,
    header: str,
    claims: Mapping[str, Any],
    encode: Callable[[bytes], str] = base64url.encode,
) -> str:
    """A JWT of an encoded header and claims. Nearly all of its cost is the signature."""
    signing_input = f"{header}.{encode(orjson.dumps(claims))}"
    return f"{signing_input}.{encode(key.sign(signing_input.encode('ascii')))}"


def signed_bytes(key: SigningKey, header: bytes, claims: bytes) -> bytes:
    """The same of claims that are JSON, without turning bytes into text and back."""
    signing_input = b"%b.%b" % (header, base64url.encoded(claims))
    return b"%b.%b" % (signing_input, base64url.encoded(key.sign(signing_input)))
