"""A stand-in for providers of AI models: a model answers with its name, or fails if a test says
so.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Models:
    """What the models were asked, and which of them fail."""

    port: int = 0
    fails: dict[str, int] = field(default_factory=dict)
    """Model → status of its answers; 0 closes the connection without one."""
    headers: dict[str, dict[str, str]] = field(default_factory=dict)
    """Model → headers of its answers."""
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    """Model, path and headers of each request."""

    def reset(self) -> None:
        """Forget everything: all models work."""
        self.fails, self.headers, self.asked = {}, {}, []


def _handler(models: Models) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            model = json.loads(body or b"{}").get("model", "")
            headers = {name.lower(): value for name, value in self.headers.items()}
            models.asked.append((model, self.path, headers))
            status = models.fails.get(model, 200)
            if status == 0:
                self.close_connection = True
                return
            usage = {"prompt_tokens": 8, "completion_tokens": 4, "total_tokens": 12}
            answer = json.dumps(
                {"model": model, "asked": json.loads(body), "usage": usage}
            )
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            for name, value in models.headers.get(model, {}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.encode())

        def log_message(self, *_: object) -> None:
            pass

    return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True


@contextlib.contextmanager
def models_backend() -> Iterator[Models]:
    """Yields what it was asked, with its port."""
    models = Models()
    server = _Server(("127.0.0.1", 0), _handler(models))
    models.port = server.server_address[1]
    threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
    ).start()
    try:
        yield models
    finally:
        server.shutdown()
        server.server_close()
