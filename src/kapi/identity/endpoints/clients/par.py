"""Pushed authorization requests (RFC 9126): the browser carries a reference to the parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from kapi.dataclass import dataclass
from kapi.errors import OAuthError
from kapi.identity.authorization.checks import checked
from kapi.identity.authorization.request import (
    AuthorizationRequest,
    RefusedRequest,
    RequestChecks,
)
from kapi.identity.authorization.sources import PUSHED_SECONDS, push
from kapi.identity.client_authentication import authenticate_client
from kapi.identity.client_authentication.method import ClientAuthentication
from kapi.identity.clients.clients import Client
from kapi.identity.protocol.forms import Form, check_media_type, parse_form
from kapi.identity.protocol.http import Answer, Request, json_answer
from kapi.identity.protocol.published import Published
from kapi.identity.protocol.waiting import quota_holder
from kapi.identity.provider import Provider
from kapi.identity.tokens.sender_constraint import ProofOfPossession, proven_key

methods = ("POST",)
quick = False
PATH = "/oauth2/par"
_NOT_KEPT = frozenset({"client_secret", "client_assertion", "client_assertion_type"})


def paths(published: Published) -> tuple[str, ...]:  # noqa: ARG001 - the endpoint contract
    """The path of the endpoint."""
    return (PATH,)


def metadata(published: Published) -> Mapping[str, Any]:
    """Its address, and whether it is required."""
    return {
        "pushed_authorization_request_endpoint": f"{published.base_url}{PATH}",
        "require_pushed_authorization_requests": published.identity.require_pushed_requests,
    }


@dataclass(frozen=True, slots=True)
class PushedRequests:
    """The values that pushed requests need."""

    clients: ClientAuthentication
    checks: RequestChecks
    proofs: ProofOfPossession
    new_secret: Callable[[], str]


def needs(provider: Provider) -> PushedRequests:
    """The values for clients and requests."""
    return PushedRequests(
        provider.client_authentication,
        provider.request_checks,
        provider.proofs,
        provider.new_secret,
    )


def answer(given: PushedRequests, request: Request) -> Answer:
    """Check the request like the authorization endpoint, and store it."""
    check_media_type(request.header("content-type") or "")
    form = parse_form(request.body)
    client = authenticate_client(
        given.clients, form.values, request.credentials, request.now
    )
    if form.get("request_uri") is not None:
        raise OAuthError(
            "invalid_request", "request_uri cannot be pushed (RFC 9126 2.1)"
        )
    kept = {}
    for name, value in form.values.items():
        if name not in _NOT_KEPT:
            kept[name] = value
    kept["client_id"] = client.id
    sent = AuthorizationRequest(Form(kept, form.repeated), request.now, pushed=True)
    try:
        parameters = checked(given.checks, sent).parameters
    except RefusedRequest as refused:
        raise refused.error from refused
    holder = quota_holder(given.checks.registry.clients, client, request.credentials)
    bound = _bound(given.proofs, request, client, parameters)
    secret = given.new_secret()
    uri = push(given.checks.records, secret, client, holder, bound, request.now)
    return json_answer({"request_uri": uri, "expires_in": PUSHED_SECONDS}, 201)


def _bound(
    proofs: ProofOfPossession, request: Request, client: Client, parameters: Form
) -> Form:
    """The parameters with the key of the request's DPoP proof, if any (RFC 9449 §10.1)."""
    credentials = request.credentials
    if not credentials.proofs:
        return parameters
    jkt = proven_key(proofs, credentials, request.now, client=client)
    if parameters.get("dpop_jkt") not in {None, jkt}:
        raise OAuthError(
            "invalid_dpop_proof",
            "dpop_jkt is not the key of the DPoP proof (RFC 9449 10.1)",
        )
    return Form({**parameters.values, "dpop_jkt": jkt}, parameters.repeated)
