"""The page where people see and change their own account: password, sessions, consents."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

from kapi.dataclass import dataclass
from kapi.errors import OAuthError
from kapi.identity.pages import ACCOUNT_PATH, error_page, page, see_other
from kapi.identity.people.consents import in_words
from kapi.identity.people.own_account import (
    CHANGES,
    DONE,
    REFUSED,
    Changed,
    OwnAccount,
    own_consents,
    own_sessions,
)
from kapi.identity.people.page_session import PageSignIn, session_here
from kapi.identity.people.sessions import (
    BROWSER,
    Session,
    form_token,
    form_token_is_right,
)
from kapi.identity.protocol.forms import Form, parse_form, sent_form
from kapi.identity.protocol.http import Answer, Request
from kapi.identity.protocol.published import Published
from kapi.identity.provider import Provider

methods = ("GET", "POST")
quick = False
cross_origin = False
_DONE: Final = "done"
_FOREIGN_FORM: Final = Changed("form")


def paths(published: Published) -> tuple[str, ...]:  # noqa: ARG001 - the endpoint contract
    """The path of the endpoint."""
    return (ACCOUNT_PATH,)


def metadata(published: Published) -> Mapping[str, Any]:  # noqa: ARG001
    """Nothing: the discovery document does not list this endpoint."""
    return {}


@dataclass(frozen=True, slots=True)
class AccountPage:
    """The values that the account page needs."""

    signing_in: PageSignIn
    account: OwnAccount


def needs(provider: Provider) -> AccountPage:
    """The values for sign-in and accounts."""
    return AccountPage(provider.page_sign_in, provider.own_account)


def answer(given: AccountPage, request: Request) -> Answer:
    """Sign-in, the page, or a change and then the page."""
    try:
        form = sent_form(request)
        session = session_here(
            given.signing_in, request, form, ACCOUNT_PATH, "your account"
        )
        if isinstance(session, Answer):
            return session
        if request.method == "POST":
            changed = _changed(given.account, request, session, form)
            if changed.is_done:
                return see_other(
                    f"{ACCOUNT_PATH}?{_DONE}={changed.text}", changed.cookies
                )
            return _page(given, request, session, 400, REFUSED[changed.text])
        done = parse_form(request.query.encode("latin-1")).get(_DONE) or ""
        return _page(given, request, session, 200, DONE.get(done, ""))
    except OAuthError as error:
        return error_page(given.signing_in.base_url, error)


def _changed(
    account: OwnAccount, request: Request, session: Session, form: Form
) -> Changed:
    change = CHANGES.get(form.get("change") or "")
    purpose = f"account{session.sid}"
    if change is None or not form_token_is_right(request, purpose, form.get("token")):
        return _FOREIGN_FORM
    return change(account, request, session, form)


def _page(
    given: AccountPage, request: Request, session: Session, status: int, outcome: str
) -> Answer:
    account = given.account
    users = account.authentication.users
    return page(
        given.signing_in.base_url,
        "account.html",
        status=status,
        user=session.username,
        organization=session.organization,
        outcome=outcome,
        is_done=status == 200,
        may_change_password=users.may_change_password(session.username),
        sessions=list(_sessions(account, session, request.now)),
        consents=list(_consents(account, session, request.now)),
        action=ACCOUNT_PATH,
        token=form_token(request.cookies[BROWSER], f"account{session.sid}"),
    )


def _sessions(
    account: OwnAccount, own: Session, now: int
) -> Iterator[Mapping[str, Any]]:
    """The sessions, this one first."""
    for item in sorted(
        own_sessions(account.sessions, own, now), key=lambda item: item.sid != own.sid
    ):
        names = []
        for client_id in item.clients:
            client = account.consents.registry.known_client(client_id)
            names.append(client_id if client is None else client.title)
        yield {
            "id": item.sid,
            "is_here": item.sid == own.sid,
            "organization": item.organization,
            "since": _moment(item.auth_time),
            "until": _moment(item.expires_at),
            "clients": names,
        }


def _consents(
    account: OwnAccount, own: Session, now: int
) -> Iterator[Mapping[str, Any]]:
    descriptions = account.authentication.identity.scope_descriptions
    for item in own_consents(account.consents, own, now):
        yield {
            "id": item.id,
            "client": item.client_name or item.client_id,
            "since": _moment(item.given_at),
            "scopes": in_words(descriptions, " ".join(item.scopes)),
        }


def _moment(seconds: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds))
