"""Tokens of this provider that a client presents for token exchange (RFC 8693 §2.1).

Those of other issuers are in `third_party_tokens.py`.
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
from kapi.identity.tokens.presented import Presented, listed
from kapi.jose.claim_names import client_of
from kapi.jose.token_kinds import EVENT_CLAIM, OWN_MARK

_PREFIX = "urn:ietf:params:oauth:token-type:"
ACCESS_TOKEN, ID_TOKEN, JWT = (
    f"{_PREFIX}access_token",
    f"{_PREFIX}id_token",
    f"{_PREFIX}jwt",
)


def present(provider: Provider, request: TokenRequest, name: str) -> Presented:
    """The token in the parameter `name`, of the type in `name` + `_type`.

    Raises OAuthError invalid_request.
    """
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
        who = "this provider"
        if request.client.settings.exchange_issuers:
            who += ", nor of an issuer that the client may exchange tokens of,"
        raise OAuthError(
            "invalid_request",
            f"The {name} is not a live token of {who} of the kind in {name}_type",
        )
    required = confirmation_of(found.claims)
    if (
        required is None
        or not required.members.items() <= request.confirmation.members.items()
    ):
        raise OAuthError(
            "invalid_request",
            f"The {name} is bound to a key that this request does not prove to hold",
        )
    return found


def _ours(provider: Provider, token: str, kind: str, now: int) -> Presented | None:
    if kind == ID_TOKEN:
        claims = _id_token(provider, token, now)
        if claims is None:
            return None
        return _presented(provider, claims, now)
    own = live_own(provider, token, now)
    if own is None or (kind == JWT and "." not in token):
        return None
    return _presented(provider, own.claims, now)


def _theirs(
    provider: Provider, request: TokenRequest, token: str, name: str
) -> Presented | None:
    if not request.client.settings.exchange_issuers:
        return None
    # Imported on use: only such clients need the keys of other issuers.
    from kapi.identity.tokens.third_party_tokens import third_party

    return third_party(provider, request.client, token, name, request.now)


def _id_token(provider: Provider, token: str, now: int) -> Mapping[str, Any] | None:
    claims = own_claims(provider, token)
    if claims is None or "auth_time" not in claims:
        return None
    if OWN_MARK in claims or EVENT_CLAIM in claims:
        return None
    expires = claims.get("exp")
    if not isinstance(expires, int) or expires <= now:
        return None
    if is_of_ended_account(
        provider.ended_accounts, claims, str(claims.get("azp", "")), now
    ):
        return None
    return claims


def _presented(provider: Provider, claims: Mapping[str, Any], now: int) -> Presented:
    client_id = client_of(claims)
    subject = str(claims["sub"])
    named = {"sub": subject}
    if client_id != subject:
        named["client_id"] = client_id
    return Presented(
        subject=subject,
        client_id=client_id,
        audience=tuple(map(str, listed(claims.get("aud", ())))),
        scopes=tuple(str(claims.get("scope") or "").split()),
        expires_at=int(claims["exp"]),
        claims=claims,
        user=_person(provider, claims, subject, client_id, now),
        named=named,
    )


def _person(
    provider: Provider,
    claims: Mapping[str, Any],
    subject: str,
    client_id: str,
    now: int,
) -> str:
    """The subject of the account that a token is about; empty for a client."""
    if subject != client_id:
        user = provider.users.get(subject)
        if user is not None:
            return user.subject
    return provider.families.person_of(str(claims.get("jti", "")), now)
