"""The grants. A grant is one file, with its facts, and one name in GRANTS.

The token endpoint does the steps that all grants share (client, permission, scopes, minting), so
that no grant can omit them.
"""

from __future__ import annotations

from typing import Any, Protocol

from kapi.identity.grants import (
    authorization_code,
    ciba,
    client_credentials,
    device_code,
    implicit,
    jwt_bearer,
    password,
    refresh_token,
    token_exchange,
)
from kapi.identity.grants.facts import GrantFacts
from kapi.identity.provider import Provider
from kapi.identity.tokens.issuance import Issuance, TokenRequest
from kapi.settings import IdentitySettings


class Grant(Protocol):
    """The shape of a grant module."""

    @property
    def facts(self) -> GrantFacts:
        """Who may register and use the grant."""

    def needs(self, provider: Provider) -> Any:
        """What `authorize` is given of the provider."""

    def authorize(self, given: Any, request: TokenRequest, /) -> Issuance:
        """The tokens to issue. Raises OAuthError."""


GRANTS: tuple[Grant, ...] = (
    client_credentials,
    authorization_code,
    refresh_token,
    device_code,
    token_exchange,
    jwt_bearer,
    ciba,
    password,
    implicit,
)


def offered(identity: IdentitySettings) -> tuple[Grant, ...]:
    """The grants that the settings offer."""
    found = []
    for grant in GRANTS:
        if grant.facts.offered(identity):
            found.append(grant)
    return tuple(found)


def token_grants(identity: IdentitySettings) -> tuple[Grant, ...]:
    """The grants of the token endpoint."""
    found = []
    for grant in offered(identity):
        if grant.facts.token_request:
            found.append(grant)
    return tuple(found)


def grant_types(identity: IdentitySettings) -> list[str]:
    """`grant_types_supported` of discovery (RFC 8414 §2)."""
    return [grant.facts.grant_type for grant in offered(identity)]
