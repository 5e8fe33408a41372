"""The authorization endpoint (RFC 6749 §3.1, OpenID Connect Core §3.1.2), for browsers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from kapi.errors import OAuthError
from kapi.identity.authorization.checks import ACR, PROMPTS, checked
from kapi.identity.authorization.flow import Flow, advance
from kapi.identity.authorization.request import AuthorizationRequest, RefusedRequest
from kapi.identity.authorization.responses import RESPONSE_MODES, refuse
from kapi.identity.clients.registry import ClientRegistry
from kapi.identity.clients.response_types import response_types
from kapi.identity.pages import error_page, see_other
from kapi.identity.people.claims import SCOPES
from kapi.identity.people.sessions import BROWSER
from kapi.identity.people.subjects import TYPES
from kapi.identity.protocol.forms import Form, check_media_type, parse_form
from kapi.identity.protocol.http import Answer, Request
from kapi.identity.protocol.published import Published
from kapi.identity.provider import Provider
from kapi.jose.algorithms import ASYMMETRIC

methods = ("GET", "POST")
quick = False
cross_origin = False
PATH = "/oauth2/authorize"
_LONGEST_LINK = 16 * 1024
_LONGEST_FACT = 300


def paths(published: Published) -> tuple[str, ...]:  # noqa: ARG001 - the endpoint contract
    """With and without APK's version."""
    return (PATH, "/oauth2/1.0.0/authorize")


def metadata(published: Published) -> Mapping[str, Any]:
    """The supported parameters and values."""
    return {
        "authorization_endpoint": f"{published.base_url}{PATH}",
        "response_types_supported": list(response_types(published.identity)),
        "response_modes_supported": list(RESPONSE_MODES),
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
        "scopes_supported": ["default", *SCOPES],
        "prompt_values_supported": list(PROMPTS),
        "claims_parameter_supported": True,
        "request_parameter_supported": True,
        "request_uri_parameter_supported": True,
        "require_request_uri_registration": True,
        "require_signed_request_object": False,
        "request_object_signing_alg_values_supported": list(ASYMMETRIC),
        "authorization_signing_alg_values_supported": list(published.algorithms),
        "ui_locales_supported": ["en"],
        "acr_values_supported": list(ACR),
        "subject_types_supported": list(TYPES),
    }


def needs(provider: Provider) -> Flow:
    """The flow of authorization requests."""
    return provider.flow


def answer(flow: Flow, request: Request) -> Answer:
    """The next page, or the authorization response; an error that must not redirect is a page."""
    form = Form({})
    try:
        if request.method == "POST":
            check_media_type(request.header("content-type") or "")
            form = parse_form(request.body)
            if BROWSER not in request.cookies and len(request.body) <= _LONGEST_LINK:
                # A form of another site sends no SameSite=Lax cookie, but a link does.
                return see_other(f"{PATH}?{form.encoded()}")
        else:
            form = parse_form(request.query.encode("latin-1"))
        return advance(
            flow,
            request,
            checked(flow.checks, AuthorizationRequest(form, request.now)),
        )
    except RefusedRequest as refused:
        return refuse(flow.responses, refused.request, refused.error)
    except OAuthError as error:
        return error_page(
            flow.responses.base_url, error, tuple(_about(flow.checks.registry, form))
        )


def _about(registry: ClientRegistry, form: Form) -> Iterator[tuple[str, str]]:
    """The client and the redirect URI of a request, for the page of an error.

    They are shown as text: a link would lead to an address that was not checked.
    """
    client_id, uri = form.get("client_id"), form.get("redirect_uri")
    if client_id:
        yield "Client", client_id[:_LONGEST_FACT]
        known = registry.known_client(client_id)
        if known is not None and known.settings.name:
            yield "Name of the client", known.settings.name
    if uri:
        yield "Redirect URI", uri[:_LONGEST_FACT]
