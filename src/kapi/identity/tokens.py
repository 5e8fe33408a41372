"""Access tokens: a JWS in compact form (RFC 7515 §3.1) with the claims of the guide, put together by hand.

The header never changes and the claims are one JSON dump, so that the RSA signature is nearly all of the cost.
"""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from kapi.identity.keys import Keyring, SigningKey

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
    jti: str = ""
    """Its id when that was written down before; otherwise the token gets a fresh one."""


class Minter:
    """Makes signed access tokens with the active keys of a keyring."""

    def __init__(self, keyring: Keyring, issuer: str, new_id: Callable[[], str], media_type: str = "JWT") -> None:
        """`new_id` gives a fresh UUID; `media_type` is the `typ` of the header."""
        self._key = keyring.active()
        self._issuer = issuer
        self._new_id = new_id
        self._header = _header(self._key, media_type)

    def mint(self, token: AccessToken, now: int) -> tuple[str, str]:
        """The signed token and its `jti`; `now` in seconds since the epoch."""
        jti = token.jti or self._new_id()
        claims: dict[str, Any] = {"iss": self._issuer, "sub": token.subject}
        if token.audience:
            claims["aud"] = token.audience[0] if len(token.audience) == 1 else list(token.audience)
        claims |= {"exp": now + token.lifetime, "nbf": now, "iat": now, "jti": jti}
        claims |= {"clientId": token.client_id, "scope": token.scope, **token.claims}
        return _signed(self._key, self._header, claims), jti


def sign_jwt(key: SigningKey, claims: Mapping[str, Any], media_type: str = "JWT") -> str:
    """A JWT of these claims (RFC 7519 §7.1); `media_type` is its `typ`, which tells one kind of token from another (RFC 8725 §3.11)."""
    return _signed(key, _header(key, media_type), claims)


def _header(key: SigningKey, media_type: str) -> bytes:
    return base64url(orjson.dumps({"alg": key.algorithm, "typ": media_type, "kid": key.kid})) + b"."


def _signed(key: SigningKey, header: bytes, claims: Mapping[str, Any]) -> str:
    signed = header + base64url(orjson.dumps(claims))
    return (signed + b"." + base64url(key.sign(signed))).decode("ascii")


def base64url(content: bytes) -> bytes:
    """Base64url without padding (RFC 7515 §2)."""
    return b2a_base64(content, newline=False).rstrip(b"=").translate(_TO_URL)
