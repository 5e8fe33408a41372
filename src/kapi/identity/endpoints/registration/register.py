"""Dynamic client registration (RFC 7591) at APK's path, as `RegistrationSettings` allow it."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from typing import Any

from kapi.addresses import is_loopback
from kapi.audit import Record
from kapi.dataclass import dataclass
from kapi.errors import OAuthError
from kapi.identity.client_policy import ANYTHING, client_policy
from kapi.identity.clients.metadata import Policy, RegistrationError, shown
from kapi.identity.clients.registration import Registration, register
from kapi.identity.clients.registry import ClientRegistry
from kapi.identity.protocol.http import NO_STORE, Answer, Request, json_answer
from kapi.identity.protocol.published import Published
from kapi.identity.provider import Provider
from kapi.identity.tokens.access_tokens import OwnAccessTokens, bearer
from kapi.json_reading import NotJson, read_object
from kapi.settings import Settings
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


@dataclass(frozen=True, slots=True)
class Registering:
    """The values that registration, changes and removal of clients need."""

    settings: Settings
    algorithms: tuple[str, ...]
    """The provider's signing algorithms."""
    registry: ClientRegistry
    tokens: OwnAccessTokens
    base_url: str
    """The URL of the provider's root."""
    random_bytes: Callable[[int], bytes]
    new_id: Callable[[], str]
    record: Record
    """Appends to the audit log."""

    def policy(self, scopes: tuple[str, ...]) -> Policy:
        """The policy for a client that may have these scopes."""
        return client_policy(self.settings.identity, self.algorithms, scopes)


def needs(provider: Provider) -> Registering:
    """The values for clients and access tokens."""
    return Registering(
        settings=provider.settings,
        algorithms=provider.keyring.algorithms,
        registry=provider.registry,
        tokens=provider.own_access_tokens,
        base_url=provider.base_url,
        random_bytes=provider.random_bytes,
        new_id=provider.new_id,
        record=provider.record,
    )


def answer(given: Registering, request: Request) -> Answer:
    """Register a client; its secrets are returned once."""
    scopes = given.settings.identity.registration.scopes
    if _is_trusted(given, request):
        scopes = ANYTHING
    registered = register(
        given.registry.registered,
        json_body(request),
        given.policy(scopes),
        documents=given.registry.documents,
        random_bytes=given.random_bytes,
        new_id=given.new_id,
        now=request.now,
    )
    given.registry.refresh()
    client = registered.client.id
    given.record(Event("client.register", target=client, address=request.peer))
    return registration_answer(given.base_url, registered, 201)


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


def _is_trusted(given: Registering, request: Request) -> bool:
    """Whether the caller has a token for registration; False if none is needed."""
    registration = given.settings.identity.registration
    authorization = request.header("authorization")
    if (
        authorization is None
        and registration.open
        and is_loopback(given.settings.gateway.listen)
    ):
        return False
    if _is_initial_token(authorization or "", registration.initial_access_token):
        return True
    try:
        token = bearer(given.tokens, request, SCOPE)
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
        given.settings.apis.organization,
    }:
        raise OAuthError(
            "access_denied",
            "The access token is of one organization, clients of all",
            status=403,
        )
    return True
