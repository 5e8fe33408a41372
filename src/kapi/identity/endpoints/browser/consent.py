"""Consent (OpenID Connect Core §3.1.2.4): the client and its scopes; stored for both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kapi.audit import Record
from kapi.dataclass import dataclass
from kapi.errors import OAuthError
from kapi.identity.authorization.checks import checked
from kapi.identity.authorization.flow import Flow, decline
from kapi.identity.authorization.interactions import Interaction, note
from kapi.identity.authorization.request import AuthorizationRequest, RefusedRequest
from kapi.identity.authorization.responses import refuse
from kapi.identity.authorization.steps import continued, shown
from kapi.identity.pages import (
    CALLBACK_PATH,
    CONSENT_PATH,
    LOGIN_PATH,
    error_page,
    page,
    page_link,
    see_other,
)
from kapi.identity.people.audited import tell_decision
from kapi.identity.people.consents import in_words, keep_consent
from kapi.identity.people.sessions import (
    BROWSER,
    Session,
    form_token,
    form_token_is_right,
    session_of,
)
from kapi.identity.protocol.details import in_words as details_in_words
from kapi.identity.protocol.forms import Form
from kapi.identity.protocol.http import Answer, Request
from kapi.identity.protocol.published import Published
from kapi.identity.provider import Provider

methods = ("GET", "POST")
quick = False
cross_origin = False


def paths(published: Published) -> tuple[str, ...]:  # noqa: ARG001 - the endpoint contract
    """The path of the endpoint."""
    return (CONSENT_PATH,)


def metadata(published: Published) -> Mapping[str, Any]:  # noqa: ARG001
    """Nothing: the discovery document does not list this endpoint."""
    return {}


@dataclass(frozen=True, slots=True)
class ConsentPage:
    """The values that the consent page needs."""

    flow: Flow
    record: Record
    """Appends to the audit log."""


def needs(provider: Provider) -> ConsentPage:
    """The values for the flow, and the audit log."""
    return ConsentPage(provider.flow, provider.record)


def answer(given: ConsentPage, request: Request) -> Answer:
    """The page, or what follows its form."""
    flow = given.flow
    try:
        form, interaction = continued(flow.seal, flow.tokens.records, request)
        session = session_of(flow.sessions, request)
        if session is None:
            return see_other(page_link(LOGIN_PATH, interaction.key))
        asked = checked(flow.checks, interaction.request(request.now))
        if request.method == "POST":
            return _decided(given, request, asked, interaction, session, form)
        return _page(flow, request, asked, interaction, session)
    except RefusedRequest as refused:
        return refuse(flow.responses, refused.request, refused.error)
    except OAuthError as error:
        return error_page(flow.responses.base_url, error)


def _page(
    flow: Flow,
    request: Request,
    asked: AuthorizationRequest,
    interaction: Interaction,
    session: Session,
) -> Answer:
    return page(
        flow.responses.base_url,
        "consent.html",
        **shown(flow.checks.identity, asked, interaction, session),
        client_id=asked.client.id,
        scopes=[
            *in_words(flow.checks.identity.scope_descriptions, asked.scope),
            *details_in_words(asked.details),
        ],
        action=CONSENT_PATH,
        # Bound to the session: the form of one person must not be valid for another.
        token=form_token(
            request.cookies[BROWSER], f"consent{interaction.key}{session.sid}"
        ),
    )


def _decided(
    given: ConsentPage,
    request: Request,
    asked: AuthorizationRequest,
    interaction: Interaction,
    session: Session,
    form: Form,
) -> Answer:
    flow = given.flow
    if not form_token_is_right(
        request, f"consent{interaction.key}{session.sid}", form.get("token")
    ):
        return see_other(page_link(CONSENT_PATH, interaction.key))
    allowed = form.get("decision") == "allow"
    tell_decision(
        given.record,
        request,
        session,
        (asked.client.id, asked.scope),
        allowed=allowed,
    )
    if not allowed:
        return decline(
            flow,
            asked,
            interaction,
            OAuthError("access_denied", "The person did not allow it"),
        )
    if asked.client.settings.consent == "once":
        keep_consent(
            flow.tokens.records, asked.client, session.user, asked.scopes, request.now
        )
    note(flow.tokens.records, interaction, request.now, consented=session.sid)
    return see_other(f"{CALLBACK_PATH}?sessionKey={interaction.key}")
