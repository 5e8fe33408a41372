"""A uvicorn server that accepts all waiting connections at once.

uvloop (libuv) accepts one connection for each round of its loop. A round answers every request that
has arrived, so under load the last of many new connections would wait for hundreds of rounds.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Callable
from typing import Any

import uvicorn

_AT_ONCE = 1024
"""Connections accepted in one round of the loop."""
_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
_PAUSE_SECONDS = 0.2
"""Before the next attempt when the process has no descriptor or memory for a connection."""


class AcceptingServer(uvicorn.Server):
    """Serves the connections of open listening sockets until a signal."""

    _listeners: tuple[socket.socket, ...] = ()
    _opening: set[asyncio.Task[Any]]
    """Tasks that make the transports; the loop itself does not keep them."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept from now on."""
        await super().startup(sockets=[])
        self._listeners = tuple(sockets or ())
        self._opening = set()
        for listener in self._listeners:
            listener.settimeout(0)
            self._accept_when_ready(listener)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept no more; answer the current requests within uvicorn's limit of time."""
        for listener in self._listeners:
            asyncio.get_running_loop().remove_reader(listener)
        await super().shutdown(sockets=sockets)

    def _accept_when_ready(self, listener: socket.socket) -> None:
        if not self.should_exit:
            asyncio.get_running_loop().add_reader(listener, self._accept, listener)

    def _accept(self, listener: socket.socket) -> None:
        for _ in range(_AT_ONCE):
            try:
                connection, _ = listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._pause(listener, error)
                return
            self._open(connection)

    def _pause(self, listener: socket.socket, error: OSError) -> None:
        """Raise `error` again, unless the process may have descriptors and memory later."""
        if error.errno not in _EXHAUSTED:
            raise error
        logging.getLogger("kapi").warning("cannot accept connections: %s", error)
        loop = asyncio.get_running_loop()
        loop.remove_reader(listener)
        loop.call_later(_PAUSE_SECONDS, self._accept_when_ready, listener)

    def _open(self, connection: socket.socket) -> None:
        connection.settimeout(0)
        loop = asyncio.get_running_loop()
        opening = loop.create_task(
            loop.connect_accepted_socket(self._protocol, connection)
        )
        self._opening.add(opening)
        opening.add_done_callback(self._opening.discard)

    def _protocol(self) -> asyncio.BaseProtocol:
        """As `uvicorn.Server.startup` makes it for its own listeners."""
        make: Callable[..., asyncio.BaseProtocol] = self.config.http_protocol_class
        return make(
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
        )
