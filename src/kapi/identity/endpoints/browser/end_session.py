"""The end-session endpoint (OpenID Connect RP-Initiated Logout 1.0): signs a person out, then leads back to the client.

An ID token of the session as a hint is proof enough; otherwise the person is asked, so that no other site can sign them out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from kapi.errors import OAuthError
from kapi.identity.authorization.hints import claims_of_hint
from kapi.identity.clients.clients import Client
from kapi.identity.pages import error_page, page, see_other
from kapi.identity.people.logout import end_session
from kapi.identity.people.sessions import (
    BROWSER,
    Session,
    browser_of,
    form_token,
    form_token_is_right,
    session_of,
)
from kapi.identity.people.subjects import subject_for
from kapi.identity.protocol.forms import Form, check_media_type, sent_form
from kapi.identity.protocol.http import Answer, Request
from kapi.identity.provider import Provider

methods = ("GET", "POST")
quick = False
cross_origin = False
PATH = "/oauth2/logout"
_PARAMETERS = ("id_token_hint", "client_id", "post_logout_redirect_uri", "state")


@dataclass(frozen=True, slots=True)
class _Wish:
    """A checked request."""

    client: Client | None
    hint: Mapping[str, Any] | None
    leads_to: str
    """Where to go afterwards, with `state`; empty when nowhere was named."""


def paths(provider: Provider) -> tuple[str, ...]:  # noqa: ARG001 - the endpoint contract
    """WSO2's path."""
    return (PATH, "/oidc/logout")


def metadata(provider: Provider) -> Mapping[str, Any]:
    """Where it is, and how clients are told."""
    return {
        "end_session_endpoint": f"{provider.base_url}{PATH}",
        "backchannel_logout_supported": True,
        "backchannel_logout_session_supported": True,
        "frontchannel_logout_supported": True,
        "frontchannel_logout_session_supported": True,
    }


def answer(provider: Provider, request: Request) -> Answer:
    """Sign out, or ask first."""
    try:
        if request.method == "POST":
            check_media_type(request.header("content-type") or "")
        form = sent_form(request)
        if request.method == "POST" and BROWSER not in request.cookies:
            # A form of another site brings no SameSite=Lax cookie; the same request as a link does.
            return see_other(f"{PATH}?{form.encoded()}")
        wish = _checked(provider, request, form)
        session = session_of(provider, request)
        if session is None:
            return _signed_out(provider, wish, "", ())
        if _is_proof(provider, wish, session) or _confirmed(request, session, form):
            cookie, frames = end_session(provider, session, request.now)
            return _signed_out(provider, wish, cookie, frames)
        return _ask(provider, request, wish, session, form)
    except OAuthError as error:
        return error_page(provider, error)


def _checked(provider: Provider, request: Request, form: Form) -> _Wish:
    """Everything that is said must fit together before anything is done. Raises OAuthError: a wrong request never redirects."""
    text = form.get("id_token_hint")
    hint = None if text is None else claims_of_hint(provider, text)
    client = _client(provider, form.get("client_id"), hint, request.now)
    uri = form.get("post_logout_redirect_uri")
    if uri is None:
        return _Wish(client, hint, "")
    if client is None or uri not in client.settings.post_logout_redirect_uris:
        raise OAuthError(
            "invalid_request",
            "post_logout_redirect_uri must be registered for the client that id_token_hint or client_id names, to the letter",
        )
    state = form.get("state")
    if state is None:
        return _Wish(client, hint, uri)
    joint = "&" if urlsplit(uri).query else "?"
    return _Wish(client, hint, f"{uri}{joint}{urlencode({'state': state})}")


def _client(
    provider: Provider, client_id: str | None, hint: Mapping[str, Any] | None, now: int
) -> Client | None:
    """The client that the request names, by `client_id` or by the audience of its ID token. Raises OAuthError."""
    if hint is not None and client_id is not None and hint["aud"] != client_id:
        raise OAuthError("invalid_request", "client_id and id_token_hint name different clients")
    if not client_id and hint is not None:
        client_id = str(hint["aud"])
    if not client_id:
        return None
    client = provider.client(client_id, now)
    if client is None:
        raise OAuthError("invalid_request", "No client is registered under this client_id")
    return client


def _is_proof(provider: Provider, wish: _Wish, session: Session) -> bool:
    """Whether the hint is of this session, or of this person by a client without session ids."""
    if wish.hint is None or wish.client is None:
        return False
    if "sid" in wish.hint:
        return bool(wish.hint["sid"] == session.sid)
    return bool(wish.hint["sub"] == subject_for(provider, wish.client, session.user))


def _confirmed(request: Request, session: Session, form: Form) -> bool:
    return request.method == "POST" and form_token_is_right(
        request, f"logout{session.sid}", form.get("token")
    )


def _ask(provider: Provider, request: Request, wish: _Wish, session: Session, form: Form) -> Answer:
    browser, cookies = browser_of(provider, request)
    return page(
        provider,
        "sign_out.html",
        cookies=cookies,
        leads_to=wish.leads_to,
        client=(wish.client.settings.name or wish.client.id) if wish.client else "",
        user=session.username,
        action=PATH,
        parameters={name: value for name in _PARAMETERS if (value := form.get(name)) is not None},
        token=form_token(browser, f"logout{session.sid}"),
    )


def _signed_out(provider: Provider, wish: _Wish, cookie: str, frames: tuple[str, ...]) -> Answer:
    cookies = (cookie,) if cookie else ()
    if wish.leads_to and not frames:
        return see_other(wish.leads_to, cookies)
    origins = tuple(
        dict.fromkeys(f"{parts.scheme}://{parts.netloc}" for parts in map(urlsplit, frames))
    )
    return page(
        provider,
        "signed_out.html",
        cookies=cookies,
        frames=origins,
        addresses=frames,
        leads_to=wish.leads_to,
        link=wish.leads_to,
    )
