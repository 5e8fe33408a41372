"""A valid token that a client presents for token exchange, of any trusted issuer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kapi.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Presented:
    """The facts of the token that the exchange uses. `expires_at` is in seconds since the epoch."""

    subject: str
    """`sub` of the new token."""
    client_id: str
    audience: tuple[str, ...]
    scopes: tuple[str, ...]
    expires_at: int
    claims: Mapping[str, Any]
    """The claims that may be copied."""
    user: str
    """The subject of the person's account; empty for a client or a person of another issuer."""
    named: Mapping[str, str]
    """Its subject as an actor (RFC 8693 §4.1)."""
    issuer: str = ""
    """`iss` of another issuer; empty for this provider."""


def listed(value: Any) -> tuple[Any, ...]:
    """The items of a claim that is text or a list (RFC 7519 §4.1.3); none for any other type."""
    if isinstance(value, str):
        return (value,)
    if isinstance(value, list | tuple):
        return tuple(value)
    return ()
