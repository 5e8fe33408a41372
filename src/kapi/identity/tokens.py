"""Access tokens: a JWS in compact form (RFC 7515 §3.1) with the claims of the guide, put together by hand.

The header never changes and the claims are one JSON dump, so that the RSA signature is nearly all of the cost.
"""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from kapi.identity.keys import SigningKey

_TO_URL = bytes.maketrans(b"+/", b"-_")


@dataclass(frozen=True, slots=True)
class AccessToken:
    """What a grant decided: whose token it is, for what and for whom."""

    subject: str
    client_id: str
    scope: str
    lifetime: int
    """Seconds it is valid."""
    audience: tuple[str, ...] = ()
    claims: Mapping[str, Any] = field(default_factory=dict)
    """Claims after those that every token has."""


class Minter:
    """Makes signed access tokens with one key."""

    def __init__(self, key: SigningKey, issuer: str, new_id: Callable[[], str], media_type: str = "JWT") -> None:
        """`new_id` gives a fresh UUID; `media_type` is the `typ` of the header."""
        self._key = key
        self._issuer = issuer
        self._new_id = new_id
        self._header = base64url(orjson.dumps({"alg": key.algorithm, "typ": media_type, "kid": key.kid})) + b"."

    def mint(self, token: AccessToken, now: int) -> tuple[str, str]:
        """The signed token and its `jti`; `now` in seconds since the epoch."""
        jti = self._new_id()
        claims: dict[str, Any] = {"iss": self._issuer, "sub": token.subject}
        if token.audience:
            claims["aud"] = token.audience[0] if len(token.audience) == 1 else list(token.audience)
        claims |= {"exp": now + token.lifetime, "nbf": now, "iat": now, "jti": jti}
        claims |= {"clientId": token.client_id, "scope": token.scope, **token.claims}
        signed = self._header + base64url(orjson.dumps(claims))
        return (signed + b"." + base64url(self._key.sign(signed))).decode("ascii"), jti


def base64url(content: bytes) -> bytes:
    """Base64url without padding (RFC 7515 §2)."""
    return b2a_base64(content, newline=False).rstrip(b"=").translate(_TO_URL)
