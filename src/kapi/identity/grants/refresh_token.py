"""The refresh token grant (RFC 6749 §6) with rotation: a second use revokes the authorization.

The refresh tokens of a client with `refresh_token_rotation = false` stay valid (FAPI 2.0 §5.3.2.1).
"""

from __future__ import annotations

import dataclasses

from kapi.errors import OAuthError
from kapi.identity.grants.facts import GrantFacts
from kapi.identity.people.authorized import authorization_of
from kapi.identity.provider import Provider
from kapi.identity.tokens.issuance import Issuance, TokenRequest
from kapi.identity.tokens.person_tokens import PersonTokens, narrowed, next_tokens
from kapi.identity.tokens.still_allowed import may_refresh, still_allowed
from kapi.store.records import key_of

facts = GrantFacts(
    grant_type="refresh_token",
    public_clients=True,
    registrable=True,
    document_clients=True,
    fapi=True,
    quick=False,
    parameters={
        "refresh_token": "to use",
    },
)


def needs(provider: Provider) -> PersonTokens:
    """The values for tokens of people."""
    return provider.person_tokens


def authorize(tokens: PersonTokens, request: TokenRequest) -> Issuance:
    """The next tokens, with all authorized scopes or those of the `scope` parameter among them."""
    token = request.form.need("refresh_token")
    family = tokens.families.alive_by_refresh(key_of(token), request.now)
    if family is None or family.payload["client_id"] != request.client.id:
        raise OAuthError(
            "invalid_grant",
            "The refresh token is unknown, expired or revoked, or was issued to another client",
        )
    authorization = still_allowed(request.client, authorization_of(family.payload))
    if not may_refresh(request.client, authorization):
        raise OAuthError(
            "invalid_grant",
            "The client may not have refresh tokens any more for what was authorized",
        )
    if (
        request.client.is_public
        and authorization.confirmation != request.confirmation.members
    ):
        raise OAuthError(
            "invalid_grant",
            "The refresh token is bound to a key that the client did not prove (RFC 9449 5)",
        )
    scope = _narrowed(request.form.get("scope"), authorization.scope)
    # The nonce belongs to the first ID token (OpenID Connect Core §12.2).
    authorization = narrowed(
        dataclasses.replace(authorization, scope=scope, nonce=""), request
    )
    return next_tokens(
        tokens,
        request.client,
        authorization,
        request.now,
        refresh_token=token,
        family=family,
    )


def _narrowed(wanted: str | None, authorized: str) -> str:
    if wanted is None:
        return authorized
    names = dict.fromkeys(wanted.split(" "))
    if not set(names) <= set(authorized.split(" ")):
        raise OAuthError(
            "invalid_scope",
            "A refresh cannot ask for more than was authorized (RFC 6749 6)",
        )
    return " ".join(names)
