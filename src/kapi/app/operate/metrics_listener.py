"""The listener of `metrics.listen`: metrics and health, without a token."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Sequence
from pathlib import Path

from starlette.applications import Starlette
from starlette.routing import Route

from kapi.errors import KapiError
from kapi.settings.operate.metrics import address_and_port


def serve_metrics(place: str, routes: Sequence[Route]) -> None:
    """Serve these routes at a place of the settings, in a thread. Raises KapiError."""
    try:
        listener = _listen(place)
    except OSError as error:
        raise KapiError(
            "address",
            f"cannot listen on {place} for metrics: {error.strerror}",
            hint="Stop what uses it, or choose another place: metrics.listen.",
        ) from error
    threading.Thread(
        target=_run,
        args=(Starlette(routes=routes), listener),
        name="metrics",
        daemon=True,
    ).start()


def _listen(place: str) -> socket.socket:
    if not place.startswith("/"):
        host, port = address_and_port(place)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=16)
    path = Path(place)
    if path.is_socket():
        path.unlink()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        listener.bind(place)
    finally:
        os.umask(before)
    listener.listen(16)
    return listener


def _run(app: Starlette, listener: socket.socket) -> None:
    import uvicorn

    config = uvicorn.Config(
        app,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=30,
        limit_concurrency=64,
    )
    uvicorn.Server(config).run(sockets=[listener])
