"""The login page and its form. APK's paths and field names: `username`, `password`, `organization`, `sessionKey`.

A wrong password leads back to the page with a number; texts are ours, nothing of the request is shown as it came.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kapi.errors import OAuthError
from kapi.identity.attempts import TooManyTries
from kapi.identity.authorization.checks import checked
from kapi.identity.authorization.request import AuthorizationRequest, RefusedRequest
from kapi.identity.forms import Form, parse_form
from kapi.identity.http import Answer, Request
from kapi.identity.interactions import Interaction, interaction_of, note
from kapi.identity.logout import end_session
from kapi.identity.one_click import one_click_choices
from kapi.identity.pages import CALLBACK_PATH, LOGIN_PATH, POST_LOGIN_PATH, error_page, page, page_link, see_other
from kapi.identity.provider import Provider
from kapi.identity.sessions import BROWSER, form_token, form_token_is_right, session_of, sign_in
from kapi.identity.users import User

methods = ("GET", "POST")
quick = False
cross_origin = False
FAILURES: Mapping[str, str] = {
    "100171": "The user name or the password is not right.",
    "100172": "Give the organization you belong to.",
    "100173": "You do not belong to this organization.",
    "100174": "Too many tries. Wait a few minutes, then try again.",
    "100175": "The form was not the one we sent to this browser. Try again.",
}
"""APK's numbers, and two of our own."""
PASSWORD_ACR, ONE_CLICK_ACR = "1", "0"


def paths(provider: Provider) -> tuple[str, ...]:  # noqa: ARG001 - the endpoint contract
    """APK's paths."""
    return (LOGIN_PATH, POST_LOGIN_PATH, "/commonauth/1.0.0/login")


def metadata(provider: Provider) -> Mapping[str, Any]:  # noqa: ARG001
    """Nothing that discovery tells."""
    return {}


def answer(provider: Provider, request: Request) -> Answer:
    """The page, or what follows its form."""
    try:
        if request.method == "POST":
            return _signed_in(provider, request, parse_form(request.body))
        query = parse_form(request.query.encode("latin-1"))
        return _page(provider, request, interaction_of(provider, request, query.get("stateKey")), query)
    except OAuthError as error:
        return error_page(provider, error)


def _page(provider: Provider, request: Request, interaction: Interaction, query: Form) -> Answer:
    asked = AuthorizationRequest(interaction.parameters, request.now, resumed=True)
    try:
        asked = checked(provider, asked)
    except RefusedRequest:
        return see_other(f"{CALLBACK_PATH}?sessionKey={interaction.key}")
    return page(
        provider,
        "login.html",
        leads_to=asked.redirect_uri,
        client=asked.client.settings.name or asked.client.id,
        failure=FAILURES.get(query.get("errorCode") or "", ""),
        hint=(asked.parameters.get("login_hint") or "")[:255],
        action=POST_LOGIN_PATH,
        key=interaction.key,
        token=form_token(request.cookies[BROWSER], f"login{interaction.key}"),
        choices=one_click_choices(provider),
    )


def _signed_in(provider: Provider, request: Request, form: Form) -> Answer:
    interaction = interaction_of(provider, request, form.get("sessionKey"))
    if not form_token_is_right(request, f"login{interaction.key}", form.get("token")):
        return _failed(interaction, "100175")
    username, organization = form.get("username") or "", form.get("organization") or ""
    if chosen := form.get("one_click"):
        found = next((choice for choice in one_click_choices(provider) if choice.value == chosen), None)
        if found is None:
            return _failed(interaction, "100171")
        return _done(provider, request, interaction, found.user, found.organization, amr=(), acr=ONE_CLICK_ACR)
    try:
        user = provider.attempts.authenticate(provider.users, username, form.get("password") or "", request.peer, request.now)
    except TooManyTries:
        return _failed(interaction, "100174")
    if user is None:
        return _failed(interaction, "100171")
    if wrong := _wrong_organization(user, organization):
        return _failed(interaction, wrong)
    return _done(provider, request, interaction, user, organization, amr=("pwd",), acr=PASSWORD_ACR)


def _wrong_organization(user: User, organization: str) -> str:
    """APK's rule: an organization must be one of the person's; only a super admin, or who belongs to none, signs in without."""
    if organization:
        return "" if organization in user.organizations else "100173"
    return "" if user.super_admin or not user.organizations else "100172"


def _done(
    provider: Provider, request: Request, interaction: Interaction, user: User, organization: str, *, amr: tuple[str, ...], acr: str
) -> Answer:
    before = session_of(provider, request)
    if before is not None and (before.user, before.organization) != (user.subject, organization):
        end_session(provider, before, request.now)
    session, cookie = sign_in(provider, request.now, user.subject, amr=amr, acr=acr, organization=organization, before=before)
    note(provider, interaction, request.now, signed_in=session.sid)
    return see_other(f"{CALLBACK_PATH}?sessionKey={interaction.key}", cookies=(cookie,))


def _failed(interaction: Interaction, number: str) -> Answer:
    return see_other(f"{page_link(LOGIN_PATH, interaction.key)}&authFailure=true&errorCode={number}")
