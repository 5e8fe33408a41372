"""What people change about their own account: the password, sessions and consents.

Called by the account page. Nothing of another account is changed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

from kapi.audit import Record
from kapi.dataclass import dataclass
from kapi.identity.accounts.attempts import TooManyTries
from kapi.identity.accounts.passwords import LONGEST, SHORTEST
from kapi.identity.accounts.users import User
from kapi.identity.people.audited import tell
from kapi.identity.people.consents import (
    Consent,
    Consents,
    consent_of,
    list_consents,
    revoke_consent,
)
from kapi.identity.people.identification import PersonAuthentication
from kapi.identity.people.listing import Sought
from kapi.identity.people.logout import Logout, revoke_session
from kapi.identity.people.sessions import (
    BROWSER,
    Session,
    Sessions,
    list_sessions,
    session_with_id,
    sign_in,
)
from kapi.identity.protocol.forms import Form
from kapi.identity.protocol.http import Request
from kapi.store.accounts import Ending
from kapi.store.audit import CHANGE

MOST: Final = 100
"""Sessions and consents that are shown."""


DONE: Final[Mapping[str, str]] = {
    "password": "Your password was changed. All other sessions and all consents were ended.",
    "ended": "The session was ended.",
    "others": "All other sessions were ended.",
    "withdrawn": "The consent was withdrawn, and the access of the application was ended.",
}
"""Texts about changes that were made."""
REFUSED: Final[Mapping[str, str]] = {
    "gone": "That was ended before.",
    "of_settings": "The password of this account is in the settings of the platform.",
    "wrong": "The current password is not right.",
    "tries": "Too many tries. Wait a few minutes, then try again.",
    "length": f"The new password must have {SHORTEST} to {LONGEST} characters.",
    "again": "The new password was not typed the same twice.",
    "same": "The new password is the current one.",
    "form": "The form was not the one we sent to this browser. Try again.",
}
"""Texts about changes that were not made."""


@dataclass(frozen=True, slots=True)
class OwnAccount:
    """The values that changes of an account by its person need."""

    authentication: PersonAuthentication
    sessions: Sessions
    consents: Consents
    logout: Logout
    record: Record
    """Appends to the audit log."""


@dataclass(frozen=True, slots=True)
class Changed:
    """The outcome of a form: the name of its text in `DONE` or `REFUSED`, and new cookies."""

    text: str
    cookies: tuple[str, ...] = ()

    @property
    def is_done(self) -> bool:
        """Whether the change was made."""
        return self.text in DONE


def own_sessions(sessions: Sessions, session: Session, now: int) -> tuple[Session, ...]:
    """The sessions of the person of a session, also this one."""
    found = list_sessions(sessions, Sought(user=session.username, most=MOST), now).items
    return tuple(item for item in found if item.user == session.user)


def own_consents(consents: Consents, session: Session, now: int) -> tuple[Consent, ...]:
    """The consents of the person of a session."""
    found = list_consents(consents, Sought(user=session.username, most=MOST), now).items
    return tuple(item for item in found if item.person.subject == session.user)


def _authenticated(
    account: OwnAccount, request: Request, username: str, password: str
) -> User | None:
    """The account, if this is its password. Raises TooManyTries."""
    return account.authentication.attempts.authenticate(
        account.authentication.users,
        username,
        password,
        request.network,
        request.now,
        request.cookies.get(BROWSER, ""),
    )


def change_password(
    account: OwnAccount, request: Request, session: Session, form: Form
) -> Changed:
    """Change the password, if the current one is right. End all that the account has.

    This browser gets a new session.
    """
    current, new = form.get("current") or "", form.get("new") or ""
    if not account.authentication.users.may_change_password(session.username):
        return Changed("of_settings")
    fault = _fault(current, new, form.get("again") or "")
    if fault:
        return Changed(fault)
    try:
        user = _authenticated(account, request, session.username, current)
    except TooManyTries:
        return Changed("tries")
    if user is None or user.subject != session.user:
        return Changed("wrong")
    issuer = account.consents.issuer
    ending = Ending(issuer, request.now, "the password changed")
    if not account.authentication.users.change_password(session.username, new, ending):
        return Changed("of_settings")
    _tell(account, request, session, "user.password", session.username)
    _, cookie = sign_in(
        account.sessions,
        request.now,
        session.user,
        amr=session.amr,
        acr=session.acr,
        organization=session.organization,
        before=None,
    )
    return Changed("password", cookies=(cookie,))


def _fault(current: str, new: str, again: str) -> str:
    """Why a new password is refused; empty if it is not."""
    if not SHORTEST <= len(new) <= LONGEST:
        return "length"
    if new != again:
        return "again"
    if new == current:
        return "same"
    return ""


def end_one(
    account: OwnAccount, request: Request, session: Session, form: Form
) -> Changed:
    """End the session with the id of the form, if it is the person's."""
    found = session_with_id(account.sessions, form.get("session") or "", request.now)
    if found is None or found.user != session.user:
        return Changed("gone")
    revoke_session(account.logout, found, request.now)
    _tell(account, request, session, "session.revoke", found.sid)
    return Changed("ended")


def end_others(
    account: OwnAccount,
    request: Request,
    session: Session,
    form: Form,  # noqa: ARG001 - as the other changes
) -> Changed:
    """End all other sessions of the person, also those that the page does not show."""
    ended = {session.sid}
    while others := _unlike(
        own_sessions(account.sessions, session, request.now), ended
    ):
        for found in others:
            revoke_session(account.logout, found, request.now)
            _tell(account, request, session, "session.revoke", found.sid)
            ended.add(found.sid)
    return Changed("others")


def _unlike(found: Sequence[Session], ended: Collection[str]) -> list[Session]:
    """The sessions with other ids than these."""
    return [item for item in found if item.sid not in ended]


def withdraw(
    account: OwnAccount, request: Request, session: Session, form: Form
) -> Changed:
    """End the consent with the id of the form, if it is the person's."""
    found = consent_of(account.consents, form.get("consent") or "", request.now)
    if found is None or found.person.subject != session.user:
        return Changed("gone")
    revoke_consent(account.consents, found.id, request.now)
    _tell(account, request, session, "consent.revoke", found.client_id)
    return Changed("withdrawn")


def _tell(
    account: OwnAccount, request: Request, session: Session, event: str, target: str
) -> None:
    """An entry of the audit log."""
    detail = "by the person"
    tell(account.record, request, session, event, target, detail=detail, class_=CHANGE)


CHANGES: Final[
    Mapping[str, Callable[[OwnAccount, Request, Session, Form], Changed]]
] = {
    "password": change_password,
    "end": end_one,
    "end_others": end_others,
    "withdraw": withdraw,
}
"""What the forms of the page do, by the value of `change`."""
