"""Backends for live tests: httpbin on a WSGI server, and a small one that fails, waits and counts
as it is told.
"""

from __future__ import annotations

import contextlib
import json
import socketserver
import ssl
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


@contextlib.contextmanager
def httpbin(certificate: Path | None = None) -> Iterator[int]:
    """The httpbin of PyPI, over TLS with a certificate; yields its port."""
    from httpbin import app
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Quiet(WSGIRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_request(self, *_: Any, **__: Any) -> None:
            pass

    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
    server = make_server(
        "127.0.0.1", 0, app, threaded=True, request_handler=Quiet, ssl_context=context
    )
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


class Wilful(ThreadingHTTPServer):
    """`/status/<n>` answers so; `/wait/<seconds>` first waits; `/fails/<n>/<status>` fails n times;
    everything is counted and remembered.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, name: str = "", certificate: Path | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.name = name
        self.counts: Counter[str] = Counter()
        self.seen: list[dict[str, Any]] = []
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.socket = context.wrap_socket(self.socket, server_side=True)

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Wilful

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        seen = {
            "backend": self.server.name,
            "method": self.command,
            "path": self.path,
            "headers": {
                name.lower(): ", ".join(self.headers.get_all(name))
                for name in self.headers
            },
            "body": body.decode("latin-1"),
        }
        self.server.counts[self.path] += 1
        self.server.seen.append(seen)
        what, *rest = self.path.partition("?")[0].strip("/").split("/")
        status = 200
        if what == "status":
            status = int(rest[0])
        elif what == "wait":
            time.sleep(float(rest[0]))
        elif what == "fails" and self.server.counts[self.path] <= int(rest[0]):
            status = int(rest[1])
        data = json.dumps(seen).encode()
        self.send_response(status)
        for name, value in (
            ("Content-Type", "application/json"),
            ("X-Powered-By", "wilful"),
            ("Content-Length", str(len(data))),
        ):
            self.send_header(name, value)
        if what == "cached":
            self.send_header("Cache-Control", "public, max-age=60")
            self.send_header("ETag", '"abc"')
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = do_OPTIONS = answer

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def wilful(name: str = "", certificate: Path | None = None) -> Iterator[Wilful]:
    server = Wilful(name, certificate)
    threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
    ).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


@contextlib.contextmanager
def rude() -> Iterator[int]:
    """A backend that takes a request and breaks off: with `/nonsense` after something that is no
    HTTP, else without a word; yields its port.
    """

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            asked = self.request.recv(65536)
            if b"/nonsense" in asked.partition(b"\r\n")[0]:
                self.request.sendall(b"no HTTP\r\n\r\n")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        ).start()
        yield server.server_address[1]
        server.shutdown()


@contextlib.contextmanager
def running(server: ThreadingHTTPServer) -> Iterator[int]:
    """Serves; yields the port."""
    threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
    ).start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()
