"""Where the parameters of an authorization request come from: the URL, a pushed request (RFC 9126), a request object (RFC 9101).

A check of the table in `checks.py`, after the client is known and before its redirect URI is.
"""

from __future__ import annotations

import dataclasses

from kapi.errors import OAuthError
from kapi.identity.authorization.request import AuthorizationRequest
from kapi.identity.authorization.request_objects import parameters_of
from kapi.identity.clients import Client
from kapi.identity.forms import Form
from kapi.identity.http import Credentials
from kapi.identity.provider import Provider
from kapi.identity.remote_documents import Unavailable
from kapi.identity.waiting import keep_waiting
from kapi.store.records import Record, key_of

PUSHED_PREFIX = "urn:ietf:params:oauth:request_uri:"
PUSHED_SECONDS = 90
_KIND = "pushed-request"


def push(provider: Provider, client: Client, credentials: Credentials, parameters: Form, now: int) -> str:
    """Keep the parameters of a request; the `request_uri` that stands for them, once. Raises OAuthError when too many wait."""
    secret = provider.new_secret()
    payload = {"client_id": client.id, "values": dict(parameters.values), "repeated": dict(parameters.repeated)}
    keep_waiting(provider, client, credentials, _KIND, Record(key_of(secret), "", payload, now + PUSHED_SECONDS), now)
    return f"{PUSHED_PREFIX}{secret}"


def parameters(provider: Provider, request: AuthorizationRequest) -> AuthorizationRequest:
    """The request with the parameters that count. Raises OAuthError."""
    if request.resumed:
        return request
    form, client, settings = request.parameters, request.client, request.client.settings
    uri, text = form.get("request_uri"), form.get("request")
    if uri is not None and text is not None:
        raise OAuthError("invalid_request", "request and request_uri exclude each other")
    if uri is not None and uri.startswith(PUSHED_PREFIX):
        return dataclasses.replace(request, parameters=_pushed(provider, client, uri, request.now))
    if not request.pushed and (settings.require_pushed_authorization_requests or provider.settings.identity.require_pushed_requests):
        raise OAuthError("invalid_request", "This client must push its authorization requests (RFC 9126)")
    if uri is not None:
        text = _fetched(provider, client, uri, request.now)
    if text is not None:
        return dataclasses.replace(request, parameters=parameters_of(provider, client, text, request.now))
    if settings.require_signed_request_object:
        raise OAuthError("invalid_request", "This client must sign its authorization requests (RFC 9101)")
    return request


def _pushed(provider: Provider, client: Client, uri: str, now: int) -> Form:
    key = key_of(uri.removeprefix(PUSHED_PREFIX))
    record = provider.records.get(_KIND, key, now)
    # Another client must not be able to use up what it may not use.
    taken = provider.records.pop(_KIND, key, now) if record is not None and record.payload["client_id"] == client.id else None
    if taken is None:
        detail = "request_uri is unknown, expired, used before, or was pushed by another client"
        raise OAuthError("invalid_request_uri", detail)
    held = taken.payload
    return Form(held["values"], {name: tuple(values) for name, values in held["repeated"].items()})


def _fetched(provider: Provider, client: Client, uri: str, now: int) -> str:
    """A request object at an address that the client registered, to the letter but for the fragment (OpenID Connect Core §6.2)."""
    if uri.partition("#")[0] not in {known.partition("#")[0] for known in client.settings.request_uris}:
        raise OAuthError("invalid_request_uri", "request_uri is not one that the client registered")
    try:
        return provider.documents.get(uri.partition("#")[0], now, fresh=True).decode("ascii").strip()
    except (Unavailable, UnicodeDecodeError) as error:
        raise OAuthError("invalid_request_uri", "The request object could not be fetched from request_uri") from error
