"""Scopes of a token request (RFC 6749 §3.3): syntax, order, the default."""

from __future__ import annotations

import re

from kapi.errors import OAuthError
from kapi.identity.clients.clients import Client

DEFAULT_SCOPE = "default"
_SYNTAX = re.compile(r"[\x21\x23-\x5B\x5D-\x7E]+(?: [\x21\x23-\x5B\x5D-\x7E]+)*")
_ONE = re.compile(r"[\x21\x23-\x5B\x5D-\x7E]+")
LONGEST = 4096


def is_scope(name: str) -> bool:
    """Whether a text can be the name of one scope (RFC 6749 §3.3)."""
    return len(name) <= LONGEST and _ONE.fullmatch(name) is not None


def granted_scope(client: Client, requested: str | None) -> str:
    """The space-separated scopes to grant, in the order asked for, each once.

    Raises OAuthError invalid_scope for bad syntax or a scope the client may not have.
    """
    if requested is None:
        return DEFAULT_SCOPE
    if len(requested) > LONGEST or not _SYNTAX.fullmatch(requested):
        raise OAuthError(
            "invalid_scope",
            "scope must be scope names with single spaces between them (RFC 6749 3.3)",
        )
    names = dict.fromkeys(requested.split(" "))
    for name in names:
        if not client.allows(name):
            # A scope is printable ASCII without quotes by now, so it may be shown.
            raise OAuthError(
                "invalid_scope", f"The client may not ask for the scope {name}"
            )
    return " ".join(names)
