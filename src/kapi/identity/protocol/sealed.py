"""Values that somebody else keeps for us: sealed with a key of the platform, so that nobody can read, make or change one (AES-256-GCM).

Every process of the platform opens what another sealed, also after a restart. Called by `interactions.py`.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Mapping
from typing import Any

from kapi.jose import base64url

_NONCE = 12


class Seal:
    """Seals JSON objects into base64url text. `purpose` keeps what is sealed for one use from passing in another."""

    def __init__(self, key: bytes, purpose: str, random_bytes: Callable[[int], bytes]) -> None:
        """`key` has 32 bytes."""
        # Imported late: a worker that only signs tokens never needs it.
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self._cipher = AESGCM(key)
        self._purpose = purpose.encode()
        self._random_bytes = random_bytes

    def close(self, value: Mapping[str, Any]) -> str:
        """The sealed text, another one each time."""
        nonce = self._random_bytes(_NONCE)
        plain = zlib.compress(json.dumps(value, separators=(",", ":")).encode("ascii"))
        return base64url.encode(nonce + self._cipher.encrypt(nonce, plain, self._purpose))

    def open(self, text: str) -> Mapping[str, Any] | None:
        """What was sealed, or None when it was not sealed here for this purpose. Only one text opens to one sealed value."""
        from cryptography.exceptions import InvalidTag

        try:
            sealed = base64url.decode(text)
            plain = self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], self._purpose)
        except (ValueError, InvalidTag):
            return None
        found: Mapping[str, Any] = json.loads(zlib.decompress(plain))
        return found
