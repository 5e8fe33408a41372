"""A gRPC service of one method on a Unix socket (0600): from Envoy to the control process."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc


class SocketService:
    """The server. It may be started before Envoy."""

    def __init__(
        self,
        socket_path: Path,
        service: str,
        method: str,
        handler: grpc.RpcMethodHandler[Any, Any],
        *,
        threads: int,
    ) -> None:
        """`threads` is how many streams are served at a time."""
        self._address = f"unix:{socket_path}"
        self._handlers = grpc.method_handlers_generic_handler(
            service, {method: handler}
        )
        self._pool_name = socket_path.stem
        self._threads = threads
        self._server: grpc.Server | None = None

    def start(self) -> None:
        """Listen on the socket and serve."""
        server = grpc.server(
            ThreadPoolExecutor(self._threads, thread_name_prefix=self._pool_name),
            options=[("grpc.so_reuseport", 0)],
        )
        server.add_generic_rpc_handlers((self._handlers,))
        before = os.umask(0o177)
        try:
            server.add_insecure_port(self._address)
        finally:
            os.umask(before)
        server.start()
        self._server = server

    def stop(self) -> None:
        """Close the streams and the socket."""
        if self._server is not None:
            self._server.stop(0).wait()
            self._server = None
