"""The part `identity.users`: people who can sign in at the inbuilt provider."""

from __future__ import annotations

from dataclasses import field
from typing import Any

from kapi.dataclass import dataclass
from kapi.settings.identity.claims import claim_mistakes


@dataclass(frozen=True, slots=True)
class UserSettings:
    """One person who can sign in at the inbuilt provider."""

    username: str = field(metadata={"key": True, "needed": True})
    password: str = field(repr=False, metadata={"secret": True, "needed": True})
    organizations: tuple[str, ...] = ()
    super_admin: bool = False
    """May sign in without naming an organization."""
    groups: tuple[str, ...] = ()
    claims: dict[str, Any] = field(default_factory=dict)
    """Claims about the person by name (OpenID Connect Core §5.1 and your own)."""
    token_claims: dict[str, Any] = field(
        default_factory=dict, metadata={"check": claim_mistakes}
    )
    """Claims that access tokens about the person get."""
