"""Consent (OpenID Connect Core §3.1.2.4): the client and its scopes; stored for both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kapi.errors import OAuthError
from kapi.identity.authorization.checks import checked
from kapi.identity.authorization.flow import decline
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


def answer(provider: Provider, request: Request) -> Answer:
    """The page, or what follows its form."""
    try:
        form, interaction = continued(provider.seal, provider.records, request)
        session = session_of(provider.sessions, request)
        if session is None:
            return see_other(page_link(LOGIN_PATH, interaction.key))
        asked = checked(provider.request_checks, interaction.request(request.now))
        if request.method == "POST":
            return _decided(provider, request, asked, interaction, session, form)
        return _page(provider, request, asked, interaction, session)
    except RefusedRequest as refused:
        return refuse(provider.flow.responses, refused.request, refused.error)
    except OAuthError as error:
        return error_page(provider.base_url, error)


def _page(
    provider: Provider,
    request: Request,
    asked: AuthorizationRequest,
    interaction: Interaction,
    session: Session,
) -> Answer:
    return page(
        provider.base_url,
        "consent.html",
        **shown(provider.settings.identity, asked, interaction, session),
        client_id=asked.client.id,
        scopes=[
            *in_words(provider.settings.identity.scope_descriptions, asked.scope),
            *details_in_words(asked.details),
        ],
        action=CONSENT_PATH,
        # Bound to the session: the form of one person must not be valid for another.
        token=form_token(
            request.cookies[BROWSER], f"consent{interaction.key}{session.sid}"
        ),
    )


def _decided(
    provider: Provider,
    request: Request,
    asked: AuthorizationRequest,
    interaction: Interaction,
    session: Session,
    form: Form,
) -> Answer:
    if not form_token_is_right(
        request, f"consent{interaction.key}{session.sid}", form.get("token")
    ):
        return see_other(page_link(CONSENT_PATH, interaction.key))
    allowed = form.get("decision") == "allow"
    tell_decision(
        provider.record,
        request,
        session,
        (asked.client.id, asked.scope),
        allowed=allowed,
    )
    if not allowed:
        return decline(
            provider.flow,
            asked,
            interaction,
            OAuthError("access_denied", "The person did not allow it"),
        )
    if asked.client.settings.consent == "once":
        keep_consent(
            provider.records, asked.client, session.user, asked.scopes, request.now
        )
    note(provider.records, interaction, request.now, consented=session.sid)
    return see_other(f"{CALLBACK_PATH}?sessionKey={interaction.key}")
