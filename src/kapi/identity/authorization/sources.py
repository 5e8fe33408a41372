"""Where the parameters of an authorization request come from: the URL, a pushed request (RFC 9126), a request object (RFC 9101).

A check of the table in `checks.py`, after the client is known and before its redirect URI is.
"""

from __future__ import annotations

import dataclasses
import re

from kapi.errors import OAuthError
from kapi.identity.authorization.interactions import SECONDS as INTERACTION_SECONDS
from kapi.identity.authorization.request import AuthorizationRequest
from kapi.identity.authorization.request_objects import parameters_of
from kapi.identity.clients.clients import Client
from kapi.identity.clients.remote_documents import Busy, Unavailable
from kapi.identity.protocol.forms import Form
from kapi.identity.protocol.http import Credentials
from kapi.identity.protocol.waiting import MOST, MOST_OF_ALL, keep_waiting
from kapi.identity.provider import Provider
from kapi.jose import base64url
from kapi.store.records import Record, key_of

PUSHED_PREFIX = "urn:ietf:params:oauth:request_uri:"
PUSHED_SECONDS = 90
_KIND, _USED = "pushed-request", "used-pushed-request"
_HASH = re.compile(r"[A-Za-z0-9_-]{43}")
"""SHA-256 as base64url."""


def push(
    provider: Provider, client: Client, credentials: Credentials, parameters: Form, now: int
) -> str:
    """Keep the parameters of a request; the `request_uri` that stands for them, once. Raises OAuthError when too many wait."""
    secret = provider.new_secret()
    payload = {
        "client_id": client.id,
        "values": dict(parameters.values),
        "repeated": dict(parameters.repeated),
    }
    keep_waiting(
        provider,
        client,
        credentials,
        _KIND,
        Record(key_of(secret), "", payload, now + PUSHED_SECONDS),
        now,
    )
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
        key = key_of(uri.removeprefix(PUSHED_PREFIX))
        return dataclasses.replace(
            request, parameters=_pushed(provider, client, key, request.now), pushed_key=key
        )
    if not request.pushed and (
        settings.require_pushed_authorization_requests
        or provider.settings.identity.require_pushed_requests
    ):
        raise OAuthError(
            "invalid_request", "This client must push its authorization requests (RFC 9126)"
        )
    if uri is not None:
        text = _fetched(provider, client, uri, request.now)
    if text is not None:
        return dataclasses.replace(
            request, parameters=parameters_of(provider, client, text, request.now)
        )
    if settings.require_signed_request_object:
        raise OAuthError(
            "invalid_request", "This client must sign its authorization requests (RFC 9101)"
        )
    return request


def use_pushed(provider: Provider, request: AuthorizationRequest) -> bool:
    """Use up the pushed request that this one is from, when it is answered; False when an answer used it before."""
    if not request.pushed_key:
        return True
    # Of the pages that were opened with it, the last ends this late.
    ends = request.now + PUSHED_SECONDS + INTERACTION_SECONDS
    first = provider.records.add(_USED, Record(request.pushed_key, "", {}, ends), request.now)
    provider.records.delete(_KIND, request.pushed_key)
    return first


def _pushed(provider: Provider, client: Client, key: str, now: int) -> Form:
    """The parameters. The page that they lead to may be opened again: one use is one answer to the client (RFC 9126 §4)."""
    record = provider.records.get(_KIND, key, now)
    if record is None or record.payload["client_id"] != client.id:
        detail = "request_uri is unknown, expired, used before, or was pushed by another client"
        raise OAuthError("invalid_request_uri", detail)
    # From now on it makes room for another one; it stays so that the page can be loaded again.
    opened = provider.records.open(_KIND, key, now, most=MOST, of_all=MOST_OF_ALL)
    held = (opened or record).payload
    return Form(held["values"], {name: tuple(values) for name, values in held["repeated"].items()})


def _fetched(provider: Provider, client: Client, uri: str, now: int) -> str:
    """A request object at an address that the client registered (OpenID Connect Core §6.2).

    The address must be a registered one, but for the fragment. It is fetched for each request: what is
    there may change. A fragment that is a hash must be the hash of what is there.
    """
    address, _, fragment = uri.partition("#")
    if address not in {known.partition("#")[0] for known in client.settings.request_uris}:
        raise OAuthError("invalid_request_uri", "request_uri is not one that the client registered")
    try:
        content = provider.documents.fetch_new(address, now)
        text = content.decode("ascii").strip()
    except Busy as error:
        later = (("retry-after", "5"),)
        raise OAuthError(
            "temporarily_unavailable", str(error), status=503, headers=later
        ) from error
    except (Unavailable, UnicodeDecodeError) as error:
        raise OAuthError(
            "invalid_request_uri", "The request object could not be fetched from request_uri"
        ) from error
    digest = base64url.sha256(content)
    if _HASH.fullmatch(fragment) and fragment != digest:
        detail = "The fragment of request_uri is not the hash of the request object there"
        raise OAuthError("invalid_request_uri", detail)
    return text
