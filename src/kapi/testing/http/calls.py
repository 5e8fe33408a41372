"""A call and its reply as values, and the steps between a client and the provider.

A step gets the call and the rest of the way (`onward`). It may change the call, answer it alone,
or change the reply. The journal, the faults and the explanations are steps.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from dataclasses import field, replace
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl

from kapi.dataclass import dataclass
from kapi.errors import OAuthError
from kapi.identity.client_authentication.secrets import basic_credentials
from kapi.jose.jwt import InvalidJwt, Jwt, parse_jwt

LARGEST_BODY = 1024 * 1024
DROP = "kapi.drop"
"""The ASGI extension that ends a connection (`dropping.py`)."""

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]
Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Call:
    """One HTTP request. Header names are in lower case."""

    method: str
    path: str
    query: str = ""
    headers: Headers = ()
    body: bytes = b""
    scheme: str = "https"
    endpoint: str = ""
    """The name of the endpoint, such as `token`; set by the router."""

    def header(self, name: str) -> str:
        """The first header with this name, or an empty text."""
        for key, value in self.headers:
            if key == name:
                return value
        return ""

    @cached_property
    def form(self) -> Mapping[str, str]:
        """The parameters of a form body."""
        if not self.header("content-type").startswith(
            "application/x-www-form-urlencoded"
        ):
            return {}
        return _pairs(self.body.decode("utf-8", "replace"))

    @cached_property
    def parameters(self) -> Mapping[str, str]:
        """The parameters of the query and of the form."""
        return {**_pairs(self.query), **self.form}

    @cached_property
    def basic(self) -> tuple[str, str] | None:
        """Client id and secret of HTTP Basic, decoded (RFC 6749 §2.3.1); None without them."""
        try:
            return basic_credentials(self.header("authorization"))
        except OAuthError:
            return None

    @cached_property
    def client(self) -> str:
        """The client that the request names, or an empty text. Not authenticated."""
        if self.basic:
            return self.basic[0]
        named = self.parameters.get("client_id")
        if named or self.assertion is None:
            return named or ""
        return str(self.assertion.claims.get("sub", ""))

    @cached_property
    def assertion(self) -> Jwt | None:
        """The client assertion (RFC 7523), not verified; None without one that can be read."""
        try:
            return parse_jwt(self.parameters.get("client_assertion", ""))
        except InvalidJwt:
            return None

    @cached_property
    def auth_method(self) -> str:
        """How the client authenticates, by its name in RFC 7591; empty: not at all."""
        if self.assertion is not None:
            is_hmac = str(self.assertion.header.get("alg", "")).startswith("HS")
            if is_hmac:
                return "client_secret_jwt"
            return "private_key_jwt"
        if self.basic:
            return "client_secret_basic"
        if "client_secret" in self.form:
            return "client_secret_post"
        if self.header("x-kapi-client-certificate"):
            return "tls_client_auth"
        if self.form.get("client_id"):
            return "none"
        return ""


@dataclass(frozen=True)
class Reply:
    """The HTTP response of a call."""

    status: int
    headers: Headers = ()
    body: bytes = b""
    cut: bool = False
    """The connection ends in the middle of the body."""
    dropped: bool = False
    """The connection ends without an answer."""
    late: float = 0.0
    """Seconds by which a fault delays it."""
    faults: tuple[str, ...] = ()
    """What was done to it, for the journal."""

    def header(self, name: str) -> str:
        """The first header with this name, or an empty text."""
        for key, value in self.headers:
            if key == name:
                return value
        return ""

    def with_header(self, name: str, value: str | None) -> Reply:
        """The reply with this header instead of those of its name; None removes them."""
        kept = tuple(item for item in self.headers if item[0] != name)
        return replace(self, headers=kept if value is None else (*kept, (name, value)))

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body as JSON. Raises ValueError."""
        return json.loads(self.body)

    @cached_property
    def members(self) -> dict[str, Any] | None:
        """The members of a JSON object; None for any other body."""
        if "json" not in self.header("content-type"):
            return None
        try:
            value = json.loads(self.body)
        except ValueError:
            return None
        if isinstance(value, dict):
            return value
        return None

    def with_members(self, members: Mapping[str, Any]) -> Reply:
        """The reply with another JSON object."""
        return replace(self, body=json.dumps(members).encode())


Onward = Callable[[Call], Awaitable[Reply]]
Step = Callable[[Call, Onward], Awaitable[Reply]]


