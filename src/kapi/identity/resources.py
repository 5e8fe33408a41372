"""Resource indicators (RFC 8707): which services a token is for. They become its `aud`. Called by the authorize and token pipelines."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from kapi.errors import OAuthError
from kapi.identity.clients import Client
from kapi.identity.forms import Form

_MOST, _LONGEST = 10, 2048


def requested_resources(client: Client, form: Form) -> tuple[str, ...]:
    """The resources that a request names, each once. Raises OAuthError invalid_target for one that is malformed or not allowed."""
    asked = tuple(dict.fromkeys(form.repeated.get("resource", ())))
    if len(asked) > _MOST:
        raise OAuthError("invalid_target", f"A request names at most {_MOST} resources")
    allowed = client.settings.resources
    for resource in asked:
        if not _is_absolute(resource):
            raise OAuthError("invalid_target", "resource must be an absolute URI without a fragment (RFC 8707 2)")
        if "*" not in allowed and resource not in allowed:
            raise OAuthError("invalid_target", "The client may not ask for tokens for this resource")
    return asked


def chosen_resources(asked: Sequence[str], authorized: Sequence[str]) -> tuple[str, ...]:
    """Those that a token of an authorization is for: what was asked for now, else all. Raises OAuthError invalid_target."""
    if authorized and not set(asked) <= set(authorized):
        raise OAuthError("invalid_target", "resource must be among those that were authorized (RFC 8707 2.2)")
    return tuple(asked or authorized)


def _is_absolute(resource: str) -> bool:
    try:
        parts = urlsplit(resource)
        _ = parts.port
    except ValueError:
        return False
    return (
        bool(parts.scheme and (parts.netloc or parts.path))
        and "#" not in resource
        and len(resource) <= _LONGEST
        and resource.isascii()
        and resource.isprintable()
        and not {" ", '"', "\\"} & set(resource)
    )
