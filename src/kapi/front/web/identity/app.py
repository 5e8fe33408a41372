"""The inbuilt provider over HTTP: a pure ASGI callable, the hot path of identity workers.

It has a table of paths, reads bodies of at most 64 kB, and turns every OAuthError into JSON
(RFC 6749 §5.2). Requests that use the store run in a thread, so that they do not delay signatures.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any

import orjson

from kapi.errors import FULL, OAuthError, StorageBusy, StorageError, StorageFull
from kapi.front.web.http.addresses import address_of
from kapi.front.web.http.draining import App, Message, Receive, Send, discard_body
from kapi.front.web.identity.failures import tell_failure
from kapi.identity.clients.fetch_places import PLACES
from kapi.identity.endpoints import ENDPOINTS, Endpoint
from kapi.identity.grants import token_grants
from kapi.identity.protocol.forms import check_media_type, parse_form
from kapi.identity.protocol.http import (
    Answer,
    Credentials,
    Headers,
    Request,
    error_answer,
    network_of,
)
from kapi.identity.protocol.published import Published
from kapi.identity.provider import Provider
from kapi.identity.token_endpoint import PATHS as TOKEN_PATHS
from kapi.identity.token_endpoint import TokenEndpoint

LARGEST_FORM = 64 * 1024
FORM_SECONDS = 10.0
_THREADS = PLACES + 16
"""More than the documents of clients can occupy. A thread starts when it is needed."""
_LOG = logging.getLogger("kapi.identity")
_NOT_FOUND = Answer(
    404,
    (("content-type", "application/json"),),
    b'{"error":"not_found","error_description":"There is nothing at this path"}',
)
_FAILED = OAuthError("server_error", "The request could not be processed", status=500)
TOKEN_HEADERS = [
    (b"content-type", b"application/json"),
    (b"cache-control", b"no-store"),
    (b"pragma", b"no-cache"),
    (b"access-control-allow-origin", b"*"),
]


def _of_storage(error: Exception) -> OAuthError | None:
    """The answer to an error of the data directory; None for other errors."""
    if isinstance(error, OSError) and error.errno in FULL:
        error = StorageFull()
    if isinstance(error, StorageBusy):
        return OAuthError(
            "temporarily_unavailable",
            f"{error.title}: {error.hint}",
            status=error.status,
            headers=(("retry-after", "2"),),
        )
    if isinstance(error, StorageError):
        return OAuthError(
            "server_error", f"{error.title}: {error.hint}", status=error.status
        )
    return None


class _Table:
    """Endpoints by path: exact ones, then the longest prefix that ends in `/`; `/` is exact."""

    def __init__(self, published: Published, endpoints: Sequence[Endpoint]) -> None:
        self._exact: dict[str, Endpoint] = {}
        self._below: list[tuple[str, Endpoint]] = []
        for endpoint in endpoints:
            for path in endpoint.paths(published):
                if _includes_below(path):
                    self._below.append((path, endpoint))
                else:
                    self._exact[path] = endpoint
        self._below.sort(key=lambda row: -len(row[0]))

    def find(self, path: str) -> Endpoint | None:
        if path in self._exact:
            return self._exact[path]
        for prefix, endpoint in self._below:
            if path.startswith(prefix):
                return endpoint
        return None


def _includes_below(path: str) -> bool:
    return path.endswith("/") and path != "/"


def token_endpoint_of(provider: Provider) -> TokenEndpoint:
    """The token endpoint with the grants that the settings offer."""
    return TokenEndpoint(provider, token_grants(provider.settings.identity))


class TokenEndpoints:
    """The token endpoint under each name of the provider's host."""

    def __init__(self, provider: Provider) -> None:
        self._main = token_endpoint_of(provider)
        self._others = {
            host.encode("ascii"): token_endpoint_of(other)
            for host, other in provider.by_host.items()
        }

    def of(self, headers: Sequence[tuple[bytes, bytes]]) -> TokenEndpoint:
        """That of the host that a request names."""
        return self._others.get(_host_in(headers), self._main)


def _host_in(headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    """The host without port, in small letters. Envoy has checked that there is one."""
    for name, value in headers:
        if name == b"host":
            return value.partition(b":")[0].lower()
    return b""


def build_identity_app(provider: Provider, now: Callable[[], float]) -> App:
    """The ASGI application of an identity worker. `now` gives seconds since the epoch."""
    token_endpoints = TokenEndpoints(provider)
    main = (provider, _Table(provider.published, ENDPOINTS))
    others = {
        host.encode("ascii"): (other, _Table(other.published, ENDPOINTS))
        for host, other in provider.by_host.items()
    }
    token_paths = frozenset(TOKEN_PATHS)
    threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="identity")

    async def app(
        scope: MutableMapping[str, Any], receive: Receive, send: Send
    ) -> None:
        if scope["type"] != "http":
            return
        path = scope["path"]
        named, table = others.get(_host_in(scope["headers"]), main)
        try:
            if path in token_paths:
                endpoint_of_host = token_endpoints.of(scope["headers"])
                await _token(endpoint_of_host, now, threads, scope, receive, send)
            elif (endpoint := table.find(path)) is not None:
                await _endpoint(endpoint, named, now, threads, scope, receive, send)
            else:
                await discard_body(receive)
                await _send(send, _NOT_FOUND)
        except Exception as error:
            known = _of_storage(error)
            _LOG.error(
                "%s %s failed: %s",
                scope["method"],
                path,
                known.detail if known else error,
                exc_info=not known,
            )
            await _send(send, error_answer(known or _FAILED))

    return app


