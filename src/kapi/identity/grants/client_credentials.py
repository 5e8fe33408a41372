"""The client credentials grant (RFC 6749 §4.4): the client acts for itself. No refresh token (§4.4.3)."""

from __future__ import annotations

from collections.abc import Mapping

from kapi.identity.clients import Client
from kapi.identity.tokens import AccessToken

grant_type = "client_credentials"


def authorize(client: Client, form: Mapping[str, str], scope: str) -> AccessToken:  # noqa: ARG001 - the grant contract
    """The subject is the client itself (RFC 9068 §2.2)."""
    return AccessToken(subject=client.id, client_id=client.id, scope=scope)
