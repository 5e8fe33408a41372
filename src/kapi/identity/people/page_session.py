"""Sign-in on pages that a person opens without a client, such as the account page."""

from __future__ import annotations

import re

from kapi.dataclass import dataclass
from kapi.errors import OAuthError
from kapi.identity.pages import page, see_other
from kapi.identity.people.identification import FAILURES, PersonAuthentication, identify
from kapi.identity.people.one_click import offers
from kapi.identity.people.sessions import (
    BROWSER,
    Session,
    Sessions,
    browser_of,
    form_token,
    form_token_is_right,
    session_of,
    sign_in,
)
from kapi.identity.people.typed import LONGEST_NAME
from kapi.identity.protocol.forms import Form
from kapi.identity.protocol.http import Answer, Request

NO_FORM = Form({}, {})


_UNSAFE = re.compile(r"[^A-Za-z0-9-]")
"""Characters that are not in a user code."""


@dataclass(frozen=True, slots=True)
class PageSignIn:
    """The values that sign-in on such a page needs."""

    authentication: PersonAuthentication
    sessions: Sessions
    base_url: str
    """The URL of the provider's root."""


def session_here(
    signing_in: PageSignIn,
    request: Request,
    form: Form,
    path: str,
    purpose: str,
    carried: str = "",
) -> Session | Answer:
    """The session of the person, or the sign-in page. Raises OAuthError.

    `purpose` is what the sign-in is for; `carried` is the query parameter `user_code` of `path`
    after sign-in.
    """
    session = session_of(signing_in.sessions, request)
    if session is not None:
        _check_cookies(request)
        return session
    carried = form.get("sessionKey") or carried
    if request.method != "POST" or not (form.get("username") or form.get("one_click")):
        return _page(signing_in, request, path, purpose, carried)
    if not form_token_is_right(request, f"sign in at {path}", form.get("token")):
        return _page(signing_in, request, path, purpose, carried, "100175")
    found = identify(signing_in.authentication, request, form)
    if isinstance(found, str):
        return _page(signing_in, request, path, purpose, carried, found, form)
    _, cookie = sign_in(
        signing_in.sessions,
        request.now,
        found.user.subject,
        amr=found.amr,
        acr=found.acr,
        organization=found.organization,
        before=None,
    )
    safe = _UNSAFE.sub("", carried)
    if safe:
        path = f"{path}?user_code={safe}"
    return see_other(path, cookies=(cookie,))


def _check_cookies(request: Request) -> None:
    if BROWSER not in request.cookies:
        raise OAuthError(
            "expired_session",
            "Cookies are off, or this took too long. Open the page again.",
        )


def _page(
    signing_in: PageSignIn,
    request: Request,
    path: str,
    purpose: str,
    carried: str,
    failure: str = "",
    typed: Form = NO_FORM,
) -> Answer:
    browser, cookies = browser_of(signing_in.sessions.new_secret, request)
    return page(
        signing_in.base_url,
        "login.html",
        cookies=cookies,
        client=purpose,
        links=(),
        logo="",
        failure=FAILURES.get(failure, ""),
        hint=(typed.get("username") or "")[:LONGEST_NAME],
        organization=(typed.get("organization") or "")[:LONGEST_NAME],
        may_decline=False,
        action=path,
        key=carried[:64],
        token=form_token(browser, f"sign in at {path}"),
        **offers(signing_in.authentication.identity, signing_in.authentication.users),
    )
