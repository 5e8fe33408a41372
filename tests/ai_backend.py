"""A stand-in for an AI provider, in OpenAI's words: chat completions in one piece, packed, or as
events with the usage at the end.

What a call takes, its header `X-Ask` says: `{"say": [prompt, completion]}`; `"stream": true` for
events, `"usage": false` for an answer that does not say, `"status"` for a failure, `"size"` for a
long one.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from waiting import LIMIT

PAUSE = 0.4
RELEASED = threading.Event()
"""A stream that is asked to hold waits for this after its first event, and breaks off without it.
"""
"""Seconds between the events of a stream."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        asked = json.loads(self.headers.get("X-Ask", "{}"))
        prompt, completion = asked.get("say", (8, 4))
        usage = {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
        }
        if asked.get("stream"):
            self.stream(
                usage if asked.get("usage", True) else None, held="hold" in asked
            )
            return
        answer: dict[str, Any] = {
            "object": "chat.completion",
            "model": "stand-in-1",
            "choices": [
                {
                    "index": 0,
                    "message": {
                        "role": "assistant",
                        "content": "x" * asked.get("size", 5),
                    },
                }
            ],
        }
        if asked.get("usage", True):
            answer["usage"] = usage
        body = json.dumps(answer).encode()
        self.send_response(asked.get("status", 200))
        self.send_header("Content-Type", "application/json")
        if "gzip" in self.headers.get("Accept-Encoding", ""):
            body = gzip.compress(body)
            self.send_header("Content-Encoding", "gzip")
        for name, value in (
            ("Content-Length", len(body)),
            ("prompt_tokens", prompt),
            ("X-Asked", self.headers.get("Accept-Encoding", "")),
        ):
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body)

    def stream(self, usage: dict[str, int] | None, *, held: bool) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for word in ("The ", "end."):
            self.event(
                {
                    "object": "chat.completion.chunk",
                    "choices": [{"delta": {"content": word}}],
                    "usage": None,
                }
            )
            if held and not RELEASED.wait(LIMIT):
                return
            time.sleep(PAUSE)
        if usage is not None:
            self.event(
                {"object": "chat.completion.chunk", "choices": [], "usage": usage}
            )
        self.chunk(b"data: [DONE]\n\n")
        self.chunk(b"")

    def event(self, data: dict[str, Any]) -> None:
        self.chunk(b"data: " + json.dumps(data).encode() + b"\n\n")

    def chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def log_message(self, *_: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


@contextlib.contextmanager
def ai_backend() -> Iterator[int]:
    """Yields its port."""
    server = _Server(("127.0.0.1", 0), _Handler)
    threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
    ).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
