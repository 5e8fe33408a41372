"""Continues a waiting authorization request after each page. APK calls it auth-callback."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kapi.errors import OAuthError
from kapi.identity.authorization.checks import checked
from kapi.identity.authorization.flow import Flow, advance
from kapi.identity.authorization.interactions import interaction_of
from kapi.identity.authorization.request import RefusedRequest
from kapi.identity.authorization.responses import refuse
from kapi.identity.authorization.steps import key_in
from kapi.identity.pages import CALLBACK_PATH, error_page
from kapi.identity.protocol.forms import parse_form
from kapi.identity.protocol.http import Answer, Request
from kapi.identity.protocol.published import Published
from kapi.identity.provider import Provider

methods = ("GET",)
quick = False
cross_origin = False


def paths(published: Published) -> tuple[str, ...]:  # noqa: ARG001 - the endpoint contract
    """The paths that APK uses."""
    return (
        CALLBACK_PATH,
        "/oauth2/1.0.0/auth-callback",
        "/authenticationEndpoint/login-callback",
    )


def metadata(published: Published) -> Mapping[str, Any]:  # noqa: ARG001
    """Nothing: the discovery document does not list this endpoint."""
    return {}


def needs(provider: Provider) -> Flow:
    """The flow of authorization requests."""
    return provider.flow


def answer(flow: Flow, request: Request) -> Answer:
    """The next page, or the authorization response."""
    try:
        form = parse_form(request.query.encode("latin-1"))
        return go_on(flow, request, key_in(form))
    except OAuthError as error:
        return error_page(flow.responses.base_url, error)


def go_on(flow: Flow, request: Request, key: str | None) -> Answer:
    """Check the waiting request again, as clients may have changed, and do the next step."""
    interaction = interaction_of(flow.seal, flow.tokens.records, request, key)
    try:
        return advance(
            flow,
            request,
            checked(flow.checks, interaction.request(request.now)),
            interaction,
        )
    except RefusedRequest as refused:
        return refuse(flow.responses, refused.request, refused.error)
