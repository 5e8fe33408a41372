"""The implicit grant (RFC 6749 §4.2, OpenID Connect Core §3.2).

It has no token request; a client needs it for the response types that contain `id_token`.
"""

from __future__ import annotations

from kapi.errors import OAuthError
from kapi.identity.grants.facts import GrantFacts
from kapi.identity.provider import Provider
from kapi.identity.tokens.issuance import Issuance, TokenRequest

facts = GrantFacts(
    grant_type="implicit",
    public_clients=True,
    registrable=True,
    document_clients=False,
    fapi=True,  # the profile refuses its response types
    quick=True,
    offered=lambda identity: identity.front_channel_tokens,
    token_request=False,
)


def needs(provider: Provider) -> None:
    """None: the grant has no token request."""


def authorize(given: None, request: TokenRequest) -> Issuance:  # noqa: ARG001
    """Not at the token endpoint. Raises OAuthError."""
    raise OAuthError(
        "unsupported_grant_type",
        "The implicit grant is used at the authorization endpoint",
    )
