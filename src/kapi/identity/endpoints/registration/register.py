"""Dynamic client registration (RFC 7591) at APK's path, as `RegistrationSettings` allow it."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Any

from kapi.errors import OAuthError
from kapi.identity.client_policy import ANYTHING, client_policy
from kapi.identity.clients.metadata import RegistrationError, shown
from kapi.identity.clients.registration import Registration, register
from kapi.identity.protocol.http import NO_STORE, Answer, Request, json_answer
from kapi.identity.protocol.published import Published
from kapi.identity.provider import Provider
from kapi.identity.tokens.access_tokens import bearer
from kapi.json_reading import NotJson, read_object
from kapi.store.audit import Event

methods = ("POST",)
quick = False
PATH = "/dcr/register"
SCOPE = "kapi:clients"
"""Scope of an access token that may register clients."""


def paths(published: Published) -> tuple[str, ...]:  # noqa: ARG001 - the endpoint contract
    """With and without APK's version."""
    return (PATH, "/dcr/1.0.0/register")


def metadata(published: Published) -> Mapping[str, Any]:
    """The registration endpoint of the metadata (RFC 8414 §2)."""
    return {"registration_endpoint": f"{published.base_url}{PATH}"}


def answer(provider: Provider, request: Request) -> Answer:
    """Register a client; its secrets are returned once."""
    identity = provider.settings.identity
    scopes = identity.registration.scopes
    if _is_trusted(provider, request):
        scopes = ANYTHING
    policy = client_policy(identity, provider.keyring.algorithms, scopes)
    registered = register(
        provider.registered,
        json_body(request),
        policy,
        documents=provider.documents,
        random_bytes=provider.random_bytes,
        new_id=provider.new_id,
        now=request.now,
    )
    provider.use_clients()
    client = registered.client.id
    provider.record(Event("client.register", target=client, address=request.peer))
    return registration_answer(provider.base_url, registered, 201)


def registration_answer(base_url: str, registered: Registration, status: int) -> Answer:
    """The client information response (RFC 7591 §3.2.1)."""
    made = shown(registered.client)
    if registered.secret:
        made |= {"client_secret": registered.secret, "client_secret_expires_at": 0}
    if registered.token:
        made |= {"registration_access_token": registered.token}
    made["registration_client_uri"] = f"{base_url}{PATH}/{registered.client.id}"
    return json_answer(made, status, NO_STORE)


def json_body(request: Request) -> Any:
    """The body as JSON. Raises RegistrationError."""
    media_type = (
        (request.header("content-type") or "").partition(";")[0].strip().lower()
    )
    if media_type != "application/json":
        raise RegistrationError(
            "invalid_client_metadata", "The body must be application/json"
        )
    try:
        return read_object(request.body)
    except NotJson as error:
        raise RegistrationError(
            "invalid_client_metadata", f"The body is not a JSON object: {error}"
        ) from error


def _is_initial_token(authorization: str, expected: str) -> bool:
    """Whether an Authorization header contains the initial access token of the settings."""
    scheme, _, token = authorization.partition(" ")
    if not expected or scheme.lower() != "bearer":
        return False
    return hmac.compare_digest(
        token.strip(" ").encode("latin-1", "replace"), expected.encode()
    )


def _is_trusted(provider: Provider, request: Request) -> bool:
    """Whether the caller has a token for registration; False if none is needed."""
    registration = provider.settings.identity.registration
    authorization = request.header("authorization")
    if authorization is None and registration.open and provider.on_loopback:
        return False
    if _is_initial_token(authorization or "", registration.initial_access_token):
        return True
    try:
        token = bearer(provider.own_access_tokens, request, SCOPE)
    except OAuthError as error:
        if error.status != 401 or "error=" in error.challenge:
            raise
        hint = (
            "Registration needs an initial access token,"
            f" or an access token with the scope {SCOPE}"
        )
        raise OAuthError(
            "invalid_token", hint, status=401, challenge=error.challenge
        ) from error
    # As at the clients API: such a client may have any scope, of no organization.
    if token.claims.get("organization", "") not in {
        "",
        provider.settings.apis.organization,
    }:
        raise OAuthError(
            "access_denied",
            "The access token is of one organization, clients of all",
            status=403,
        )
    return True
