"""Tokens of this provider that a client presents for token exchange (RFC 8693 §2.1).

Those of other issuers are in `third_party_tokens.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from kapi.dataclass import dataclass
from kapi.errors import OAuthError
from kapi.identity.accounts.users import Users
from kapi.identity.people.ended import is_of_ended_account
from kapi.identity.possession.confirmation import confirmation_of
from kapi.identity.tokens.access_tokens import OwnAccessTokens, live_own
from kapi.identity.tokens.issuance import TokenRequest
from kapi.identity.tokens.presented import Presented, listed
from kapi.jose.claim_names import client_of
from kapi.jose.token_kinds import EVENT_CLAIM, OWN_MARK
from kapi.store.families import Families

if TYPE_CHECKING:
    from kapi.identity.tokens.third_party_tokens import ThirdPartyTokens

_PREFIX = "urn:ietf:params:oauth:token-type:"
ACCESS_TOKEN, ID_TOKEN, JWT = (
    f"{_PREFIX}access_token",
    f"{_PREFIX}id_token",
    f"{_PREFIX}jwt",
)


@dataclass(frozen=True, slots=True)
class ExchangedTokens:
    """The values that reading and checking presented tokens needs."""

    own: OwnAccessTokens
    users: Users
    families: Families
    third_party: Callable[[], ThirdPartyTokens]
    """Called for clients that may exchange tokens of other issuers only."""


def present(tokens: ExchangedTokens, request: TokenRequest, name: str) -> Presented:
    """The token in the parameter `name`, of the type in `name` + `_type`.

    Raises OAuthError invalid_request.
    """
    token, kind = request.form.need(name), request.form.need(f"{name}_type")
    if kind not in {ACCESS_TOKEN, JWT, ID_TOKEN}:
        raise OAuthError(
            "invalid_request",
            f"{name}_type must be an access token, an ID token or a JWT (RFC 8693 3)",
        )
    found = _ours(tokens, token, kind, request.now)
    if found is None and kind != ID_TOKEN:
        found = _theirs(tokens, request, token, name)
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


def _ours(tokens: ExchangedTokens, token: str, kind: str, now: int) -> Presented | None:
    if kind == ID_TOKEN:
        claims = _id_token(tokens, token, now)
        if claims is None:
            return None
        return _presented(tokens, claims, now)
    own = live_own(tokens.own, token, now)
    if own is None or (kind == JWT and "." not in token):
        return None
    return _presented(tokens, own.claims, now)


def _theirs(
    tokens: ExchangedTokens, request: TokenRequest, token: str, name: str
) -> Presented | None:
    if not request.client.settings.exchange_issuers:
        return None
    # Imported on use: only such clients need the keys of other issuers.
    from kapi.identity.tokens.third_party_tokens import third_party

    return third_party(tokens.third_party(), request.client, token, name, request.now)


def _id_token(
    tokens: ExchangedTokens, token: str, now: int
) -> Mapping[str, Any] | None:
    claims = tokens.own.jwts.claims(token)
    if claims is None or "auth_time" not in claims:
        return None
    if OWN_MARK in claims or EVENT_CLAIM in claims:
        return None
    expires = claims.get("exp")
    if not isinstance(expires, int) or expires <= now:
        return None
    if is_of_ended_account(tokens.own.ended, claims, str(claims.get("azp", "")), now):
        return None
    return claims


def _presented(
    tokens: ExchangedTokens, claims: Mapping[str, Any], now: int
) -> Presented:
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
        user=_person(tokens, claims, subject, client_id, now),
        named=named,
    )


def _person(
    tokens: ExchangedTokens,
    claims: Mapping[str, Any],
    subject: str,
    client_id: str,
    now: int,
) -> str:
    """The subject of the account that a token is about; empty for a client."""
    if subject != client_id:
        user = tokens.users.get(subject)
        if user is not None:
            return user.subject
    return tokens.families.person_of(str(claims.get("jti", "")), now)
