"""The client credentials grant (RFC 6749 §4.4), without a refresh token (§4.4.3)."""

from __future__ import annotations

from typing import Any

from kapi.identity.grants.facts import GrantFacts
from kapi.identity.minting.minter import AccessToken
from kapi.identity.minting.minting import Minting
from kapi.identity.provider import Provider
from kapi.identity.tokens.issuance import Issuance, TokenRequest

facts = GrantFacts(
    grant_type="client_credentials",
    public_clients=False,
    registrable=True,
    document_clients=False,
    fapi=True,
    quick=True,
)


def needs(provider: Provider) -> Minting:
    """The values for access tokens."""
    return provider.minting


def authorize(minting: Minting, request: TokenRequest) -> Issuance:
    """The subject is the client itself (RFC 9068 §2.2)."""
    client = request.client
    audience = request.resources or minting.audience(client)
    claims: dict[str, Any] = {}
    if request.details:
        claims["authorization_details"] = list(request.details)
    return Issuance(
        AccessToken(
            client.id,
            client.id,
            request.scope,
            minting.lifetime(client, audience),
            audience,
            claims,
        ),
        claims,
    )
