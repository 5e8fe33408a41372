"""Tokens that a client presents for token exchange (RFC 8693 §2.1): still good, and of the kind it says.

Ours here; those of other issuers in `third_party_tokens.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kapi.errors import OAuthError
from kapi.identity.people.ended import is_of_ended_account
from kapi.identity.possession.confirmation import confirmation_of
from kapi.identity.provider import Provider
from kapi.identity.tokens.access_tokens import live_own
from kapi.identity.tokens.issuance import TokenRequest
from kapi.identity.tokens.own_tokens import own_claims
from kapi.identity.tokens.presented import Presented
from kapi.jose.claim_names import client_of
from kapi.jose.token_kinds import EVENT_CLAIM, OWN_MARK

_PREFIX = "urn:ietf:params:oauth:token-type:"
ACCESS_TOKEN, ID_TOKEN, JWT = f"{_PREFIX}access_token", f"{_PREFIX}id_token", f"{_PREFIX}jwt"


def present(provider: Provider, request: TokenRequest, name: str) -> Presented:
    """The token in the parameter `name`; its type is in `name` + `_type`. Raises OAuthError invalid_request."""
    token, kind = request.form.need(name), request.form.need(f"{name}_type")
    if kind not in {ACCESS_TOKEN, JWT, ID_TOKEN}:
        raise OAuthError(
            "invalid_request",
            f"{name}_type must be an access token, an ID token or a JWT (RFC 8693 3)",
        )
    found = _ours(provider, token, kind, request.now)
    if found is None and kind != ID_TOKEN:
        found = _theirs(provider, request, token, name)
    if found is None:
        who = (
            "this provider, nor of an issuer that the client may exchange tokens of,"
            if request.client.settings.exchange_issuers
            else "this provider"
        )
        raise OAuthError(
            "invalid_request",
            f"The {name} is not a live token of {who} of the kind that {name}_type says",
        )
    required = confirmation_of(found.claims)
    if required is None or not required.members.items() <= request.confirmation.members.items():
        raise OAuthError(
            "invalid_request",
            f"The {name} is bound to a key that this request does not prove to hold",
        )
    return found


def _ours(provider: Provider, token: str, kind: str, now: int) -> Presented | None:
    if kind == ID_TOKEN:
        claims = _id_token(provider, token, now)
    else:
        own = live_own(provider, token, now)
        claims = None if own is None or (kind == JWT and "." not in token) else own.claims
    return None if claims is None else _presented(provider, claims, now)


def _theirs(provider: Provider, request: TokenRequest, token: str, name: str) -> Presented | None:
    if not request.client.settings.exchange_issuers:
        return None
    # Reading other issuers' keys is for those only who have such clients.
    from kapi.identity.tokens.third_party_tokens import third_party

    return third_party(provider, request.client, token, name, request.now)


def _id_token(provider: Provider, token: str, now: int) -> Mapping[str, Any] | None:
    claims = own_claims(provider, token)
    if claims is None or "auth_time" not in claims or OWN_MARK in claims or EVENT_CLAIM in claims:
        return None
    expires = claims.get("exp")
    if (
        not isinstance(expires, int)
        or expires <= now
        or is_of_ended_account(provider, claims, str(claims.get("azp", "")), now)
    ):
        return None
    return claims


def _presented(provider: Provider, claims: Mapping[str, Any], now: int) -> Presented:
    audience = claims.get("aud", ())
    listed = (audience,) if isinstance(audience, str) else tuple(audience)
    client_id = client_of(claims)
    subject, scope = str(claims["sub"]), claims.get("scope") or ""
    about_client = subject == client_id
    user = None if about_client else provider.users.get(subject)
    return Presented(
        subject=subject,
        client_id=client_id,
        audience=tuple(str(item) for item in listed),
        scopes=tuple(str(scope).split(" ")) if scope else (),
        expires_at=int(claims["exp"]),
        claims=claims,
        user=user.subject if user else provider.families.person_of(str(claims.get("jti", "")), now),
        named={"sub": subject, **({"client_id": client_id} if client_id != subject else {})},
    )
