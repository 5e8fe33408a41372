"""A server of test issuers on a real socket of this machine: plain http, loopback only.

For clients that cannot call an ASGI application, and for browsers. `python -m
kapi.testing.sockets` is the same for other languages: one line of JSON when it is ready.
"""

from __future__ import annotations

import json
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kapi.testing.server import Seed, Server

_START_SECONDS = 20.0


@contextmanager
def serve(
    port: int = 0, *, seed: Seed | None = None, level: str = "strict"
) -> Iterator[Server]:
    """A server at `http://localhost:PORT`; port 0 takes a free one."""
    listener = _listen(port)
    address = f"http://localhost:{listener.getsockname()[1]}"
    with Server(address, seed, level=level) as server:
        running = _uvicorn(server)
        thread = threading.Thread(
            target=running.run,
            args=([listener],),
            name="kapi-testing-http",
            daemon=True,
        )
        thread.start()
        deadline = time.monotonic() + _START_SECONDS
        while not running.started and time.monotonic() < deadline:
            time.sleep(0.002)
        try:
            yield server
        finally:
            running.should_exit = True
            thread.join(_START_SECONDS)
            listener.close()


def _listen(port: int) -> socket.socket:
    # asyncio sends small pieces at once only on sockets that name their protocol. On others, the
    # body of an answer waits 40 ms for the acknowledgement of its head (RFC 9293 §3.7.4).
    listener = socket.socket(proto=socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(128)
    return listener


def _uvicorn(server: Server) -> Any:
    import uvicorn

    from kapi.testing.http.dropping import DroppingProtocol

    return uvicorn.Server(
        uvicorn.Config(
            server.app,
            http=DroppingProtocol,
            loop="asyncio",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=1,
        )
    )


def main(argv: list[str]) -> int:
    """Serve until a signal. Arguments: the port, and the file of the seed."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    port, seed = [*argv, "0"][0], [*argv[1:], ""][0]
    with serve(int(port), seed=Path(seed) if seed else None) as server:
        line = {
            "ready": True,
            "base_url": server.base_url,
            "issuer": server.default.url,
            "control": f"{server.base_url}/testing",
            "client_id": server.default.client[0],
            "client_secret": server.default.client[1],
        }
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()
        stop.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
