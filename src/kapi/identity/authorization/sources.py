"""The sources of parameters: the URL, a pushed request (RFC 9126), a request object (RFC 9101).

A check of the table in `checks.py`, between the client and its redirect URI.
"""

from __future__ import annotations

import dataclasses
import re

from kapi.errors import OAuthError
from kapi.identity.authorization.interactions import SECONDS as INTERACTION_SECONDS
from kapi.identity.authorization.request import AuthorizationRequest, RequestChecks
from kapi.identity.authorization.request_objects import parameters_of
from kapi.identity.clients.clients import Client
from kapi.identity.clients.remote_documents import Busy, RemoteDocuments, Unavailable
from kapi.identity.protocol.forms import Form, form_from
from kapi.identity.protocol.waiting import MOST, MOST_OF_ALL, keep_waiting
from kapi.jose import base64url
from kapi.settings import IdentitySettings
from kapi.store.records import Record, Records, key_of

PUSHED_PREFIX = "urn:ietf:params:oauth:request_uri:"
PUSHED_SECONDS = 90
_KIND, _USED = "pushed-request", "used-pushed-request"
_HASH = re.compile(r"[A-Za-z0-9_-]{43}")
"""SHA-256 as base64url."""


def push(
    records: Records,
    secret: str,
    client: Client,
    holder: str,
    parameters: Form,
    now: int,
) -> str:
    """Store the parameters of a request; returns their `request_uri`, with `secret` in it.

    Raises OAuthError when the quota of `holder` is used up.
    """
    payload = {
        "client_id": client.id,
        "values": dict(parameters.values),
        "repeated": dict(parameters.repeated),
    }
    record = Record(key_of(secret), "", payload, now + PUSHED_SECONDS)
    keep_waiting(records, holder, _KIND, record, now)
    return f"{PUSHED_PREFIX}{secret}"


def parameters(
    checks: RequestChecks, request: AuthorizationRequest
) -> AuthorizationRequest:
    """The request with the parameters of its source. Raises OAuthError."""
    if request.resumed:
        return request
    client, now = request.client, request.now
    uri, text = request.parameters.get("request_uri"), request.parameters.get("request")
    if uri is not None and text is not None:
        raise OAuthError(
            "invalid_request", "request and request_uri exclude each other"
        )
    if uri is not None and uri.startswith(PUSHED_PREFIX):
        key = key_of(uri.removeprefix(PUSHED_PREFIX))
        pushed = _pushed(checks.records, client, key, now)
        return dataclasses.replace(request, parameters=pushed, pushed_key=key)
    if not request.pushed and _must_push(checks.identity, client):
        raise OAuthError(
            "invalid_request",
            "This client must push its authorization requests (RFC 9126)",
        )
    if uri is not None:
        text = _fetched(checks.registry.documents, client, uri, now)
    if text is not None:
        return dataclasses.replace(
            request, parameters=parameters_of(checks, client, text, now)
        )
    if client.settings.require_signed_request_object:
        raise OAuthError(
            "invalid_request",
            "This client must sign its authorization requests (RFC 9101)",
        )
    return request


def _must_push(identity: IdentitySettings, client: Client) -> bool:
    return (
        client.settings.require_pushed_authorization_requests
        or identity.require_pushed_requests
    )


def use_pushed(records: Records, request: AuthorizationRequest) -> bool:
    """Mark the pushed request of an answered request as used; False when it was used before."""
    if not request.pushed_key:
        return True
    # The last of the pages that were opened with it expires then.
    ends = request.now + PUSHED_SECONDS + INTERACTION_SECONDS
    first = records.add(_USED, Record(request.pushed_key, "", {}, ends), request.now)
    records.delete(_KIND, request.pushed_key)
    return first


def _pushed(records: Records, client: Client, key: str, now: int) -> Form:
    """The parameters. The page may be loaded again: one use is one answer (RFC 9126 §4)."""
    record = records.get(_KIND, key, now)
    if record is None or record.payload["client_id"] != client.id:
        detail = "request_uri is unknown, expired, used before, or was pushed by another client"
        raise OAuthError("invalid_request_uri", detail)
    # It does not count for the quota any more, and is kept so that the page can be loaded again.
    opened = records.open(_KIND, key, now, most=MOST, of_all=MOST_OF_ALL)
    return form_from((opened or record).payload)


def _fetched(documents: RemoteDocuments, client: Client, uri: str, now: int) -> str:
    """A request object at an address that the client registered (OpenID Connect Core §6.2).

    The address must be a registered one, except for the fragment. It is fetched for each request,
    because it may change. A fragment that is a hash must be the hash of the content.
    """
    address, _, fragment = uri.partition("#")
    if address not in {
        known.partition("#")[0] for known in client.settings.request_uris
    }:
        raise OAuthError(
            "invalid_request_uri", "request_uri is not one that the client registered"
        )
    try:
        content = documents.fetch_new(address, now)
        text = content.decode("ascii").strip()
    except Busy as error:
        later = (("retry-after", "5"),)
        raise OAuthError(
            "temporarily_unavailable", str(error), status=503, headers=later
        ) from error
    except (Unavailable, UnicodeDecodeError) as error:
        raise OAuthError(
            "invalid_request_uri",
            "The request object could not be fetched from request_uri",
        ) from error
    digest = base64url.sha256(content)
    if _HASH.fullmatch(fragment) and fragment != digest:
        detail = (
            "The fragment of request_uri is not the hash of the request object there"
        )
        raise OAuthError("invalid_request_uri", detail)
    return text
