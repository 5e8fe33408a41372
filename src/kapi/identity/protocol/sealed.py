"""Values that a browser keeps, encrypted and authenticated with a platform key (AES-256-GCM).

All processes of the platform share the key, also after a restart. Called by `interactions.py`.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Mapping
from typing import Any

from kapi.jose import base64url

_NONCE = 12


class Seal:
    """Encrypts JSON objects as base64url text. A text is valid for one `purpose` only."""

    def __init__(
        self, key: bytes, purpose: str, random_bytes: Callable[[int], bytes]
    ) -> None:
        """`key` has 32 bytes."""
        # Imported on use: a worker that only signs tokens does not need it.
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self._cipher = AESGCM(key)
        self._purpose = purpose.encode()
        self._random_bytes = random_bytes

    def close(self, value: Mapping[str, Any]) -> str:
        """The encrypted text, with a new nonce each time."""
        nonce = self._random_bytes(_NONCE)
        plain = zlib.compress(json.dumps(value, separators=(",", ":")).encode("ascii"))
        return base64url.encode(
            nonce + self._cipher.encrypt(nonce, plain, self._purpose)
        )

    def open(self, text: str) -> Mapping[str, Any] | None:
        """The value, or None for a text that was not made here for this purpose."""
        from cryptography.exceptions import InvalidTag

        try:
            sealed = base64url.decode(text)
            plain = self._cipher.decrypt(
                sealed[:_NONCE], sealed[_NONCE:], self._purpose
            )
        except (ValueError, InvalidTag):
            return None
        found: Mapping[str, Any] = json.loads(zlib.decompress(plain))
        return found
