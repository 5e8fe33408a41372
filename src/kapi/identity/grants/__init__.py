"""The grants. One grant = one file that holds only what is its own, and one name in GRANTS.

The token endpoint does what all grants share (client, permission, scopes, minting), so that no grant can forget it.
"""

from __future__ import annotations

from typing import Protocol

from kapi.identity.grants import (
    authorization_code,
    ciba,
    client_credentials,
    device_code,
    jwt_bearer,
    password,
    refresh_token,
    token_exchange,
)
from kapi.identity.provider import Provider
from kapi.identity.tokens.issuance import Issuance, TokenRequest
from kapi.settings import IdentitySettings


class Grant(Protocol):
    """The shape of a grant module."""

    @property
    def grant_type(self) -> str:
        """Its value of `grant_type`."""

    @property
    def quick(self) -> bool:
        """Whether it only computes: the store is neither read nor written, so it may run in the event loop."""

    def authorize(self, provider: Provider, request: TokenRequest) -> Issuance:
        """Decide what to issue. Raises OAuthError."""


GRANTS: tuple[Grant, ...] = (
    client_credentials,
    authorization_code,
    refresh_token,
    device_code,
    token_exchange,
    jwt_bearer,
    ciba,
    password,
)


def offered(identity: IdentitySettings) -> tuple[Grant, ...]:
    """The grants that the settings offer: all but those that only old test suites need."""
    return tuple(grant for grant in GRANTS if grant is not password or identity.password_grant)
