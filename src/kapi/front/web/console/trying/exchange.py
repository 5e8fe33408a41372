"""Sends one request to the gateway's own listener, with limits of size and time.

No name is looked up and no redirect is followed: the connection goes to the listener, whose
certificate is checked.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Final

from kapi import error_codes
from kapi.dataclass import dataclass
from kapi.errors import Problem
from kapi.fetch import closed_at
from kapi.front.web.console.trying.outgoing import Outgoing, redacted
from kapi.settings import Settings

_PIECE: Final = 16 * 1024
_HIDDEN: Final = "(the access token)"


@dataclass(frozen=True, slots=True)
class Bounds:
    """Limits of an exchange."""

    seconds: float = 15.0
    """For all of it."""
    most_bytes: int = 256 * 1024
    """Of the body of the answer that are read."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request that was answered. Neither side contains the access token."""

    method: str
    url: str
    sent: tuple[tuple[str, str], ...]
    sent_body: str
    status: int
    reason: str
    headers: tuple[tuple[str, str], ...]
    body: str
    """The text, or words about a body that is none."""
    cut: str
    """Why the body is not whole; empty if it is."""
    milliseconds: float

    @property
    def request_id(self) -> str:
        """The id under which the access log has it."""
        for name, value in self.headers:
            if name.lower() == "x-request-id":
                return value
        return ""


_BOUNDS: Final = Bounds()


class Listener:
    """The gateway's listener, as a caller on this machine reaches it."""

    def __init__(
        self,
        settings: Settings,
        clock: Callable[[], float] = time.monotonic,
        bounds: Bounds = _BOUNDS,
    ) -> None:
        gateway = settings.gateway
        loopback = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - replaced, not bound
        self._address = loopback.get(gateway.listen, gateway.listen), gateway.port
        self._origin = gateway.origin
        self._given = gateway.certificate_file
        self._authority = settings.data_dir / "tls" / "ca.pem"
        self._clock = clock
        self._bounds = bounds

    def send(self, request: Outgoing) -> Exchange:
        """The exchange. Raises Problem 503 if the gateway does not answer."""
        begun = self._clock()
        deadline = time.monotonic() + self._bounds.seconds
        try:
            with closed_at(self._connected(), deadline) as peer:
                secured = self._context().wrap_socket(
                    peer, server_hostname=request.host
                )
                with closing(http.client.HTTPConnection(request.host)) as connection:
                    connection.sock = secured
                    return self._exchanged(connection, request, begun)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise Problem.of(
                error_codes.TOO_BUSY,
                "The gateway did not answer",
                detail=f"{type(error).__name__} within {self._bounds.seconds:.0f} seconds.",
                hint="Try again; `kapi status` says whether the gateway runs.",
            ) from error

    def _connected(self) -> socket.socket:
        return socket.create_connection(self._address, timeout=self._bounds.seconds)

    def _context(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        context.load_verify_locations(self._given or self._authority)
        if self._given:
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        return context

    def _exchanged(
        self, connection: http.client.HTTPConnection, request: Outgoing, begun: float
    ) -> Exchange:
        authority = self._origin(request.host).removeprefix("https://")
        sent = [("Host", authority), *request.headers]
        secret = {request.token: _HIDDEN}
        connection.putrequest(
            request.method, request.path, skip_host=True, skip_accept_encoding=True
        )
        for name, value in sent:
            connection.putheader(name, value)
        if request.token:
            connection.putheader("Authorization", f"Bearer {request.token}")
            sent.append(("Authorization", f"Bearer {_HIDDEN}"))
        if request.body:
            connection.putheader("Content-Length", str(len(request.body)))
        connection.putheader("Connection", "close")
        connection.endheaders(request.body or None)
        answer = connection.getresponse()
        content, cut = _content(answer, self._bounds.most_bytes)
        took = (self._clock() - begun) * 1000
        return Exchange(
            method=request.method,
            url=f"https://{authority}{request.path}",
            sent=tuple(sent),
            sent_body=request.body.decode("utf-8", "replace"),
            status=answer.status,
            reason=answer.reason,
            headers=tuple(_redacted(answer.getheaders(), secret)),
            body=redacted(_text(content), secret),
            cut=cut,
            milliseconds=took,
        )


def _redacted(
    headers: list[tuple[str, str]], secret: dict[str, str]
) -> Iterator[tuple[str, str]]:
    for name, value in headers:
        yield name, redacted(value, secret)


def _content(answer: http.client.HTTPResponse, most: int) -> tuple[bytes, str]:
    """What came of the body, and why it is not whole."""
    content = b""
    try:
        while piece := answer.read1(_PIECE):
            content += piece
            if len(content) > most:
                return content[:most], f"Only the first {most} bytes are shown."
    except (OSError, http.client.HTTPException, ValueError):
        return content, "The answer did not end in time, or broke off."
    if answer.length:
        return content, "The answer did not end in time, or broke off."
    return content, ""


def _text(content: bytes) -> str:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(content) - 3:
            return f"({len(content)} bytes that are not UTF-8 text)"
        return content[: error.start].decode("utf-8")
    if "\x00" in text:
        return f"({len(content)} bytes that are not text)"
    return text
