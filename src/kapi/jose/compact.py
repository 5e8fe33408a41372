"""The parts of a compact JWS (RFC 7515 §7.1): base64url of JSON objects, with header parameters of the right types. Pure.

Called by everything that takes a JWT apart. A ValueError says why a part cannot be used; its text contains nothing of the token.
"""

from __future__ import annotations

import binascii
from typing import Any

from kapi.json_reading import NotJson, read_object

_TEXTS = ("alg", "typ", "cty", "kid", "jku", "x5u", "x5t", "x5t#S256")
"""Header parameters that are texts (RFC 7515 §4.1)."""


def json_part(encoded: str) -> dict[str, Any]:
    """The JSON object in a part. Raises ValueError."""
    try:
        return read_object(decoded(encoded))
    except NotJson as error:
        raise ValueError(f"its parts are not base64url of JSON objects: {error}") from error


def jose_header(encoded: str) -> dict[str, Any]:
    """The header; each parameter that RFC 7515 §4.1 says is a text is one. Raises ValueError."""
    header = json_part(encoded)
    if any(name in header and not isinstance(header[name], str) for name in _TEXTS):
        raise ValueError("its header parameters are not of the types of RFC 7515 4.1")
    return header


def decoded(encoded: str) -> bytes:
    """Strict base64url without padding (RFC 7515 §2). Raises ValueError."""
    if (
        "+" in encoded
        or "/" in encoded
        or "=" in encoded
        or len(encoded) % 4 == 1
        or not encoded.isascii()
    ):
        raise ValueError("its parts are not base64url without padding")
    standard = encoded.replace("-", "+").replace("_", "/") + "=" * (-len(encoded) % 4)
    try:
        return binascii.a2b_base64(standard.encode("ascii"), strict_mode=True)
    except binascii.Error as error:
        raise ValueError("its parts are not base64url without padding") from error


def bare_type(media_type: str) -> str:
    """A `typ` as types are compared: without `application/` and in lower case (RFC 7515 §4.1.9, RFC 2045 §5.1)."""
    return media_type.lower().removeprefix("application/")
