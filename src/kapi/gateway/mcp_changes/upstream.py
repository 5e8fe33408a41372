"""One `subscriptions/listen` stream of one server, through Envoy's loopback listener.

The route of the server there has its path, TLS, credentials and time limits. It has no filters:
the caller was checked before.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import httptools

from kapi.dataclass import dataclass
from kapi.gateway.envoy.resources.names import URL_HEADER
from kapi.gateway.envoy.resources.routes.mcp import SERVER_HEADER
from kapi.json_reading import NotJson, read_json

REVISION: Final = "2026-07-28"
LISTEN: Final = "subscriptions/listen"
LARGEST_EVENT: Final = 256 * 1024
"""Bytes of one message of a server; with a larger one its stream ends."""
_PIECE: Final = 64 * 1024
_EVENTS: Final = b"text/event-stream"
_OK: Final = 200


@dataclass(frozen=True, slots=True)
class Address:
    """An API as its callers reach it."""

    host: str
    path: str


class _Response:
    """What the parser says about a response."""

    def __init__(self) -> None:
        self.are_events = False
        self.is_refused = False
        self.ended = False
        self.body = bytearray()
        self._parser = httptools.HttpResponseParser(self)

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"content-type":
            self.are_events = value.startswith(_EVENTS)

    def on_headers_complete(self) -> None:
        self.is_refused = self._parser.get_status_code() != _OK or not self.are_events

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.ended = True

    def feed(self, piece: bytes) -> bool:
        """Whether it is a stream of events, as far as it has come."""
        self._parser.feed_data(piece)
        return not self.is_refused


def listen_message(message_id: Any, uris: list[str]) -> bytes:
    """The request for a stream about these resources."""
    notifications = {"resourceSubscriptions": uris}
    meta = {
        "io.modelcontextprotocol/protocolVersion": REVISION,
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    params = {"notifications": notifications, "_meta": meta}
    message = {"jsonrpc": "2.0", "id": message_id, "method": LISTEN, "params": params}
    return json.dumps(message).encode()


async def messages(
    socket: Path, address: Address, server: str, body: bytes
) -> AsyncIterator[Mapping[str, Any]]:
    """The messages of the stream until it ends, also when it cannot be opened."""
    with suppress(OSError, httptools.HttpParserError):
        reader, writer = await asyncio.open_unix_connection(socket)
        try:
            writer.write(_request(address, server, body))
            await writer.drain()
            async for message in _read(reader):
                yield message
        finally:
            writer.close()


def _request(address: Address, server: str, body: bytes) -> bytes:
    headers = {
        "host": address.host,
        "content-type": "application/json",
        "content-length": str(len(body)),
        "accept": "application/json, text/event-stream",
        "mcp-protocol-version": REVISION,
        "mcp-method": LISTEN,
        "x-forwarded-proto": "https",
        URL_HEADER: address.host + address.path,
        SERVER_HEADER: server,
    }
    lines = [
        f"POST {address.path} HTTP/1.1",
        *(f"{name}: {headers[name]}" for name in headers),
    ]
    return "\r\n".join((*lines, "", "")).encode() + body


async def _read(reader: asyncio.StreamReader) -> AsyncIterator[Mapping[str, Any]]:
    response = _Response()
    data: list[bytes] = []
    while not response.ended and len(response.body) <= LARGEST_EVENT:
        piece = await reader.read(_PIECE)
        if not piece or not response.feed(piece):
            return
        *lines, rest = response.body.split(b"\n")
        response.body[:] = rest
        for line in lines:
            message = _message_at(bytes(line.rstrip(b"\r")), data)
            if message is not None:
                yield message
        if sum(map(len, data)) > LARGEST_EVENT:
            return


def _message_at(line: bytes, data: list[bytes]) -> Mapping[str, Any] | None:
    """The message that ends with this line of a stream of events; `data` has its lines so far."""
    if line.startswith(b"data:"):
        data.append(line[5:].removeprefix(b" "))
    if line or not data:
        return None
    text = b"\n".join(data)
    data.clear()
    try:
        message = read_json(text)
    except NotJson:
        return None
    return message if isinstance(message, dict) else None
