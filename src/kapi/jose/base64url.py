"""Base64url without padding (RFC 7515 §2, RFC 4648 §5)."""

from __future__ import annotations

import hashlib
from binascii import a2b_base64, b2a_base64

_TO_URL = bytes.maketrans(b"+/", b"-_")
_FROM_URL = bytes.maketrans(b"-_", b"+/")
_MOST_PADDING = b"=="


def encode(content: bytes) -> str:
    """The base64url text of bytes."""
    return encoded(content).decode("ascii")


def encoded(content: bytes) -> bytes:
    """The same as bytes."""
    return b2a_base64(content, newline=False).rstrip(b"=").translate(_TO_URL)


def sha256(content: bytes) -> str:
    """The SHA-256 digest as text: `x5t#S256`, `ath`, S256 code challenges, JWK thumbprints."""
    return encode(hashlib.sha256(content).digest())


def decode(text: str) -> bytes:
    """The bytes of a base64url text. Raises ValueError unless it is their one encoding.

    Refused are padding, other alphabets, and unused bits that are not zero (RFC 4648 §3.5).
    """
    try:
        content = a2b_base64(text.encode("ascii").translate(_FROM_URL) + _MOST_PADDING)
    except ValueError as error:
        raise ValueError("it is not base64url without padding") from error
    if encode(content) != text:
        raise ValueError("it is not base64url without padding")
    return content
