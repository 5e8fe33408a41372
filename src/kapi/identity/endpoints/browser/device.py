"""The page where a person types a device's code and decides (RFC 8628 §3.3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kapi.audit import Record
from kapi.dataclass import dataclass
from kapi.errors import OAuthError
from kapi.identity.clients.registry import ClientRegistry
from kapi.identity.decoupled.requests import (
    DecoupledRequests,
    Pending,
    decide,
    pending_of,
)
from kapi.identity.decoupled.user_codes import KIND, LENGTH, device_of, plain, shown
from kapi.identity.pages import error_page, page, see_other
from kapi.identity.pages.clients import about_client
from kapi.identity.people.audited import tell_decision
from kapi.identity.people.consents import in_words
from kapi.identity.people.page_session import PageSignIn, session_here
from kapi.identity.people.sessions import (
    BROWSER,
    Session,
    form_token,
    form_token_is_right,
)
from kapi.identity.protocol.forms import Form, sent_form
from kapi.identity.protocol.http import Answer, Request
from kapi.identity.protocol.published import Published
from kapi.identity.provider import Provider
from kapi.settings import IdentitySettings
from kapi.store.login_attempts import LoginAttempts

methods = ("GET", "POST")
quick = False
cross_origin = False
DEVICE_PATH = "/device"
_WRONG = (
    "This code is not right, or too old. Look at the device again."
    " After ten wrong codes you have to wait five minutes."
)


def paths(published: Published) -> tuple[str, ...]:  # noqa: ARG001 - the endpoint contract
    """One short path, because people type it."""
    return (DEVICE_PATH,)


def metadata(published: Published) -> Mapping[str, Any]:  # noqa: ARG001
    """Nothing: the discovery document does not list this endpoint."""
    return {}


@dataclass(frozen=True, slots=True)
class DevicePage:
    """The values that the page needs."""

    identity: IdentitySettings
    signing_in: PageSignIn
    requests: DecoupledRequests
    login_attempts: LoginAttempts
    registry: ClientRegistry
    record: Record
    """Appends to the audit log."""


def needs(provider: Provider) -> DevicePage:
    """The values for sign-in and device codes."""
    return DevicePage(
        provider.settings.identity,
        provider.page_sign_in,
        provider.decoupled_requests,
        provider.login_attempts,
        provider.registry,
        provider.record,
    )


def answer(given: DevicePage, request: Request) -> Answer:
    """Sign-in, the form for the code, or the decision."""
    try:
        form = sent_form(request)
        code = plain(form.get("user_code") or "")
        carried = ""
        if code:
            carried = shown(code)
        session = session_here(
            given.signing_in, request, form, DEVICE_PATH, "your device", carried
        )
        if isinstance(session, Answer):
            return session
        return _with_session(given, request, form, session, code)
    except OAuthError as error:
        return error_page(given.signing_in.base_url, error)


def _with_session(
    given: DevicePage, request: Request, form: Form, session: Session, code: str
) -> Answer:
    if not code:
        return _ask_for_code(given.signing_in.base_url, session)
    record = device_of(
        given.requests.records, given.login_attempts, code, session.user, request.now
    )
    if record is None:
        return _ask_for_code(given.signing_in.base_url, session, _WRONG)
    pending = pending_of(record)
    client = given.registry.client(pending.client_id, request.now)
    if client is None or not pending.is_open(request.now):
        return _ask_for_code(given.signing_in.base_url, session, _WRONG)
    purpose = f"device{code}{session.sid}"
    if request.method == "POST" and form.get("decision"):
        if not form_token_is_right(request, purpose, form.get("token")):
            return see_other(f"{DEVICE_PATH}?user_code={shown(code)}")
        return _decided(
            given,
            request,
            session,
            (record.key, pending),
            allowed=form.get("decision") == "allow",
        )
    return page(
        given.signing_in.base_url,
        "device_confirm.html",
        **about_client(given.identity, client),
        user=session.username,
        organization=session.organization,
        scopes=in_words(given.identity.scope_descriptions, pending.scope),
        code=shown(code),
        action=DEVICE_PATH,
        token=form_token(request.cookies[BROWSER], purpose),
    )


def _decided(
    given: DevicePage,
    request: Request,
    session: Session,
    asked: tuple[str, Pending],
    *,
    allowed: bool,
) -> Answer:
    key, pending = asked
    authorization = None
    if allowed:
        authorization = session.authorization(
            pending.client_id, pending.scope
        ).payload()
    if not decide(given.requests, KIND, key, request.now, authorization):
        return _ask_for_code(given.signing_in.base_url, session, _WRONG)
    about = (pending.client_id, pending.scope)
    tell_decision(given.record, request, session, about, allowed=allowed)
    return page(given.signing_in.base_url, "device_done.html", allowed=allowed)


def _ask_for_code(base_url: str, session: Session, failure: str = "") -> Answer:
    # The status of a wrong code is 200 as well: only the page differs.
    return page(
        base_url,
        "device_code.html",
        user=session.username,
        organization=session.organization,
        failure=failure,
        length=LENGTH + 1,
        action=DEVICE_PATH,
    )
