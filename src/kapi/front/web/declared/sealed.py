"""The sealed part of a dump: secrets, encrypted with a passphrase.

The key is derived with scrypt (RFC 7914) and the content encrypted with AES-256-GCM, both of the
package cryptography. The parameters belong to the version: a file cannot choose others.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from kapi import error_codes
from kapi.errors import Problem

SHORTEST: Final = 12
"""Characters of a passphrase."""
LONGEST: Final = 1024
_VERSION: Final = 1
_SALT, _NONCE, _KEY = 16, 12, 32
_COST, _BLOCK, _PARALLEL = 2**16, 8, 1
"""64 MiB and about a quarter of a second."""
_ABOUT: Final = b"kapi dump 1"


def seal(
    content: Mapping[str, Any], passphrase: str, random_bytes: Callable[[int], bytes]
) -> str:
    """The content as text that only the passphrase opens."""
    _refuse_weak(passphrase)
    salt, nonce = random_bytes(_SALT), random_bytes(_NONCE)
    plain = json.dumps(content).encode()
    sealed = AESGCM(_key(passphrase, salt)).encrypt(nonce, plain, _ABOUT)
    packed = bytes([_VERSION]) + salt + nonce + sealed
    return base64.b64encode(packed).decode("ascii")


def opened(text: str, passphrase: str) -> dict[str, Any]:
    """The content of sealed text. Raises Problem if the passphrase does not open it."""
    _refuse_weak(passphrase)
    try:
        packed = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise _broken() from None
    if len(packed) < 1 + _SALT + _NONCE or packed[0] != _VERSION:
        raise _broken()
    salt, rest = packed[1 : 1 + _SALT], packed[1 + _SALT :]
    try:
        plain = AESGCM(_key(passphrase, salt)).decrypt(
            rest[:_NONCE], rest[_NONCE:], _ABOUT
        )
    except InvalidTag:
        detail = "The passphrase does not open the sealed part, or it was changed."
        hint = "Use the passphrase that the dump was made with."
        raise Problem.of(
            error_codes.INVALID_REQUEST, detail=detail, hint=hint
        ) from None
    content: dict[str, Any] = json.loads(plain)
    return content


def _key(passphrase: str, salt: bytes) -> bytes:
    return Scrypt(salt=salt, length=_KEY, n=_COST, r=_BLOCK, p=_PARALLEL).derive(
        passphrase.encode("utf-8", "surrogatepass")
    )


def _refuse_weak(passphrase: str) -> None:
    if not SHORTEST <= len(passphrase) <= LONGEST:
        detail = f"A passphrase has {SHORTEST} to {LONGEST} characters."
        hint = "Choose a longer one, such as several random words."
        raise Problem.of(error_codes.INVALID_REQUEST, detail=detail, hint=hint)


def _broken() -> Problem:
    detail = "The sealed part is not one of this version."
    hint = "Take the document Sealed of a dump as it is."
    return Problem.of(error_codes.INVALID_REQUEST, detail=detail, hint=hint)
