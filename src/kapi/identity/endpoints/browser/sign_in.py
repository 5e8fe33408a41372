"""The login page and its form, with APK's paths and field names.

A wrong password redirects to the page with the number of a text; no text of the request is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kapi.audit import Record
from kapi.dataclass import dataclass
from kapi.errors import OAuthError
from kapi.identity.authorization.checks import checked
from kapi.identity.authorization.flow import Flow, decline
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
from kapi.identity.people.identification import FAILURES, PersonAuthentication, identify
from kapi.identity.people.logout import Logout, end_session
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
from kapi.identity.protocol.sealed import Seal
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


@dataclass(frozen=True, slots=True)
class SignInPage:
    """The values that the login page needs."""

    flow: Flow
    authentication: PersonAuthentication
    logout: Logout
    typed_seal: Seal
    """Encrypts what a person typed."""
    record: Record
    """Appends to the audit log."""


def needs(provider: Provider) -> SignInPage:
    """The values for the flow and for sign-in."""
    return SignInPage(
        provider.flow,
        provider.person_authentication,
        provider.logout,
        provider.typed_seal,
        provider.record,
    )


def answer(signing_in: SignInPage, request: Request) -> Answer:
    """The page, or what follows its form."""
    try:
        if request.method == "POST":
            return _signed_in(signing_in, request, parse_form(request.body))
        query = parse_form(request.query.encode("latin-1"))
        return _page(
            signing_in,
            request,
            interaction_of(
                signing_in.flow.seal,
                signing_in.flow.tokens.records,
                request,
                query.get("stateKey"),
            ),
            query,
        )
    except OAuthError as error:
        return error_page(signing_in.flow.responses.base_url, error)


def _page(
    signing_in: SignInPage, request: Request, interaction: Interaction, query: Form
) -> Answer:
    asked = interaction.request(request.now)
    try:
        asked = checked(signing_in.flow.checks, asked)
    except RefusedRequest:
        return see_other(f"{CALLBACK_PATH}?sessionKey={interaction.key}")
    typed = typed_before(signing_in.typed_seal, request, query)
    return page(
        signing_in.flow.responses.base_url,
        "login.html",
        leads_to=asked.redirect_uri,
        **about_client(signing_in.flow.checks.identity, asked.client),
        failure=FAILURES.get(query.get("errorCode") or "", ""),
        hint=typed.get("username")
        or (asked.parameters.get("login_hint") or "")[:LONGEST_NAME],
        organization=typed.get("organization", ""),
        may_decline=True,
        action=POST_LOGIN_PATH,
        key=interaction.key,
        token=form_token(request.cookies[BROWSER], f"login{interaction.key}"),
        **offers(signing_in.authentication.identity, signing_in.authentication.users),
    )


def _signed_in(signing_in: SignInPage, request: Request, form: Form) -> Answer:
    interaction = interaction_of(
        signing_in.flow.seal,
        signing_in.flow.tokens.records,
        request,
        form.get("sessionKey"),
    )
    if not form_token_is_right(request, f"login{interaction.key}", form.get("token")):
        return _failed(signing_in, request, interaction, "100175")
    if form.get("decision") == "deny":
        return _declined(signing_in.flow, interaction, request.now)
    found = identify(signing_in.authentication, request, form)
    if isinstance(found, str):
        return _failed(signing_in, request, interaction, found, form)
    before, who, now = (
        session_of(signing_in.flow.sessions, request),
        found.user.subject,
        request.now,
    )
    if before is not None and (before.user, before.organization) != (
        who,
        found.organization,
    ):
        end_session(signing_in.logout, before, now)
        tell_sign_out(
            signing_in.record, request, before, "another sign-in in this browser"
        )
    session, cookie = sign_in(
        signing_in.flow.sessions,
        now,
        who,
        amr=found.amr,
        acr=found.acr,
        organization=found.organization,
        before=before,
    )
    note(signing_in.flow.tokens.records, interaction, now, signed_in=session.sid)
    return see_other(f"{CALLBACK_PATH}?sessionKey={interaction.key}", cookies=(cookie,))


def _declined(flow: Flow, interaction: Interaction, now: int) -> Answer:
    """The person does not want to sign in for this client."""
    try:
        asked = checked(flow.checks, interaction.request(now))
    except RefusedRequest as refused:
        return refuse(flow.responses, refused.request, refused.error)
    return decline(
        flow,
        asked,
        interaction,
        OAuthError("access_denied", "The person did not want to sign in"),
    )


def _failed(
    signing_in: SignInPage,
    request: Request,
    interaction: Interaction,
    number: str,
    form: Form | None = None,
) -> Answer:
    typed = ""
    if form is not None:
        typed = keep_typed(signing_in.typed_seal, request, form)
    return see_other(
        f"{page_link(LOGIN_PATH, interaction.key)}&authFailure=true&errorCode={number}{typed}"
    )
