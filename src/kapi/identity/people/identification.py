"""Identifies a person by a sign-in form: one click, or name, password and organization.

Called by the login page of authorization requests, and by other pages (`page_session.py`).
"""

from __future__ import annotations

from collections.abc import Mapping

from kapi.audit import Record
from kapi.dataclass import dataclass
from kapi.identity.accounts.attempts import Attempts, TooManyTries
from kapi.identity.accounts.users import User, Users
from kapi.identity.people.audited import tell_one_click
from kapi.identity.people.one_click import one_click_choices
from kapi.identity.people.sessions import BROWSER
from kapi.identity.protocol.forms import Form
from kapi.identity.protocol.http import Request
from kapi.settings import IdentitySettings

FAILURES: Mapping[str, str] = {
    "100171": "The user name or the password is not right.",
    "100172": "Give one of the organizations you belong to.",
    "100173": "You do not belong to this organization.",
    "100174": "Too many tries. Wait a few minutes, then try again.",
    "100175": "The form was not the one we sent to this browser. Try again.",
}
"""APK's numbers, and two of our own."""
PASSWORD_ACR, ONE_CLICK_ACR = "1", "0"


@dataclass(frozen=True, slots=True)
class PersonAuthentication:
    """The values that the authentication of people needs."""

    identity: IdentitySettings
    users: Users
    attempts: Attempts
    record: Record
    """Appends to the audit log."""


@dataclass(frozen=True, slots=True)
class Identified:
    """A person, the organization they signed in to, and how (RFC 8176)."""

    user: User
    organization: str
    amr: tuple[str, ...]
    acr: str


def identify(
    authentication: PersonAuthentication, request: Request, form: Form
) -> Identified | str:
    """The person, or the number of a failure."""
    chosen = form.get("one_click")
    if chosen:
        return _one_click(authentication, request, chosen)
    username, organization = form.get("username") or "", form.get("organization") or ""
    try:
        password, browser = form.get("password") or "", request.cookies.get(BROWSER, "")
        user = authentication.attempts.authenticate(
            authentication.users,
            username,
            password,
            request.network,
            request.now,
            browser,
        )
    except TooManyTries:
        return "100174"
    if user is None:
        return "100171"
    organization = organization or _only_organization(user)
    return _wrong_organization(user, organization) or Identified(
        user, organization, ("pwd",), PASSWORD_ACR
    )


def _one_click(
    authentication: PersonAuthentication, request: Request, chosen: str
) -> Identified | str:
    for choice in one_click_choices(authentication.identity, authentication.users):
        if choice.value == chosen:
            tell_one_click(
                authentication.record,
                request,
                choice.user.username,
                choice.organization,
            )
            return Identified(choice.user, choice.organization, (), ONE_CLICK_ACR)
    return "100171"


def _only_organization(user: User) -> str:
    """That of a person who can act in no other; empty if there is a choice, or none.

    A user name belongs to one account, so it need not be asked for; the password is proven by now.
    """
    if user.super_admin or len(user.organizations) != 1:
        return ""
    return user.organizations[0]


def _wrong_organization(user: User, organization: str) -> str:
    """A person of several organizations names one of them; a super admin need not."""
    if user.belongs_to(organization):
        return ""
    if organization:
        return "100173"
    return "100172"