def json_reply(value: Any, status: int = 200, headers: Headers = ()) -> Reply:
    """A JSON answer that must not be stored."""
    always = (("content-type", "application/json"), ("cache-control", "no-store"))
    return Reply(status, (*always, *headers), json.dumps(value).encode())


def through(steps: Sequence[Step], last: Onward) -> Onward:
    """The steps in their order, and then `last`."""
    for step in reversed(steps):
        last = _bound(step, last)
    return last


def _bound(step: Step, onward: Onward) -> Onward:
    async def answer(call: Call) -> Reply:
        return await step(call, onward)

    return answer


def calling(app: App) -> Onward:
    """An ASGI application as the last step."""

    async def answer(call: Call) -> Reply:
        collected = _Collected()
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": call.method,
            "scheme": call.scheme,
            "path": call.path,
            "raw_path": call.path.encode(),
            "query_string": call.query.encode("latin-1"),
            "headers": [
                (name.encode(), value.encode("latin-1")) for name, value in call.headers
            ],
        }
        await app(scope, _Body(call.body), collected)
        return collected.reply()

    return answer


class _Body:
    """Gives a body in one piece."""

    def __init__(self, body: bytes) -> None:
        self._messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def __call__(self) -> MutableMapping[str, Any]:
        if self._messages:
            return self._messages.pop()
        return {"type": "http.disconnect"}


@dataclass
class _Collected:
    """Takes the messages of an answer."""

    messages: list[MutableMapping[str, Any]] = field(default_factory=list)

    async def __call__(self, message: MutableMapping[str, Any]) -> None:
        self.messages.append(message)

    def reply(self) -> Reply:
        start, *rest = self.messages
        headers = tuple(
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, value in start["headers"]
        )
        return Reply(
            start["status"], headers, b"".join(item.get("body", b"") for item in rest)
        )


def serving(answer: Onward) -> App:
    """The steps as an ASGI application."""

    async def app(
        scope: MutableMapping[str, Any], receive: Receive, send: Send
    ) -> None:
        if scope["type"] != "http":
            return
        body = await _body(receive)
        reply = await answer(call_of(scope, body))
        if reply.dropped:
            await _drop(scope)
        else:
            await sent(reply, send, head=scope["method"] == "HEAD")

    return app


async def _drop(scope: Mapping[str, Any]) -> None:
    """End the connection. Raises ConnectionResetError where the server offers no way to do so."""
    drop = scope.get("extensions", {}).get(DROP)
    if drop is None:
        raise ConnectionResetError("a fault of the test dropped the connection")
    drop()
    # The server notices the end before the application has ended.
    await asyncio.sleep(0.01)


def call_of(scope: Mapping[str, Any], body: bytes) -> Call:
    """The call of an ASGI scope."""
    return Call(
        scope["method"],
        scope["path"],
        scope.get("query_string", b"").decode("latin-1"),
        tuple(
            (name.decode("latin-1").lower(), value.decode("latin-1"))
            for name, value in scope["headers"]
        ),
        body,
        scope.get("scheme", "https"),
    )


async def _body(receive: Receive) -> bytes:
    """The body, up to LARGEST_BODY and a byte, so that the provider refuses a larger one."""
    body, more = b"", True
    while more:
        message = await receive()
        if len(body) <= LARGEST_BODY:
            body += message.get("body", b"")
        more = message.get("more_body", False)
    return body[: LARGEST_BODY + 1]


async def sent(reply: Reply, send: Send, *, head: bool = False) -> None:
    """Send a reply. One that is cut says its whole length, and ends half way."""
    headers = []
    for name, value in reply.headers:
        if name != "content-length":
            headers.append((name.encode("latin-1"), value.encode("latin-1")))
    if reply.status not in {204, 304}:
        headers.append((b"content-length", str(len(reply.body)).encode()))
    await send(
        {"type": "http.response.start", "status": reply.status, "headers": headers}
    )
    if reply.cut:
        # The server closes the connection of an answer that does not end.
        half = reply.body[: len(reply.body) // 2]
        await send({"type": "http.response.body", "body": half, "more_body": True})
        return
    await send({"type": "http.response.body", "body": b"" if head else reply.body})


def _pairs(text: str) -> dict[str, str]:
    return dict(parse_qsl(text, keep_blank_values=True, errors="replace"))
