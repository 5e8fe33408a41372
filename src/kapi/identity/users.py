"""The people who can sign in (OpenID Connect Core §2, end-user): those of the settings, then those of the store.

Called by the login page, and by whatever puts claims about a person into a token.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from kapi.identity.passwords import password_digest, password_matches
from kapi.settings import UserSettings
from kapi.store.users import StoredUser, UserStore


@dataclass(frozen=True, slots=True)
class User:
    """One person. `subject` is the `sub` of tokens about them."""

    subject: str
    username: str
    organizations: tuple[str, ...] = ()
    super_admin: bool = False
    groups: tuple[str, ...] = ()
    claims: Mapping[str, Any] = field(default_factory=dict)
    """About the person (OpenID Connect Core §5.1 and others)."""
    token_claims: Mapping[str, Any] = field(default_factory=dict)
    """Put into access tokens about the person."""


class Users:
    """All people by user name, which is their subject too."""

    def __init__(self, settings: Iterable[UserSettings], stored: UserStore) -> None:
        self._settings = {item.username: item for item in settings}
        self._users = {name: user_of(item) for name, item in self._settings.items()}
        self._stored = stored

    def get(self, subject: str) -> User | None:
        """The person a token is about, or None. May read the store."""
        return self._users.get(subject) or _from_store(self._stored.get(subject))

    def all(self) -> tuple[User, ...]:
        """Everybody."""
        stored = (_from_store(item) for item in self._stored.all() if item.username not in self._users)
        return (*self._users.values(), *(user for user in stored if user))

    @property
    def of_settings(self) -> tuple[User, ...]:
        """Those that the settings name."""
        return tuple(self._users.values())

    def authenticate(self, username: str, password: str) -> User | None:
        """The person whose password this is, or None. Slow on purpose, alike for known and unknown names: call it in a thread."""
        stored = self._stored.get(username) if username not in self._users else None
        digest = self._digests.get(username) or (stored.digest if stored else "")
        return (self._users.get(username) or _from_store(stored)) if password_matches(digest, password) else None

    @cached_property
    def _digests(self) -> Mapping[str, str]:
        """Of the passwords in the settings, made at the first sign-in rather than at start."""
        return {name: password_digest(item.password) for name, item in self._settings.items()}


def user_of(item: UserSettings) -> User:
    """A person as the settings describe one."""
    return User(item.username, item.username, item.organizations, item.super_admin, item.groups, item.claims, item.token_claims)


def profile_of(user: User) -> dict[str, Any]:
    """What the store keeps about a person."""
    return {
        "organizations": list(user.organizations),
        "super_admin": user.super_admin,
        "groups": list(user.groups),
        "claims": dict(user.claims),
        "token_claims": dict(user.token_claims),
    }


def _from_store(stored: StoredUser | None) -> User | None:
    if stored is None:
        return None
    profile = stored.profile
    return User(
        stored.username,
        stored.username,
        tuple(profile["organizations"]),
        profile["super_admin"],
        tuple(profile["groups"]),
        profile["claims"],
        profile["token_claims"],
    )
