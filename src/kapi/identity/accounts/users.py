"""The people who can sign in (OpenID Connect Core §2): those of the settings and of the store.

Called by the login page, and for claims about a person.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field
from functools import cache, cached_property
from typing import Any

from kapi.dataclass import dataclass
from kapi.identity.accounts.passwords import password_digest, password_matches
from kapi.settings import UserSettings
from kapi.store.accounts import Ending
from kapi.store.users import StoredUser, UserStore


@dataclass(frozen=True, slots=True)
class User:
    """One person. `subject` is the `sub` of tokens, never reused (OpenID Connect Core §2, §5.7)."""

    subject: str
    username: str
    organizations: tuple[str, ...] = ()
    super_admin: bool = False
    groups: tuple[str, ...] = ()
    claims: Mapping[str, Any] = field(default_factory=dict)
    """About the person (OpenID Connect Core §5.1 and others)."""
    token_claims: Mapping[str, Any] = field(default_factory=dict)
    """Put into access tokens about the person."""
    disabled: bool = False
    """The person cannot sign in."""

    def belongs_to(self, organization: str) -> bool:
        """Whether the person may act in an organization, or in none if that is empty.

        In none act people who belong to none, and super admins.
        """
        if not organization:
            return self.super_admin or not self.organizations
        return organization in self.organizations

    def is_of(self, organization: str) -> bool:
        """Whether operators of an organization decide about the person; those of "" about all.

        They do about people who belong to it and to no other.
        """
        if not organization:
            return True
        return not self.super_admin and self.organizations == (organization,)


class Users:
    """All people. A person of the settings hides a stored one with the same user name."""

    def __init__(self, settings: Iterable[UserSettings], stored: UserStore) -> None:
        self._settings = {item.username: item for item in settings}
        self._users = {name: user_of(item) for name, item in self._settings.items()}
        self._stored = stored

    def get(self, subject: str) -> User | None:
        """The person with this subject, or None. May read the store."""
        return self._users.get(subject) or self._usable(
            self._stored.of_subject(subject)
        )

    def named(self, username: str) -> User | None:
        """The person with this user name, or None. May read the store."""
        return self._users.get(username) or self._usable(self._stored.get(username))

    def account(self, username: str) -> User | None:
        """As `named`, also when the account is disabled."""
        user = self._users.get(username)
        stored = self._stored.get(username)
        if user is not None or stored is None:
            return user
        return stored_user(stored)

    def all(self) -> tuple[User, ...]:
        """All people, also those whose accounts are disabled."""
        stored = []
        for item in self._stored.all():
            if item.username not in self._users:
                stored.append(item)
        return (*self._users.values(), *map(stored_user, stored))

    @property
    def of_settings(self) -> tuple[User, ...]:
        """The people of the settings."""
        return tuple(self._users.values())

    def authenticate(self, username: str, password: str) -> User | None:
        """The person with this password, or None. Slow for any name: call it in a thread."""
        if username in self._users:
            user: User | None = self._users[username]
            digest = self._digests[username]
        else:
            stored = self._stored.get(username)
            user, digest = self._usable(stored), ""
            if stored is not None:
                digest = stored.digest
        if not password_matches(digest, password):
            return None
        return user

    def may_change_password(self, username: str) -> bool:
        """Whether the password can change while running: that of a stored account."""
        return username not in self._users and self._stored.get(username) is not None

    def change_password(self, username: str, password: str, ending: Ending) -> bool:
        """Another password for a stored account, which ends. Slow: call it in a thread."""
        if username in self._users:
            return False
        return self._stored.change_password(username, password_digest(password), ending)

    def _usable(self, stored: StoredUser | None) -> User | None:
        """None for an account that is disabled, or hidden by one of the settings."""
        if stored is None or stored.disabled or stored.username in self._users:
            return None
        return stored_user(stored)

    @cached_property
    def _digests(self) -> Mapping[str, str]:
        """Digests of the passwords in the settings, made on the first sign-in."""
        return {
            name: _digest_of(item.password) for name, item in self._settings.items()
        }


@cache
def _digest_of(password: str) -> str:
    """The digest of a password of the settings, made once in a process."""
    return password_digest(password)


def user_of(item: UserSettings) -> User:
    """A person of the settings; the subject is the user name."""
    return User(
        item.username,
        item.username,
        item.organizations,
        item.super_admin,
        item.groups,
        item.claims,
        item.token_claims,
    )


def profile_of(user: User) -> dict[str, Any]:
    """The stored profile of a person."""
    return {
        "organizations": list(user.organizations),
        "super_admin": user.super_admin,
        "groups": list(user.groups),
        "claims": dict(user.claims),
        "token_claims": dict(user.token_claims),
    }


def stored_user(stored: StoredUser) -> User:
    """A person of the store, also when the account is disabled."""
    profile = stored.profile
    return User(
        stored.subject,
        stored.username,
        tuple(profile["organizations"]),
        profile["super_admin"],
        tuple(profile["groups"]),
        profile["claims"],
        profile["token_claims"],
        stored.disabled,
    )
