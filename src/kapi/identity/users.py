"""The people who can sign in (OpenID Connect Core §2, end-user). Held in memory.

Called by whatever puts claims about a person into a token.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kapi.settings import UserSettings


@dataclass(frozen=True, slots=True)
class User:
    """One person. `subject` is the `sub` of tokens about them."""

    subject: str
    username: str
    organizations: tuple[str, ...] = ()
    super_admin: bool = False
    groups: tuple[str, ...] = ()
    claims: Mapping[str, Any] = field(default_factory=dict)


class Users:
    """All people by user name and by subject."""

    def __init__(self, settings: Iterable[UserSettings]) -> None:
        self._users = {
            item.username: User(item.username, item.username, item.organizations, item.super_admin, item.groups, item.claims)
            for item in settings
        }

    def get(self, subject: str) -> User | None:
        """The person a token is about, or None."""
        return self._users.get(subject)

    def all(self) -> tuple[User, ...]:
        """Everybody."""
        return tuple(self._users.values())
