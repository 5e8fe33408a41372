"""An interceptor service over HTTP with the standard library: what the two examples share."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = dict[str, Any]
NO_CHANGE: Answer = {}


def server(
    port: int,
    on_request: Callable[[dict[str, Any]], Answer],
    on_response: Callable[[dict[str, Any]], Answer] = lambda _: NO_CHANGE,
) -> ThreadingHTTPServer:
    """A server at 127.0.0.1; port 0 takes a free one."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self.path.endswith("/handle-request"):
                answer = on_request(asked)
            else:
                answer = on_response(asked)
            body = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Prompts belong in no log."""

    return ThreadingHTTPServer(("127.0.0.1", port), Handler)


def serve(made: ThreadingHTTPServer, name: str) -> None:
    """Serve until interrupted."""
    sys.stdout.write(f"{name}: http://127.0.0.1:{made.server_address[1]}\n")
    sys.stdout.flush()
    made.serve_forever()


def chat(asked: dict[str, Any]) -> dict[str, Any]:
    """The body of a request for chat completions; empty if it is none."""
    try:
        found = json.loads(base64.b64decode(asked.get("requestBody", "")))
    except ValueError:
        return {}
    if isinstance(found, dict) and isinstance(found.get("messages"), list):
        return found
    return {}


def texts(body: dict[str, Any]) -> list[str]:
    """The texts of all messages; a message may have several, between pictures and the like."""
    found = []
    for message in body.get("messages", ()):
        content = message.get("content") if isinstance(message, dict) else None
        parts = content if isinstance(content, list) else [{"text": content}]
        for part in parts:
            if isinstance(part, dict) and isinstance(part.get("text"), str):
                found.append(part["text"])
    return found


def answered(status: int, body: bytes, **headers: str) -> Answer:
    """The gateway answers this, and the model is not asked."""
    return {
        "directRespond": True,
        "responseCode": status,
        "headersToAdd": {"content-type": "application/json", **headers},
        "body": base64.b64encode(body).decode(),
    }
