"""Access tokens: a JWS in compact form (RFC 7515 §3.1) with the claims of the guide, put together by hand.

The header never changes and the claims are one JSON dump, so that the RSA signature is nearly all of the cost.
"""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from kapi.identity.keys import SigningKey

_TO_URL = bytes.maketrans(b"+/", b"-_")


@dataclass(frozen=True, slots=True)
class AccessToken:
    """What a grant decided: whose token it is and what it may do."""

    subject: str
    client_id: str
    scope: str


class Minter:
    """Makes signed access tokens with the active key."""

    def __init__(self, key: SigningKey, issuer: str, lifetime: int, audience: str, new_id: Callable[[], str]) -> None:
        """`lifetime` in seconds; `audience` empty for none; `new_id` gives a fresh UUID."""
        self.lifetime = lifetime
        self._key = key
        self._issuer = issuer
        self._audience = audience
        self._new_id = new_id
        self._header = _base64url(orjson.dumps({"alg": key.algorithm, "typ": "JWT", "kid": key.kid})) + b"."

    def mint(self, token: AccessToken, now: int) -> str:
        """The signed token; `now` in seconds since the epoch."""
        claims: dict[str, Any] = {"iss": self._issuer, "sub": token.subject}
        if self._audience:
            claims["aud"] = self._audience
        claims |= {"exp": now + self.lifetime, "nbf": now, "iat": now, "jti": self._new_id()}
        claims |= {"clientId": token.client_id, "scope": token.scope}
        signed = self._header + _base64url(orjson.dumps(claims))
        return (signed + b"." + _base64url(self._key.sign(signed))).decode("ascii")


def _base64url(content: bytes) -> bytes:
    return b2a_base64(content, newline=False).rstrip(b"=").translate(_TO_URL)
