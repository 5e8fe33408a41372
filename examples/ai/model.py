"""A stand-in for a model: chat completions that repeat the prompt, with the usage of OpenAI."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from service import serve, texts


def model(port: int, calls: list[str]) -> ThreadingHTTPServer:
    """A server at 127.0.0.1; each prompt goes into `calls`."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            prompt = texts(asked)[-1]
            calls.append(prompt)
            message = {"role": "assistant", "content": f"You asked: {prompt}"}
            usage = {"prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 30}
            answer = {
                "model": "stand-in",
                "choices": [{"message": message}],
                "usage": usage,
            }
            body = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Prompts belong in no log."""

    return ThreadingHTTPServer(("127.0.0.1", port), Handler)


if __name__ == "__main__":
    serve(model(9083, []), "model")
