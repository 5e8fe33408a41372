"""Sign-in with one click, for tests: the people of the setting `one_click_sign_in`."""

from __future__ import annotations

from typing import Any

from kapi.dataclass import dataclass
from kapi.identity.accounts.users import User, Users
from kapi.settings import IdentitySettings
from kapi.settings.identity.well_known import published_users

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


def offers(identity: IdentitySettings, users: Users) -> dict[str, Any]:
    """What the login page offers: buttons, and the organizations of the users behind them.

    The page does not tell which other organizations there are.
    """
    choices = one_click_choices(identity, users)
    organizations = dict.fromkeys(choice.organization for choice in choices)
    return {"choices": choices, "organizations": tuple(filter(None, organizations))}


def one_click_choices(identity: IdentitySettings, users: Users) -> tuple[Choice, ...]:
    """The buttons; those of people with a password of their own only with `all`."""
    if identity.one_click_sign_in == "off":
        return ()
    everybody = identity.one_click_sign_in == "all"
    published = {item.username for item in published_users() if item in identity.users}
    choices = []
    for user in users.all():
        is_offered = everybody or user.username in published
        if user.disabled or not is_offered:
            continue
        for organization in user.organizations or ("",):
            choices.append(Choice(user, organization))
    return tuple(choices[:_MOST])
