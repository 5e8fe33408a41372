"""A stand-in for an AI provider that answers a chat with the last message of the request.

In one piece, or as events of few characters.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_PIECE = 3


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        asked = json.loads(
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
        )
        text = asked["messages"][-1]["content"]
        guarded_backend.last = text
        guarded_backend.roles = [item["role"] for item in asked["messages"]]
        if asked.get("stream"):
            self.answer("text/event-stream", self.events(text), 200)
            return
        message = {"role": "assistant", "content": text}
        body = json.dumps(
            {"choices": [{"index": 0, "message": message}], "usage": None}
        ).encode()
        if asked.get("packed"):
            body = gzip.compress(body)
        encoding = "gzip" if asked.get("packed") else ""
        self.answer(
            asked.get("form", "application/json"),
            body,
            asked.get("status", 200),
            encoding,
        )

    def events(self, text: str) -> bytes:
        pieces = [text[start : start + _PIECE] for start in range(0, len(text), _PIECE)]
        chunks: list[dict[str, Any]] = [
            {
                "object": "chat.completion.chunk",
                "choices": [{"index": 0, "delta": {"content": part}}],
            }
            for part in pieces
        ]
        events = [f"data: {json.dumps(chunk)}\n\n" for chunk in chunks]
        return "".join([*events, "data: [DONE]\n\n"]).encode()

    def answer(self, form: str, body: bytes, status: int, encoding: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Type", form)
        if encoding:
            self.send_header("Content-Encoding", encoding)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class guarded_backend(contextlib.AbstractContextManager[int]):  # noqa: N801 - used as a function
    """Gives its port. What it was asked last is kept in the class."""

    last = ""
    roles: tuple[str, ...] | list[str] = ()

    def __enter__(self) -> int:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.daemon_threads = True
        threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        ).start()
        port: int = self._server.server_address[1]
        return port

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