async def _token(
    endpoint: TokenEndpoint,
    now: Callable[[], float],
    threads: Executor,
    scope: Mapping[str, Any],
    receive: Receive,
    send: Send,
) -> None:
    unread = True
    try:
        if scope["method"] != "POST":
            if scope["method"] == "OPTIONS":
                await _preflight(send)
                return
            raise OAuthError(
                "invalid_request",
                "The token endpoint takes POST requests only",
                status=405,
                allow="POST",
            )
        credentials = checked_headers(scope["headers"], scope["path"])
        unread = False
        body = await _read_body(receive)
        if body is None:
            return
        form = parse_form(body)
        if endpoint.quick(form, credentials):
            members = endpoint.answer(form, credentials, int(now()))
        else:
            members = await _in(threads, endpoint.answer, form, credentials, int(now()))
    except OAuthError as error:
        if unread:
            await discard_body(receive)
        tell_failure(endpoint.provider.record_later, error, scope["headers"])
        await _send(send, error_answer(error))
        return
    content = orjson.dumps(members)
    headers = [*TOKEN_HEADERS, (b"content-length", str(len(content)).encode("ascii"))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": content})


def checked_headers(headers: Sequence[tuple[bytes, bytes]], path: str) -> Credentials:
    """The credentials in the headers. Raises OAuthError if the body is too large or not a form."""
    authorization = certificate = None
    proofs: tuple[str, ...] = ()
    content_type = ""
    for name, value in headers:
        if name == b"authorization":
            if authorization is not None:
                raise OAuthError(
                    "invalid_request", "More than one Authorization header"
                )
            authorization = value.decode("latin-1")
        elif name == b"content-type":
            content_type = value.decode("latin-1")
        elif (
            name == b"content-length" and value.isdigit() and int(value) > LARGEST_FORM
        ):
            raise _too_large()
        elif name == b"dpop":
            proofs = (*proofs, value.decode("latin-1"))
        elif name == b"x-kapi-client-certificate":
            certificate = value.decode("latin-1")
    check_media_type(content_type)
    # The network is needed for the quota of DPoP proofs only.
    network = network_of(address_of(headers)) if proofs else ""
    return Credentials(authorization, proofs, certificate, "POST", path, network)


async def _endpoint(
    endpoint: Endpoint,
    provider: Provider,
    now: Callable[[], float],
    threads: Executor,
    scope: Mapping[str, Any],
    receive: Receive,
    send: Send,
) -> None:
    method = scope["method"]
    unread = True
    try:
        if method == "OPTIONS" and getattr(endpoint, "cross_origin", True):
            await _preflight(send)
            return
        _check_method(endpoint, method)
        headers = tuple(
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, value in scope["headers"]
        )
        _check_length(headers)
        unread = False
        body = await _read_body(receive)
        if body is None:
            return
        query = scope.get("query_string", b"").decode("latin-1")
        request = Request(method, scope["path"], query, headers, body, int(now()))
        if _is_quick(endpoint, request):
            answer = _answered(endpoint, provider, request)
        else:
            answer = await _in(threads, _answered, endpoint, provider, request)
    except OAuthError as error:
        if unread:
            await discard_body(receive)
        tell_failure(provider.record_later, error, scope["headers"])
        answer = error_answer(error)
    await _send(send, answer, head=method == "HEAD")


def _answered(endpoint: Endpoint, provider: Provider, request: Request) -> Answer:
    """The answer of an endpoint, which is given what it needs. Raises OAuthError."""
    return endpoint.answer(endpoint.needs(provider), request)


def _check_method(endpoint: Endpoint, method: str) -> None:
    """Raise OAuthError 405 for a method that the endpoint does not have. GET includes HEAD."""
    allowed = ("GET", "HEAD") if endpoint.methods == ("GET",) else endpoint.methods
    if method in allowed:
        return
    names = ", ".join(allowed)
    description = f"This path takes {names} requests only"
    raise OAuthError("invalid_request", description, status=405, allow=names)


def _check_length(headers: Headers) -> None:
    """Raise OAuthError 413 for a body whose declared length is too large."""
    for name, value in headers:
        if name == "content-length" and value.isdigit() and int(value) > LARGEST_FORM:
            raise _too_large()


def _is_quick(endpoint: Endpoint, request: Request) -> bool:
    """Whether the endpoint answers without the store, so that it needs no thread."""
    if isinstance(endpoint.quick, bool):
        return endpoint.quick
    return endpoint.quick(request)


async def _in(threads: Executor, work: Callable[..., Any], *arguments: Any) -> Any:
    return await asyncio.get_running_loop().run_in_executor(threads, work, *arguments)


async def _read_body(receive: Receive) -> bytes | None:
    """The whole body; None if the caller disconnected. Raises OAuthError 413 or 408."""
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
        raise OAuthError(
            "invalid_request", "The body did not arrive in time", status=408
        ) from None


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
    return OAuthError(
        "invalid_request", f"The body is larger than {LARGEST_FORM} bytes", status=413
    )


async def _preflight(send: Send) -> None:
    headers = (
        ("access-control-allow-origin", "*"),
        ("access-control-allow-methods", "GET, POST, PUT, DELETE"),
        ("access-control-allow-headers", "authorization, content-type, dpop"),
        ("access-control-max-age", "86400"),
    )
    await _send(send, Answer(204, headers))


async def _send(send: Send, answer: Answer, *, head: bool = False) -> None:
    headers = [
        (name.encode("ascii"), value.encode("latin-1"))
        for name, value in answer.headers
    ]
    if answer.status not in {204, 304}:
        headers.append((b"content-length", str(len(answer.body)).encode("ascii")))
    await send(
        {"type": "http.response.start", "status": answer.status, "headers": headers}
    )
    await send({"type": "http.response.body", "body": b"" if head else answer.body})
