"""Reads, replaces or removes a client by its registration access token (RFC 7592)."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Any

from kapi.errors import OAuthError
from kapi.identity.client_policy import ANYTHING
from kapi.identity.clients.registration import Registration, change
from kapi.identity.endpoints.registration import register
from kapi.identity.endpoints.registration.register import (
    PATH,
    Registering,
    json_body,
    registration_answer,
)
from kapi.identity.protocol.http import NO_STORE, Answer, Request
from kapi.identity.protocol.published import Published
from kapi.identity.provider import Provider
from kapi.store.audit import Event
from kapi.store.records import key_of
from kapi.store.registered_clients import RegisteredClient, RegisteredClients

methods = ("GET", "PUT", "DELETE")
quick = False


def paths(published: Published) -> tuple[str, ...]:  # noqa: ARG001 - the endpoint contract
    """The paths below registration."""
    return (f"{PATH}/", "/dcr/1.0.0/register/")


def metadata(published: Published) -> Mapping[str, Any]:  # noqa: ARG001
    """Nothing: a client gets its address with its registration."""
    return {}


def needs(provider: Provider) -> Registering:
    """The same values as for registration."""
    return register.needs(provider)


def answer(given: Registering, request: Request) -> Answer:
    """The client of the path; its token is valid for it only."""
    client = _authorized(given.registry.registered, request)
    if request.method == "GET":
        return registration_answer(given.base_url, Registration(client), 200)
    if request.method == "DELETE":
        given.registry.registered.remove(client.id)
        given.registry.refresh()
        given.record(Event("client.unregister", target=client.id, address=request.peer))
        return Answer(204, NO_STORE)
    # A client may give up scopes, but not add any.
    scopes = tuple(client.metadata["settings"]["scopes"]) or ANYTHING
    policy = given.policy(scopes)
    changed = change(
        given.registry.registered,
        client,
        json_body(request),
        policy,
        documents=given.registry.documents,
        random_bytes=given.random_bytes,
        now=request.now,
    )
    if changed is None:
        raise _unauthorized()
    given.registry.refresh()
    given.record(Event("client.change", target=client.id, address=request.peer))
    return registration_answer(given.base_url, changed, 200)


def _authorized(registered: RegisteredClients, request: Request) -> RegisteredClient:
    """The client of the path. The answer for an unknown client is that for a wrong token."""
    scheme, _, token = (request.header("authorization") or "").partition(" ")
    client, expected = registered.get(request.path.rpartition("/")[2]), ""
    if client is not None:
        expected = client.token_key
    same = hmac.compare_digest(key_of(token.strip(" ")), expected or "-" * 64)
    if client is None or not same or scheme.lower() != "bearer":
        raise _unauthorized(is_sent=bool(token))
    return client


def _unauthorized(*, is_sent: bool = True) -> OAuthError:
    challenge = 'Bearer realm="kapi"'
    if is_sent:
        challenge += ', error="invalid_token"'
    detail = "Send the registration_access_token of this client"
    return OAuthError("invalid_token", detail, status=401, challenge=challenge)
