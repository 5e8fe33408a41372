"""The inbuilt identity provider over HTTP: a pure ASGI callable, the hot path of the identity workers.

No framework between the socket and the token endpoint: a table of paths, a form of at most 64 kB, one place where
every OAuthError becomes RFC 6749 §5.2 JSON.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import uuid_utils

from kapi.errors import OAuthError
from kapi.front.web.draining import App, Message, Receive, Send, discard_body
from kapi.identity.clients import Clients
from kapi.identity.discovery import JWKS_PATHS, TOKEN_PATHS, metadata, metadata_paths
from kapi.identity.grants import GRANTS
from kapi.identity.keys import SigningKey, etag, jwks
from kapi.identity.token_endpoint import TokenEndpoint
from kapi.identity.tokens import Minter
from kapi.settings import Settings

LARGEST_FORM = 64 * 1024
FORM_SECONDS = 10.0
_LOG = logging.getLogger("kapi.identity")
_NOT_FOUND = b'{"error":"not_found","error_description":"There is nothing at this path"}'
_ANY_ORIGIN = (b"access-control-allow-origin", b"*")
_TOKEN_HEADERS = [
    (b"content-type", b"application/json"),
    (b"cache-control", b"no-store"),
    (b"pragma", b"no-cache"),
    _ANY_ORIGIN,
]


@dataclass(frozen=True, slots=True)
class _Document:
    """A public document that never changes while the process lives."""

    body: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    tag: bytes

    @classmethod
    def of(cls, body: bytes, cache_control: str) -> _Document:
        tag = etag(body).encode()
        headers = ((b"content-type", b"application/json"), (b"cache-control", cache_control.encode()), (b"etag", tag), _ANY_ORIGIN)
        return cls(body, headers, tag)


def build_identity_app(settings: Settings, signing_keys: Sequence[SigningKey], now: Callable[[], float]) -> App:
    """The ASGI application of an identity worker. `now` gives seconds since the epoch."""
    identity = settings.identity
    minter = Minter(signing_keys[0], identity.issuer, identity.token_lifetime, identity.default_audience, lambda: str(uuid_utils.uuid7()))
    endpoint = TokenEndpoint(Clients(identity.clients, os.urandom(16)), GRANTS, minter)
    document = _Document.of(metadata(settings, GRANTS), "public, max-age=300")
    keys = _Document.of(jwks(signing_keys), "public, max-age=300")
    documents: dict[str, _Document] = dict.fromkeys(metadata_paths(identity.issuer), document)
    documents |= dict.fromkeys(JWKS_PATHS, keys)
    documents["/health"] = _Document.of(b'{"health":"Ok"}', "no-store")
    token_paths = frozenset(TOKEN_PATHS)

    async def app(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        path = scope["path"]
        try:
            if path in token_paths:
                await _token(endpoint, now, scope, receive, send)
            elif (found := documents.get(path)) is not None:
                await _public(found, scope, send)
            else:
                await _send(send, 404, [(b"content-type", b"application/json")], _NOT_FOUND)
        except Exception:
            _LOG.exception("%s %s failed", scope["method"], path)
            await _send(send, 500, _TOKEN_HEADERS, b'{"error":"server_error","error_description":"The request could not be processed"}')

    return app


async def _token(endpoint: TokenEndpoint, now: Callable[[], float], scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
    untouched = True
    try:
        if scope["method"] != "POST":
            if scope["method"] == "OPTIONS":
                await _preflight(send)
                return
            raise OAuthError("invalid_request", "The token endpoint takes POST requests only", status=405, allow="POST")
        authorization = _checked_headers(scope["headers"])
        untouched = False
        body = await _read_body(receive)
        if body is None:
            return
        answer = endpoint.answer(body, authorization, int(now()))
    except OAuthError as error:
        if untouched:
            await discard_body(receive)
        await _send_error(send, error)
        return
    content = orjson.dumps(
        {"access_token": answer.access_token, "token_type": "Bearer", "expires_in": answer.expires_in, "scope": answer.scope}
    )
    await _send(send, 200, _TOKEN_HEADERS, content)


def _checked_headers(headers: Sequence[tuple[bytes, bytes]]) -> str | None:
    """The Authorization header, if any; refuses what is not a form or too large. Raises OAuthError."""
    authorization: str | None = None
    content_type = b""
    for name, value in headers:
        if name == b"authorization":
            if authorization is not None:
                raise OAuthError("invalid_request", "More than one Authorization header")
            authorization = value.decode("latin-1")
        elif name == b"content-type":
            content_type = value
        elif name == b"content-length" and value.isdigit() and int(value) > LARGEST_FORM:
            raise _too_large()
    if content_type != b"application/x-www-form-urlencoded":
        media_type, _, parameters = content_type.decode("latin-1").lower().partition(";")
        charset = parameters.strip().replace('"', "")
        if media_type.strip() != "application/x-www-form-urlencoded" or charset not in {"", "charset=utf-8"}:
            raise OAuthError("invalid_request", "The body must be application/x-www-form-urlencoded in UTF-8 (RFC 6749 3.2)")
    return authorization


async def _read_body(receive: Receive) -> bytes | None:
    """The whole body; None when the caller went away. Raises OAuthError when it is too large or too slow."""
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body", False):
        body: bytes = message.get("body", b"")
        if len(body) > LARGEST_FORM:
            raise _too_large()
        return body
    try:
        async with asyncio.timeout(FORM_SECONDS):
            return await _read_rest(message, receive)
    except TimeoutError:
        raise OAuthError("invalid_request", "The body did not arrive in time", status=408) from None


async def _read_rest(message: Message, receive: Receive) -> bytes | None:
    body = b""
    while message["type"] == "http.request":
        piece: bytes = message.get("body", b"")
        body += piece
        more = message.get("more_body", False)
        if len(body) > LARGEST_FORM:
            if more:
                await discard_body(receive)
            raise _too_large()
        if not more:
            return body
        message = await receive()
    return None


def _too_large() -> OAuthError:
    return OAuthError("invalid_request", f"The body is larger than {LARGEST_FORM} bytes", status=413)


async def _public(document: _Document, scope: Mapping[str, Any], send: Send) -> None:
    method = scope["method"]
    if method == "OPTIONS":
        await _preflight(send)
    elif method not in {"GET", "HEAD"}:
        await _send_error(send, OAuthError("invalid_request", "This path takes GET requests only", status=405, allow="GET, HEAD"))
    elif any(name == b"if-none-match" and document.tag in value for name, value in scope["headers"]):
        await _send(send, 304, [*document.headers], b"")
    else:
        await _send(send, 200, [*document.headers], document.body, head=method == "HEAD")


async def _preflight(send: Send) -> None:
    headers = [
        _ANY_ORIGIN,
        (b"access-control-allow-methods", b"GET, POST"),
        (b"access-control-allow-headers", b"authorization, content-type"),
        (b"access-control-max-age", b"86400"),
    ]
    await _send(send, 204, headers, b"")


async def _send_error(send: Send, error: OAuthError) -> None:
    headers = list(_TOKEN_HEADERS)
    if error.challenge:
        headers.append((b"www-authenticate", error.challenge.encode("ascii")))
    if error.allow:
        headers.append((b"allow", error.allow.encode("ascii")))
    await _send(send, error.status, headers, orjson.dumps({"error": error.error, "error_description": error.detail}))


async def _send(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes, *, head: bool = False) -> None:
    length = [] if status in {204, 304} else [(b"content-length", str(len(body)).encode("ascii"))]
    await send({"type": "http.response.start", "status": status, "headers": [*headers, *length]})
    await send({"type": "http.response.body", "body": b"" if head else body})
