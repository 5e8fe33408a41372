"""The next step of a checked authorization request: sign-in, choice of account, consent, response.

OpenID Connect Core §3.1.2.3, §3.1.2.4.
"""

from __future__ import annotations

import dataclasses

from kapi.dataclass import dataclass
from kapi.errors import OAuthError
from kapi.identity.authorization.codes import new_code
from kapi.identity.authorization.front_channel import token_parameters
from kapi.identity.authorization.interactions import Interaction, begin, finish
from kapi.identity.authorization.request import AuthorizationRequest, RequestChecks
from kapi.identity.authorization.responses import Responses, refuse, respond
from kapi.identity.authorization.sources import use_pushed
from kapi.identity.pages import (
    CONSENT_PATH,
    LOGIN_PATH,
    SELECT_PATH,
    page_link,
    see_other,
)
from kapi.identity.people.authorized import Authorization
from kapi.identity.people.consents import consented
from kapi.identity.people.sessions import (
    Session,
    Sessions,
    browser_of,
    remember_client,
    session_of,
)
from kapi.identity.protocol.http import Answer, Request
from kapi.identity.protocol.sealed import Seal
from kapi.identity.tokens.person_tokens import PersonTokens
from kapi.store.records import Records

_WITHOUT_PAGES = {
    LOGIN_PATH: OAuthError(
        "login_required", "No person is signed in, or not recently enough (prompt=none)"
    ),
    SELECT_PATH: OAuthError(
        "account_selection_required", "The person must choose an account (prompt=none)"
    ),
    CONSENT_PATH: OAuthError(
        "consent_required", "The person has not allowed this yet (prompt=none)"
    ),
}


@dataclass(frozen=True, slots=True)
class Flow:
    """The values that checking and answering authorization requests needs."""

    checks: RequestChecks
    sessions: Sessions
    tokens: PersonTokens
    responses: Responses
    seal: Seal
    """Encrypts the requests that wait for a person."""


def advance(
    flow: Flow,
    http: Request,
    request: AuthorizationRequest,
    interaction: Interaction | None = None,
) -> Answer:
    """Answer with the next page, or with the authorization response when nothing is left to ask."""
    session = session_of(flow.sessions, http)
    page = next_page(flow, request, session, interaction)
    if page is None and session is not None:
        _answered(flow.tokens.records, request, interaction)
        return _grant(flow, http, request, session)
    if session is not None and interaction is not None:
        error = _unfit_session(flow, request, session, interaction)
        if error is not None:
            return decline(flow, request, interaction, error)
    assert page is not None  # noqa: S101 - without a session the page is the login page
    if "none" in request.prompt:
        return refuse(flow.responses, request, _WITHOUT_PAGES[page])
    if interaction is not None:
        return see_other(page_link(page, interaction.key))
    browser, cookies = browser_of(flow.sessions.new_secret, http)
    try:
        made = begin(flow.seal, request, browser, http.now)
    except OAuthError as error:
        return refuse(flow.responses, request, error)
    return see_other(page_link(page, made.key), cookies=cookies)


def _unfit_session(
    flow: Flow,
    request: AuthorizationRequest,
    session: Session,
    interaction: Interaction,
) -> OAuthError | None:
    """Why the session that the person signed in to cannot answer the request, or None."""
    if interaction.signed_in != session.sid:
        return None
    if _is_unexpected(flow, request, session):
        return OAuthError(
            "login_required", "Another person signed in than the client named"
        )
    if _is_too_weak(request, session):
        return OAuthError(
            "unmet_authentication_requirements", "The person signed in on a lower level"
        )
    return None


def decline(
    flow: Flow,
    request: AuthorizationRequest,
    interaction: Interaction,
    error: OAuthError,
) -> Answer:
    """End a waiting request with an error. Raises OAuthError when it was answered before."""
    _answered(flow.tokens.records, request, interaction)
    return refuse(flow.responses, request, error)


def _answered(
    records: Records, request: AuthorizationRequest, interaction: Interaction | None
) -> None:
    """Allow one answer to a request, even if its pages were opened more than once."""
    finished = interaction is None or finish(records, interaction, request.now)
    if not use_pushed(records, request) or not finished:
        raise OAuthError(
            "expired_session",
            "This sign-in was answered already. Go back to the application and start again.",
        )


def next_page(
    flow: Flow,
    request: AuthorizationRequest,
    session: Session | None,
    interaction: Interaction | None,
) -> str | None:
    """The path of the page that the person must see next, or None."""
    if session is None or _must_sign_in(flow, request, session, interaction):
        return LOGIN_PATH
    done = interaction or Interaction("", request.parameters)
    if "select_account" in request.prompt and session.sid not in {
        done.chosen,
        done.signed_in,
    }:
        return SELECT_PATH
    if done.consented != session.sid and _must_consent(flow, request, session):
        return CONSENT_PATH
    return None


def _must_sign_in(
    flow: Flow,
    request: AuthorizationRequest,
    session: Session,
    interaction: Interaction | None,
) -> bool:
    if _is_unexpected(flow, request, session) or _is_too_weak(request, session):
        return True
    if interaction is not None and interaction.signed_in == session.sid:
        return False
    too_old = (
        request.max_age is not None
        and request.now - session.auth_time > request.max_age
    )
    return "login" in request.prompt or too_old or request.max_age == 0


def _is_too_weak(request: AuthorizationRequest, session: Session) -> bool:
    """Whether the level of the sign-in is not one that the client accepts."""
    return bool(request.acr) and session.acr not in request.acr


def _is_unexpected(flow: Flow, request: AuthorizationRequest, session: Session) -> bool:
    """Whether the client named another person."""
    if not request.hinted_subject:
        return False
    return (
        flow.tokens.subjects.of(request.client, session.user) != request.hinted_subject
    )


def _must_consent(flow: Flow, request: AuthorizationRequest, session: Session) -> bool:
    how = request.client.settings.consent
    if "consent" in request.prompt or how == "always":
        return True
    if how == "never":
        return False
    # Consent is stored for scopes; authorization details need it each time (RFC 9396 §3).
    if request.details:
        return True
    return not consented(
        flow.tokens.records, request.client, session.user, request.scopes, request.now
    )


def _grant(
    flow: Flow, http: Request, request: AuthorizationRequest, session: Session
) -> Answer:
    remember_client(flow.tokens.records, session, request.client.id, http.now)
    authorization = dataclasses.replace(
        session.authorization(request.client.id, request.scope),
        nonce=request.parameters.get("nonce") or "",
        claims=request.claims,
        confirmation=request.confirmation,
        resources=request.resources,
        details=request.details,
    )
    parameters: dict[str, str] = {}
    code = _code(flow, request, authorization, http.now)
    if code:
        parameters["code"] = code
    try:
        parameters |= token_parameters(flow.tokens, request, authorization, code)
    except OAuthError as error:
        return refuse(flow.responses, request, error)
    return respond(flow.responses, request, parameters)


def _code(
    flow: Flow,
    request: AuthorizationRequest,
    authorization: Authorization,
    now: int,
) -> str:
    """A new code; empty if the response type has none."""
    if "code" not in request.response_type.split(" "):
        return ""
    return new_code(
        flow.tokens,
        request.client,
        authorization,
        now,
        redirect_uri=request.redirect_uri,
        redirect_uri_sent=request.parameters.get("redirect_uri") is not None,
        challenge=request.challenge,
    )
