"""Response types (OAuth 2.0 Multiple Response Type Encoding Practices, OpenID Connect Core §3).

`code` always; with `identity.front_channel_tokens` also an ID token, alone, with an access token or
with a code. Pure. Called by the checks of a request, by registration and by discovery.
"""

from __future__ import annotations

from kapi.settings.identity import IdentitySettings
from kapi.settings.identity.clients import RESPONSE_TYPES

_FRONT = frozenset({"id_token", "token"})


def response_types(identity: IdentitySettings) -> tuple[str, ...]:
    """The response types that are offered."""
    if identity.front_channel_tokens:
        return RESPONSE_TYPES
    return ("code",)


def normal_form(response_type: str) -> str:
    """A response type with its words in the order of `RESPONSE_TYPES`; the order has no meaning."""
    words = sorted(response_type.split(" "))
    for known in RESPONSE_TYPES:
        if sorted(known.split(" ")) == words:
            return known
    return response_type


def carries_tokens(response_type: str) -> bool:
    """Whether the response contains an ID token or an access token."""
    return not _FRONT.isdisjoint(response_type.split(" "))
