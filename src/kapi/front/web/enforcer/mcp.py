"""Subscriptions over several MCP servers: requests that the admission filter sends here.

On the Unix socket only. The filter has checked the message and its caller, and names both.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from kapi.dataclass import dataclass
from kapi.gateway.envoy.resources.routes.mcp import API_HEADER, CHANGES_PATH
from kapi.gateway.mcp_changes import upstream
from kapi.gateway.mcp_changes.events import Revision
from kapi.gateway.mcp_changes.feed import Source
from kapi.gateway.mcp_changes.listening import Asked, listen
from kapi.gateway.mcp_changes.session import Session
from kapi.gateway.mcp_changes.sessions import Key, Sessions
from kapi.gateway.mcp_changes.upstream import Address
from kapi.json_reading import NotJson, read_object

LARGEST: Final = 512 * 1024
MOST_STREAMS: Final = 2_000
"""Streams of all clients at one node."""
MOST_STREAMS_OF_CALLER: Final = 500
"""Of them, those of one caller at one API."""
_QUIET: Final = 15
"""Seconds without an event, after which a comment keeps the stream open."""
_SESSION: Final = "mcp-session-id"
_CHANGES: Final = "changes"
"""The id of requests to servers for a session."""
_PATH: Final = "x-kapi-mcp-path"
_CALLER: Final = "x-kapi-mcp-caller"
"""Both are set by `wasm/admission/src/mcp_requests.rs`; what callers send by the names is lost."""

Messages = AsyncGenerator[Mapping[str, Any] | None]


@dataclass(frozen=True, slots=True)
class _Caller:
    """Who asks, at which API."""

    address: Address
    name: str
    session: str
    revision: Revision

    def key(self) -> Key:
        return Key(self.session, self.name, self.address)

    def at_api(self) -> tuple[str, Address]:
        return self.name, self.address


class McpChanges:
    """The endpoint, bound to what answers."""

    def __init__(
        self, socket: Path, sessions: Sessions, revision: Callable[[str], int | None]
    ) -> None:
        """`socket` is Envoy's loopback listener; `revision` tells that of an API by its id."""
        self._socket = socket
        self._sessions = sessions
        self._revision = revision
        self._streams: Counter[tuple[str, Address]] = Counter()

    def routes(self) -> list[Route]:
        """The route of this endpoint."""
        return [
            Route(CHANGES_PATH, self.post, methods=["POST"]),
            Route(CHANGES_PATH, self.stream, methods=["GET"]),
            Route(CHANGES_PATH, self.end, methods=["DELETE"]),
        ]

    async def post(self, request: Request) -> Response:
        """`subscriptions/listen`, `resources/subscribe` or `resources/unsubscribe`."""
        body = b""
        async for piece in request.stream():
            body += piece
            if len(body) > LARGEST:
                return Response(status_code=413)
        try:
            message = read_object(body)
        except NotJson:
            return _refused(400, None, -32700, "The body is not JSON.")
        caller = self._caller(request)
        if message.get("method") == upstream.LISTEN:
            asked = Asked.of(message)
            source = self._source(caller.address, asked.id)
            return self._events(
                caller, listen(asked, source, caller.revision), asked.id
            )
        return await self._subscribe(caller, message)

    async def stream(self, request: Request) -> Response:
        """The stream of a session."""
        caller = self._caller(request)
        source = self._source(caller.address, _CHANGES)
        session = await self._sessions.open(caller.key(), source)
        if session is None:
            return _unknown(None)
        return self._events(caller, self._of_session(session, caller.revision), None)

    async def end(self, request: Request) -> Response:
        """The end of a session."""
        known = await self._sessions.end(self._caller(request).key())
        return Response(status_code=204) if known else _unknown(None)

    async def _subscribe(self, caller: _Caller, message: Mapping[str, Any]) -> Response:
        message_id, uri = message.get("id"), message["params"]["uri"]
        key, source = caller.key(), self._source(caller.address, _CHANGES)
        is_told: bool | None
        if message.get("method") == "resources/unsubscribe":
            is_told = await self._sessions.unsubscribe(key, source, uri) or None
        else:
            is_told = await self._sessions.subscribe(key, source, uri)
        if is_told is None:
            return _unknown(message_id)
        if not is_told:
            return _refused(
                200, message_id, -32603, "The server does not tell of the resource."
            )
        return JSONResponse({"jsonrpc": "2.0", "id": message_id, "result": {}})

    def _caller(self, request: Request) -> _Caller:
        headers = request.headers
        address = Address(headers.get("host", ""), headers.get(_PATH, ""))
        return _Caller(
            address,
            headers.get(_CALLER, ""),
            headers.get(_SESSION, ""),
            partial(self._revision, headers.get(API_HEADER, "")),
        )

    def _source(self, address: Address, message_id: Any) -> Source:
        def messages(server: str, uris: list[str]) -> AsyncIterator[Mapping[str, Any]]:
            body = upstream.listen_message(message_id, uris)
            return upstream.messages(self._socket, address, server, body)

        return messages

    async def _of_session(self, session: Session, revision: Revision) -> Messages:
        stream = session.opened + 1
        try:
            async for message in session.stream(revision):
                yield message
        finally:
            self._sessions.left(session, stream)

    def _events(self, caller: _Caller, messages: Messages, message_id: Any) -> Response:
        who = caller.at_api()
        if self._streams.total() >= MOST_STREAMS:
            return _refused(
                503, message_id, -32603, "The gateway has too many streams."
            )
        if self._streams[who] >= MOST_STREAMS_OF_CALLER:
            return _refused(
                429, message_id, -32603, "You have too many streams: close one."
            )
        headers = {"cache-control": "no-cache"}
        return StreamingResponse(
            self._written(who, messages),
            media_type="text/event-stream",
            headers=headers,
        )

    async def _written(
        self, who: tuple[str, Address], messages: Messages
    ) -> AsyncIterator[bytes]:
        self._streams[who] += 1
        quiet = 0
        try:
            async with aclosing(messages) as opened:
                yield b": open\n\n"
                async for message in opened:
                    quiet += 1
                    if message is not None:
                        yield f"event: message\ndata: {json.dumps(message)}\n\n".encode()
                    elif quiet >= _QUIET:
                        quiet = 0
                        yield b": quiet\n\n"
        finally:
            self._streams[who] -= 1
            if not self._streams[who]:
                del self._streams[who]


def _unknown(message_id: Any) -> Response:
    return _refused(
        404, message_id, -32600, "The session is unknown. Send initialize again."
    )


def _refused(status: int, message_id: Any, code: int, text: str) -> Response:
    error = {"code": code, "message": text}
    return JSONResponse({"jsonrpc": "2.0", "id": message_id, "error": error}, status)
