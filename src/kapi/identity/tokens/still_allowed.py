"""Limits an authorization to the client's current registration.

Called by each grant that acts for a person. A scope, grant, redirect URI, resource or type of
details that is not registered any more is removed from codes and refresh tokens too. Pushed
requests are checked again when the browser opens them (`authorization/checks.py`).
"""

from __future__ import annotations

import dataclasses
from typing import Any

from kapi.errors import OAuthError
from kapi.identity.clients.clients import Client
from kapi.identity.clients.redirect_uris import allowed
from kapi.identity.people.authorized import Authorization
from kapi.identity.protocol.scopes import DEFAULT_SCOPE


def still_allowed(client: Client, authorization: Authorization) -> Authorization:
    """The authorization, limited to the registration. Raises OAuthError invalid_grant if empty."""
    _check_registration(client, authorization)
    scopes = _allowed_scopes(client, authorization.scope)
    resources = _allowed_resources(client, authorization.resources)
    details = _allowed_details(client, authorization.details)
    if not scopes:
        raise _nothing_left()
    if authorization.resources and not resources:
        raise _nothing_left()
    if authorization.details and not details:
        raise _nothing_left()
    return dataclasses.replace(
        authorization, scope=" ".join(scopes), resources=resources, details=details
    )


def _check_registration(client: Client, authorization: Authorization) -> None:
    if authorization.grant and authorization.grant not in client.grants:
        raise OAuthError(
            "invalid_grant",
            "The client may not use the grant any more that this was authorized with",
        )
    redirect_uri = authorization.redirect_uri
    if redirect_uri and not allowed(redirect_uri, client.settings.redirect_uris):
        raise OAuthError(
            "invalid_grant",
            "The redirect URI that this was authorized for is not registered any more",
        )


def _allowed_scopes(client: Client, scope: str) -> list[str]:
    found = []
    for name in scope.split(" "):
        if _may_have(client, name):
            found.append(name)
    return found


def _may_have(client: Client, scope: str) -> bool:
    # Each client has the default scope.
    return scope == DEFAULT_SCOPE or client.allows(scope)


def _allowed_resources(client: Client, resources: tuple[str, ...]) -> tuple[str, ...]:
    registered = client.settings.resources
    if "*" in registered:
        return resources
    found = []
    for name in resources:
        if name in registered:
            found.append(name)
    return tuple(found)


def _allowed_details(client: Client, details: tuple[Any, ...]) -> tuple[Any, ...]:
    registered = client.settings.authorization_details_types
    if "*" in registered:
        return details
    found = []
    for item in details:
        if item["type"] in registered:
            found.append(item)
    return tuple(found)


def _nothing_left() -> OAuthError:
    return OAuthError(
        "invalid_grant", "The client may not have any more what was authorized"
    )


def may_refresh(client: Client, authorization: Authorization) -> bool:
    """Whether the client may have and use refresh tokens for this authorization."""
    if "refresh_token" not in client.grants:
        return False
    if not client.settings.refresh_requires_offline_access:
        return True
    return "offline_access" in authorization.scope.split(" ")
