"""A stand-in for the APIs of OpenAI and Anthropic, as far as their SDKs read the answers."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = {"Authorization": "Bearer provider-key-1", "x-api-key": "provider-key-2"}
"""The header and its value that a provider asks for."""
TEXT = "Good day to you."
CHAT = {"prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 30}
USAGE = {"input_tokens": 10, "output_tokens": 20}


def _chat(asked: dict[str, Any]) -> Any:
    base = {"id": "c", "created": 1, "model": "m"}
    if not asked.get("stream"):
        choice = {
            "index": 0,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": TEXT},
        }
        return {**base, "object": "chat.completion", "choices": [choice], "usage": CHAT}
    chunk = {**base, "object": "chat.completion.chunk"}
    events = [
        {
            **chunk,
            "choices": [
                {"index": 0, "delta": {"content": piece}, "finish_reason": None}
            ],
        }
        for piece in ("Good day ", "to you.")
    ]
    if (asked.get("stream_options") or {}).get("include_usage"):
        events.append({**chunk, "choices": [], "usage": CHAT})
    return [("", event) for event in events]


def _responses(_: dict[str, Any]) -> Any:
    content = [{"type": "output_text", "text": TEXT, "annotations": []}]
    message = {"id": "m", "type": "message", "role": "assistant", "content": content}
    return {
        "id": "r",
        "object": "response",
        "created_at": 1,
        "model": "m",
        "status": "completed",
        "output": [{**message, "status": "completed"}],
        "usage": {**USAGE, "total_tokens": 30},
    }


def _embeddings(_: dict[str, Any]) -> Any:
    one = {"object": "embedding", "index": 0, "embedding": [0.0, 0.5, 1.0]}
    usage = {"prompt_tokens": 10, "total_tokens": 10}
    return {"object": "list", "model": "m", "data": [one], "usage": usage}


def _messages(asked: dict[str, Any]) -> Any:
    message = {
        "id": "m",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "stop_reason": None,
    }
    if not asked.get("stream"):
        return {**message, "content": [{"type": "text", "text": TEXT}], "usage": USAGE}
    start = {**message, "content": [], "usage": {**USAGE, "output_tokens": 1}}
    block = {"type": "text", "text": ""}
    delta = {"type": "text_delta", "text": TEXT}
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": start},
        {"type": "content_block_start", "index": 0, "content_block": block},
        {"type": "content_block_delta", "index": 0, "delta": delta},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": USAGE},
        {"type": "message_stop"},
    ]
    return [(event["type"], event) for event in events]


ANSWERS = {
    "/v1/chat/completions": (_chat, "Authorization"),
    "/v1/responses": (_responses, "Authorization"),
    "/v1/embeddings": (_embeddings, "Authorization"),
    "/v1/messages": (_messages, "x-api-key"),
}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        asked = json.loads(
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
        )
        answer, header = ANSWERS[self.path]
        if self.headers.get(header) != KEY[header]:
            self.send(401, "application/json", b"{}")
            return
        found = answer(asked)
        if isinstance(found, dict):
            self.send(200, "application/json", json.dumps(found).encode())
            return
        lines = [
            (f"event: {name}\n" if name else "") + f"data: {json.dumps(event)}\n\n"
            for name, event in found
        ]
        end = "" if found[0][0] else "data: [DONE]\n\n"
        self.send(200, "text/event-stream", "".join([*lines, end]).encode())

    def send(self, status: int, form: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", form)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def sdk_backend() -> Iterator[int]:
    """Yields its port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
