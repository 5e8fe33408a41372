"""The choice of an account (OpenID Connect Core §3.1.2.1, prompt=select_account)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kapi.errors import OAuthError
from kapi.identity.authorization.checks import checked
from kapi.identity.authorization.flow import Flow, decline
from kapi.identity.authorization.interactions import Interaction, note
from kapi.identity.authorization.request import RefusedRequest
from kapi.identity.authorization.steps import continued, shown
from kapi.identity.pages import (
    CALLBACK_PATH,
    LOGIN_PATH,
    SELECT_PATH,
    error_page,
    page,
    page_link,
    see_other,
)
from kapi.identity.people.sessions import (
    BROWSER,
    Session,
    form_token,
    form_token_is_right,
    session_of,
)
from kapi.identity.protocol.forms import Form
from kapi.identity.protocol.http import Answer, Request
from kapi.identity.protocol.published import Published
from kapi.identity.provider import Provider

methods = ("GET", "POST")
quick = False
cross_origin = False


def paths(published: Published) -> tuple[str, ...]:  # noqa: ARG001 - the endpoint contract
    """The path of the endpoint."""
    return (SELECT_PATH,)


def metadata(published: Published) -> Mapping[str, Any]:  # noqa: ARG001
    """Nothing: the discovery document does not list this endpoint."""
    return {}


def needs(provider: Provider) -> Flow:
    """The flow of authorization requests."""
    return provider.flow


def answer(flow: Flow, request: Request) -> Answer:
    """The page, or what follows its form."""
    try:
        form, interaction = continued(flow.seal, flow.tokens.records, request)
        session = session_of(flow.sessions, request)
        if session is None:
            return see_other(page_link(LOGIN_PATH, interaction.key))
        if request.method == "POST":
            return _decided(flow, request, form, interaction, session)
        return _page(flow, request, interaction, session)
    except RefusedRequest:
        return see_other(f"{CALLBACK_PATH}?sessionKey={interaction.key}")
    except OAuthError as error:
        return error_page(flow.responses.base_url, error)


def _decided(
    flow: Flow,
    request: Request,
    form: Form,
    interaction: Interaction,
    session: Session,
) -> Answer:
    """What follows the form."""
    if not form_token_is_right(request, f"select{interaction.key}", form.get("token")):
        return see_other(page_link(SELECT_PATH, interaction.key))
    if form.get("decision") == "deny":
        asked = checked(flow.checks, interaction.request(request.now))
        error = OAuthError("access_denied", "The person did not want to go on")
        return decline(flow, asked, interaction, error)
    if form.get("choice") != session.sid:
        return see_other(page_link(LOGIN_PATH, interaction.key))
    note(flow.tokens.records, interaction, request.now, chosen=session.sid)
    return see_other(f"{CALLBACK_PATH}?sessionKey={interaction.key}")


def _page(
    flow: Flow, request: Request, interaction: Interaction, session: Session
) -> Answer:
    asked = checked(flow.checks, interaction.request(request.now))
    return page(
        flow.responses.base_url,
        "select_account.html",
        **shown(flow.checks.identity, asked, interaction, session),
        choice=session.sid,
        action=SELECT_PATH,
        token=form_token(request.cookies[BROWSER], f"select{interaction.key}"),
    )
