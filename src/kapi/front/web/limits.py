"""HTTP of the process `limits` on its Unix socket: Envoy asks it about limits (`POST /take`).

A small protocol over httptools, because each question is a part of a call. `GET /health` says that
the process runs, `GET /redis` whether Redis answers (503 if not).
"""

from __future__ import annotations

import asyncio
from typing import Final, cast

import httptools

from kapi.gateway.shared_limits.counting import Counting
from kapi.gateway.shared_limits.wire import NotQuestions, questions

LARGEST_BODY = 8 * 1024 * 1024
"""As many questions as a call may have, with the longest keys."""
_STATUS: Final = {
    200: b"HTTP/1.1 200 OK\r\n",
    400: b"HTTP/1.1 400 Bad Request\r\n",
    404: b"HTTP/1.1 404 Not Found\r\n",
    503: b"HTTP/1.1 503 Service Unavailable\r\n",
}


class LimitsProtocol(asyncio.Protocol):
    """One connection of Envoy, which has one request at a time."""

    def __init__(self, counting: Counting) -> None:
        self._counting = counting
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._path = b""
        self._body = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio: it is open."""
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's shape
        """asyncio: it is closed; an answer that comes later has nowhere to go."""
        self._transport = None

    def data_received(self, data: bytes) -> None:
        """asyncio: a piece of a request."""
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._close()
        if len(self._body) > LARGEST_BODY:
            self._close()

    def on_url(self, url: bytes) -> None:
        """Called by httptools with a part of the request target."""
        self._path += url

    def on_body(self, body: bytes) -> None:
        """httptools: a piece of the body."""
        self._body += body

    def on_message_complete(self) -> None:
        """httptools: the request is complete."""
        path, body = self._path, bytes(self._body)
        self._path = b""
        self._body.clear()
        if path == b"/take":
            self._take(body)
        elif path == b"/health" or (path == b"/redis" and not self._counting.away):
            self._send(200, b"")
        else:
            self._send(503 if path == b"/redis" else 404, b"")

    def _take(self, body: bytes) -> None:
        try:
            call = questions(body)
        except NotQuestions:
            self._send(400, b"")
            return
        self._counting.ask(call, self._answer)

    def _answer(self, text: bytes | None) -> None:
        if text is None:
            self._send(503, str(self._counting.nodes).encode("ascii"))
        else:
            self._send(200, text)

    def _send(self, status: int, body: bytes) -> None:
        if self._transport is not None:
            length = str(len(body)).encode("ascii")
            self._transport.write(
                b"".join(
                    (_STATUS[status], b"content-length: ", length, b"\r\n\r\n", body)
                )
            )

    def _close(self) -> None:
        if self._transport is not None:
            self._transport.close()
            self._transport = None
