"""Tokens that a client presents for token exchange (RFC 8693 §2.1): ours, still good, and of the kind it says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kapi.errors import OAuthError
from kapi.identity.access_tokens import live_own
from kapi.identity.issuance import TokenRequest
from kapi.identity.own_tokens import own_claims
from kapi.identity.provider import Provider

_PREFIX = "urn:ietf:params:oauth:token-type:"
ACCESS_TOKEN, ID_TOKEN, JWT = f"{_PREFIX}access_token", f"{_PREFIX}id_token", f"{_PREFIX}jwt"


@dataclass(frozen=True, slots=True)
class Presented:
    """One token that was presented and is good. `expires_at` in seconds since the epoch."""

    subject: str
    client_id: str
    audience: tuple[str, ...]
    scopes: tuple[str, ...]
    expires_at: int
    claims: Mapping[str, Any]
    user: str
    """The person it is about, by the key in Users; empty for a client."""


def present(provider: Provider, request: TokenRequest, name: str) -> Presented:
    """The token in the parameter `name`; its type is in `name` + `_type`. Raises OAuthError invalid_request."""
    token, kind = request.form.need(name), request.form.need(f"{name}_type")
    if kind == ID_TOKEN:
        claims = _id_token(provider, token, request.now)
    elif kind in {ACCESS_TOKEN, JWT}:
        own = live_own(provider, token, request.now)
        claims = None if own is None or (kind == JWT and "." not in token) else own.claims
    else:
        raise OAuthError("invalid_request", f"{name}_type must be an access token, an ID token or a JWT (RFC 8693 3)")
    if claims is None:
        raise OAuthError("invalid_request", f"The {name} is not a live token of this provider of the kind that {name}_type says")
    if claims.get("cnf") is not None and claims["cnf"] != dict(request.confirmation.members):
        raise OAuthError("invalid_request", f"The {name} is bound to a key that this request does not prove to hold")
    return _presented(provider, claims)


def _id_token(provider: Provider, token: str, now: int) -> Mapping[str, Any] | None:
    claims = own_claims(provider, token)
    if claims is None or "auth_time" not in claims or "clientId" in claims or "events" in claims:
        return None
    expires = claims.get("exp")
    return claims if isinstance(expires, int) and expires > now else None


def _presented(provider: Provider, claims: Mapping[str, Any]) -> Presented:
    audience = claims.get("aud", ())
    listed = (audience,) if isinstance(audience, str) else tuple(audience)
    client_id = claims.get("clientId") or claims.get("azp") or ""
    subject, scope = str(claims["sub"]), claims.get("scope") or ""
    about_client = subject == client_id
    user = None if about_client else provider.users.get(subject)
    return Presented(
        subject=subject,
        client_id=str(client_id),
        audience=tuple(str(item) for item in listed),
        scopes=tuple(str(scope).split(" ")) if scope else (),
        expires_at=int(claims["exp"]),
        claims=claims,
        user=user.username if user else "",
    )
