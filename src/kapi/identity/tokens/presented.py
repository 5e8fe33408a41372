"""A token that a client presented for token exchange and that is good, whoever issued it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Presented:
    """What the exchange goes by. `expires_at` in seconds since the epoch."""

    subject: str
    """What `sub` of a token of ours about them is."""
    client_id: str
    audience: tuple[str, ...]
    scopes: tuple[str, ...]
    expires_at: int
    claims: Mapping[str, Any]
    """What may be carried over."""
    user: str
    """The person it is about, by the key in Users; empty for a client and for those whom another issuer knows."""
    named: Mapping[str, str]
    """How its subject is named as an actor (RFC 8693 §4.1)."""
    issuer: str = ""
    """`iss` when it is another's; empty when it is ours."""
