"""The login page and its form, with APK's paths and field names.

A wrong password redirects to the page with the number of a text; no text of the request is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kapi.errors import OAuthError
from kapi.identity.authorization.checks import checked
from kapi.identity.authorization.flow import decline
from kapi.identity.authorization.interactions import Interaction, interaction_of, note
from kapi.identity.authorization.request import RefusedRequest
from kapi.identity.authorization.responses import refuse
from kapi.identity.pages import (
    CALLBACK_PATH,
    LOGIN_PATH,
    POST_LOGIN_PATH,
    error_page,
    page,
    page_link,
    see_other,
)
from kapi.identity.pages.clients import about_client
from kapi.identity.people.audited import tell_sign_out
from kapi.identity.people.identification import FAILURES, identify
from kapi.identity.people.logout import end_session
from kapi.identity.people.one_click import offers
from kapi.identity.people.sessions import (
    BROWSER,
    form_token,
    form_token_is_right,
    session_of,
    sign_in,
)
from kapi.identity.people.typed import LONGEST_NAME, keep_typed, typed_before
from kapi.identity.protocol.forms import Form, parse_form
from kapi.identity.protocol.http import Answer, Request
from kapi.identity.protocol.published import Published
from kapi.identity.provider import Provider

methods = ("GET", "POST")
quick = False
cross_origin = False


def paths(published: Published) -> tuple[str, ...]:  # noqa: ARG001 - the endpoint contract
    """The paths that APK uses."""
    return (LOGIN_PATH, POST_LOGIN_PATH, "/commonauth/1.0.0/login")


def metadata(published: Published) -> Mapping[str, Any]:  # noqa: ARG001
    """Nothing: the discovery document does not list this endpoint."""
    return {}


def answer(provider: Provider, request: Request) -> Answer:
    """The page, or what follows its form."""
    try:
        if request.method == "POST":
            return _signed_in(provider, request, parse_form(request.body))
        query = parse_form(request.query.encode("latin-1"))
        return _page(
            provider,
            request,
            interaction_of(
                provider.seal, provider.records, request, query.get("stateKey")
            ),
            query,
        )
    except OAuthError as error:
        return error_page(provider.base_url, error)


def _page(
    provider: Provider, request: Request, interaction: Interaction, query: Form
) -> Answer:
    asked = interaction.request(request.now)
    try:
        asked = checked(provider.request_checks, asked)
    except RefusedRequest:
        return see_other(f"{CALLBACK_PATH}?sessionKey={interaction.key}")
    typed = typed_before(provider.typed_seal, request, query)
    return page(
        provider.base_url,
        "login.html",
        leads_to=asked.redirect_uri,
        **about_client(provider.settings.identity, asked.client),
        failure=FAILURES.get(query.get("errorCode") or "", ""),
        hint=typed.get("username")
        or (asked.parameters.get("login_hint") or "")[:LONGEST_NAME],
        organization=typed.get("organization", ""),
        may_decline=True,
        action=POST_LOGIN_PATH,
        key=interaction.key,
        token=form_token(request.cookies[BROWSER], f"login{interaction.key}"),
        **offers(provider.settings.identity, provider.users),
    )


def _signed_in(provider: Provider, request: Request, form: Form) -> Answer:
    interaction = interaction_of(
        provider.seal, provider.records, request, form.get("sessionKey")
    )
    if not form_token_is_right(request, f"login{interaction.key}", form.get("token")):
        return _failed(provider, request, interaction, "100175")
    if form.get("decision") == "deny":
        return _declined(provider, interaction, request.now)
    found = identify(provider.person_authentication, request, form)
    if isinstance(found, str):
        return _failed(provider, request, interaction, found, form)
    before, who, now = (
        session_of(provider.sessions, request),
        found.user.subject,
        request.now,
    )
    if before is not None and (before.user, before.organization) != (
        who,
        found.organization,
    ):
        end_session(provider.logout, before, now)
        tell_sign_out(
            provider.record, request, before, "another sign-in in this browser"
        )
    session, cookie = sign_in(
        provider.sessions,
        now,
        who,
        amr=found.amr,
        acr=found.acr,
        organization=found.organization,
        before=before,
    )
    note(provider.records, interaction, now, signed_in=session.sid)
    return see_other(f"{CALLBACK_PATH}?sessionKey={interaction.key}", cookies=(cookie,))


def _declined(provider: Provider, interaction: Interaction, now: int) -> Answer:
    """The person does not want to sign in for this client."""
    try:
        asked = checked(provider.request_checks, interaction.request(now))
    except RefusedRequest as refused:
        return refuse(provider.flow.responses, refused.request, refused.error)
    return decline(
        provider.flow,
        asked,
        interaction,
        OAuthError("access_denied", "The person did not want to sign in"),
    )


def _failed(
    provider: Provider,
    request: Request,
    interaction: Interaction,
    number: str,
    form: Form | None = None,
) -> Answer:
    typed = ""
    if form is not None:
        typed = keep_typed(provider.typed_seal, request, form)
    return see_other(
        f"{page_link(LOGIN_PATH, interaction.key)}&authFailure=true&errorCode={number}{typed}"
    )
