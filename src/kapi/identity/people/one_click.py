"""Sign-in with one click, for tests: the people of the setting `one_click_sign_in`."""

from __future__ import annotations

from dataclasses import dataclass

from kapi.identity.accounts.users import User
from kapi.identity.provider import Provider
from kapi.settings import IdentitySettings

_MOST = 50


@dataclass(frozen=True, slots=True)
class Choice:
    """One button: a person, in one of their organizations."""

    user: User
    organization: str

    @property
    def value(self) -> str:
        """The value that the button sends."""
        if self.organization:
            return f"{self.user.username}@{self.organization}"
        return self.user.username


def one_click_choices(provider: Provider) -> tuple[Choice, ...]:
    """The buttons; those of people with a password of their own only with `all`."""
    identity = provider.settings.identity
    if identity.one_click_sign_in == "off":
        return ()
    published = IdentitySettings().users
    names = {user.username for user in identity.users if user in published}
    people = [user for user in provider.users.all() if not user.disabled]
    if identity.one_click_sign_in == "seeded":
        people = [user for user in people if user.username in names]
    choices: list[Choice] = []
    for user in people:
        choices += [Choice(user, organization) for organization in user.organizations or ("",)]
    return tuple(choices[:_MOST])
