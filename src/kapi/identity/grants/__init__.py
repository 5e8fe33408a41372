"""The grants. One grant = one file that holds only what is its own, and one name in GRANTS.

The token endpoint does what all grants share (client, permission, scopes, minting), so that no grant can forget it.
"""

from __future__ import annotations

from typing import Protocol

from kapi.identity.grants import authorization_code, client_credentials, refresh_token
from kapi.identity.issuance import Issuance, TokenRequest
from kapi.identity.provider import Provider


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


GRANTS: tuple[Grant, ...] = (client_credentials, authorization_code, refresh_token)
