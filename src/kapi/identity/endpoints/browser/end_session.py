"""The end-session endpoint (OpenID Connect RP-Initiated Logout 1.0): sign-out, then a redirect.

Without an ID token of the session as a hint the person is asked, so that no other site can sign
them out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from kapi.audit import Record
from kapi.dataclass import dataclass
from kapi.errors import OAuthError
from kapi.identity.authorization.hints import claims_of_hint
from kapi.identity.clients.clients import Client
from kapi.identity.clients.registry import ClientRegistry
from kapi.identity.pages import error_page, page, see_other
from kapi.identity.people.audited import tell_sign_out
from kapi.identity.people.logout import Logout, end_session
from kapi.identity.people.sessions import (
    BROWSER,
    Session,
    Sessions,
    browser_of,
    form_token,
    form_token_is_right,
    session_of,
)
from kapi.identity.people.subjects import Subjects
from kapi.identity.protocol.forms import Form, check_media_type, sent_form, with_query
from kapi.identity.protocol.http import Answer, Request
from kapi.identity.protocol.published import Published
from kapi.identity.provider import Provider
from kapi.identity.tokens.own_tokens import OwnJwts

methods = ("GET", "POST")
quick = False
cross_origin = False
PATH = "/oauth2/logout"
_PARAMETERS = ("id_token_hint", "client_id", "post_logout_redirect_uri", "state")


@dataclass(frozen=True, slots=True)
class _Logout:
    """A logout request whose parameters were checked."""

    client: Client | None
    hint: Mapping[str, Any] | None
    leads_to: str
    """The address of the redirect with `state`, or empty."""


def paths(published: Published) -> tuple[str, ...]:  # noqa: ARG001 - the endpoint contract
    """The path of the specification, and the one that WSO2 uses."""
    return (PATH, "/oidc/logout")


def metadata(published: Published) -> Mapping[str, Any]:
    """Its address, and the supported notifications."""
    return {
        "end_session_endpoint": f"{published.base_url}{PATH}",
        "backchannel_logout_supported": True,
        "backchannel_logout_session_supported": True,
        "frontchannel_logout_supported": True,
        "frontchannel_logout_session_supported": True,
    }


@dataclass(frozen=True, slots=True)
class EndSession:
    """The values that the end-session endpoint needs."""

    sessions: Sessions
    logout: Logout
    jwts: OwnJwts
    """Reads ID tokens that are hints."""
    record: Record
    """Appends to the audit log."""
    base_url: str
    """The URL of the provider's root."""


def needs(provider: Provider) -> EndSession:
    """The values for sessions and logout."""
    return EndSession(
        provider.sessions,
        provider.logout,
        provider.own_jwts,
        provider.record,
        provider.base_url,
    )


def answer(given: EndSession, request: Request) -> Answer:
    """Sign out, or ask first."""
    try:
        if request.method == "POST":
            check_media_type(request.header("content-type") or "")
        form = sent_form(request)
        if request.method == "POST" and BROWSER not in request.cookies:
            # A form of another site sends no SameSite=Lax cookie, but a link does.
            return see_other(f"{PATH}?{form.encoded()}")
        logout = _checked(given, request, form)
        session = session_of(given.sessions, request)
        if session is None:
            return _signed_out(given.base_url, logout, (), ())
        if _is_proof(given.logout.subjects, logout, session) or _confirmed(
            request, session, form
        ):
            cookie, frames = end_session(given.logout, session, request.now)
            tell_sign_out(given.record, request, session)
            return _signed_out(given.base_url, logout, (cookie,), frames)
        return _ask(given, request, logout, session, form)
    except OAuthError as error:
        return error_page(given.base_url, error)


def _checked(given: EndSession, request: Request, form: Form) -> _Logout:
    """The checked request. Raises OAuthError: an invalid request must not redirect."""
    text, hint = form.get("id_token_hint"), None
    if text is not None:
        hint = claims_of_hint(given.jwts, text)
    client = _client(given.logout.registry, form.get("client_id"), hint, request.now)
    uri = form.get("post_logout_redirect_uri")
    if uri is None:
        return _Logout(client, hint, "")
    if client is None or uri not in client.settings.post_logout_redirect_uris:
        raise OAuthError(
            "invalid_request",
            "post_logout_redirect_uri must be exactly one that is registered"
            " for the client that id_token_hint or client_id names",
        )
    state = form.get("state")
    if state is None:
        return _Logout(client, hint, uri)
    return _Logout(client, hint, with_query(uri, {"state": state}))


def _client(
    registry: ClientRegistry,
    client_id: str | None,
    hint: Mapping[str, Any] | None,
    now: int,
) -> Client | None:
    """The client of `client_id` or of the audience of the ID token. Raises OAuthError."""
    if hint is not None and client_id is not None and hint["aud"] != client_id:
        raise OAuthError(
            "invalid_request", "client_id and id_token_hint name different clients"
        )
    if not client_id and hint is not None:
        client_id = str(hint["aud"])
    if not client_id:
        return None
    client = registry.client(client_id, now)
    if client is None:
        raise OAuthError(
            "invalid_request", "No client is registered under this client_id"
        )
    return client


def _is_proof(subjects: Subjects, logout: _Logout, session: Session) -> bool:
    """Whether the hint was issued in this session or, if it has no `sid`, to this person."""
    if logout.hint is None or logout.client is None:
        return False
    if "sid" in logout.hint:
        return bool(logout.hint["sid"] == session.sid)
    return bool(logout.hint["sub"] == subjects.of(logout.client, session.user))


def _origin(uri: str) -> str:
    parts = urlsplit(uri)
    return f"{parts.scheme}://{parts.netloc}"


def _confirmed(request: Request, session: Session, form: Form) -> bool:
    return request.method == "POST" and form_token_is_right(
        request, f"logout{session.sid}", form.get("token")
    )


def _ask(
    given: EndSession, request: Request, logout: _Logout, session: Session, form: Form
) -> Answer:
    browser, cookies = browser_of(given.sessions.new_secret, request)
    parameters = {}
    for name in _PARAMETERS:
        if name in form.values:
            parameters[name] = form.values[name]
    client = ""
    if logout.client is not None:
        client = logout.client.title
    return page(
        given.base_url,
        "sign_out.html",
        cookies=cookies,
        leads_to=logout.leads_to,
        client=client,
        user=session.username,
        action=PATH,
        parameters=parameters,
        token=form_token(browser, f"logout{session.sid}"),
    )


def _signed_out(
    base_url: str,
    logout: _Logout,
    cookies: tuple[str, ...],
    frames: tuple[str, ...],
) -> Answer:
    if logout.leads_to and not frames:
        return see_other(logout.leads_to, cookies)
    return page(
        base_url,
        "signed_out.html",
        cookies=cookies,
        frames=tuple(dict.fromkeys(map(_origin, frames))),
        addresses=frames,
        leads_to=logout.leads_to,
        link=logout.leads_to,
    )
