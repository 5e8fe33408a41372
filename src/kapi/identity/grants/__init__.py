"""The grants. One grant = one file that holds only what is its own, and one name in GRANTS.

The token endpoint does what all grants share (client, permission, scopes, minting), so that no grant can forget it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from kapi.identity.clients import Client
from kapi.identity.grants import client_credentials
from kapi.identity.tokens import AccessToken


class Grant(Protocol):
    """The shape of a grant module."""

    @property
    def grant_type(self) -> str:
        """Its value of `grant_type`."""

    def authorize(self, client: Client, form: Mapping[str, str], scope: str) -> AccessToken:
        """Decide whose token it is. Raises OAuthError."""


GRANTS: tuple[Grant, ...] = (client_credentials,)
