"""What is left of an authorization when the client may do less than when it was given. Called by every grant that acts for a person.

A scope, a grant, a redirect URI, a resource or a type of details that is taken from a client is taken from its codes and refresh
tokens too. Pushed requests are checked again when the browser brings them (`authorization/checks.py`).
"""

from __future__ import annotations

import dataclasses

from kapi.errors import OAuthError
from kapi.identity.clients.clients import Client
from kapi.identity.clients.redirect_uris import allowed
from kapi.identity.protocol.scopes import DEFAULT_SCOPE
from kapi.identity.tokens.authorized import Authorization


def still_allowed(client: Client, authorization: Authorization) -> Authorization:
    """The authorization with what the client may still have. Raises OAuthError invalid_grant when that is nothing."""
    settings = client.settings
    if authorization.grant and authorization.grant not in client.grants:
        raise OAuthError(
            "invalid_grant",
            "The client may not use the grant any more that this was authorized with",
        )
    if authorization.redirect_uri and not allowed(
        authorization.redirect_uri, settings.redirect_uris
    ):
        raise OAuthError(
            "invalid_grant",
            "The redirect URI that this was authorized for is not registered any more",
        )
    # Every client has the default scope, whatever its list says.
    scopes = [
        name
        for name in authorization.scope.split(" ")
        if name == DEFAULT_SCOPE or client.allows(name)
    ]
    resources = tuple(
        name for name in authorization.resources if {"*", name} & set(settings.resources)
    )
    types = set(settings.authorization_details_types)
    details = tuple(item for item in authorization.details if {"*", item["type"]} & types)
    if (
        not scopes
        or (authorization.resources and not resources)
        or (authorization.details and not details)
    ):
        raise OAuthError("invalid_grant", "The client may not have any more what was authorized")
    return dataclasses.replace(
        authorization, scope=" ".join(scopes), resources=resources, details=details
    )


def may_refresh(client: Client, authorization: Authorization) -> bool:
    """Whether the client gets refresh tokens for this, and may use those that it has."""
    if "refresh_token" not in client.grants:
        return False
    return (
        not client.settings.refresh_requires_offline_access
        or "offline_access" in authorization.scope.split(" ")
    )
