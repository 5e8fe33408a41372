"""A WebSocket server for live tests: it echoes, and remembers each handshake. And the client of the
tests.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.sync.server import ServerConnection, serve

PROTOCOL = "chat.v1"


@dataclass(slots=True)
class Backend:
    port: int = 0
    handshakes: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    """Path and headers, by lower-case name."""
    closed: list[int] = field(default_factory=list)
    """Close codes (RFC 6455 §7.4) as the backend has seen them."""

    def echo(self, connection: ServerConnection) -> None:
        request = connection.request
        assert request is not None
        headers = {name.lower(): value for name, value in request.headers.raw_items()}
        self.handshakes.append((request.path, headers))
        try:
            for message in connection:
                connection.send(message)
        except ConnectionClosed:
            pass
        finally:
            self.closed.append(connection.close_code or 0)


def select(_: ServerConnection, offered: Sequence[str]) -> Any:
    """The backend speaks one protocol, and does not insist on it."""
    return PROTOCOL if PROTOCOL in offered else None


@contextlib.contextmanager
def websocket_backend() -> Iterator[Backend]:
    backend = Backend()
    with serve(backend.echo, "127.0.0.1", 0, select_subprotocol=select) as server:
        backend.port = server.socket.getsockname()[1]
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield backend
        server.shutdown()
        thread.join(10)


def web_socket(
    port: int,
    path: str,
    *,
    host: str = "default.gw.wso2.com",
    protocols: Sequence[str] = (),
    token: str = "",
    **more: Any,
) -> ClientConnection:
    """A handshake through the gateway. Raises InvalidStatus when it is refused."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return connect(
        f"wss://{host}:{port}{path}",
        ssl=context,
        sock=socket.create_connection(("127.0.0.1", port), 10),
        proxy=None,
        subprotocols=list(protocols) or None,  # type: ignore[arg-type]
        additional_headers=headers,
        **more,
    )
