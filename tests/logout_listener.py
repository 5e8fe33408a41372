"""A client's endpoint for back-channel logout."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

from waiting import until


class Listener:
    """A client's back-channel logout endpoint: keeps what was posted, answers as told."""

    def __init__(self) -> None:
        self.got: list[dict[str, str]] = []
        self.answers = [200]
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                listener.got.append(
                    {name: values[0] for name, values in parse_qs(body).items()}
                )
                self.send_response(
                    listener.answers.pop(0)
                    if len(listener.answers) > 1
                    else listener.answers[0]
                )
                self.send_header(
                    "Location",
                    f"http://127.0.0.1:{self.server.server_address[1]}/elsewhere",
                )
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(
            target=self.server.serve_forever, args=(0.02,), daemon=True
        ).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/logout"

    def wait(self, count: int) -> list[dict[str, str]]:
        until(lambda: len(self.got) >= count, lambda: str(self.got))
        return self.got
