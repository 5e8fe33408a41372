"""Authorization services for tests: over HTTP, and over gRPC as Envoy's `Authorization`."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from concurrent import futures
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
from envoy.service.auth.v3 import external_auth_pb2


@contextlib.contextmanager
def over_http() -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """Its port, and what it was asked. The header `x-decide` says what it does."""
    seen: list[dict[str, Any]] = []

    class Service(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(headers.get("content-length") or 0)).decode()
            seen.append(
                {"path": self.path, "method": self.command, "body": body, **headers}
            )
            decision = headers.get("x-decide", "allow")
            if decision == "hang up":
                self.close_connection = True
                return
            said = b"" if decision == "allow" else b"not on Sundays"
            self.send_response(200 if decision == "allow" else int(decision))
            for name in ("x-user", "x-other", "x-decision", "x-forwarded-for"):
                if decision != "anonymous":
                    self.send_header(name, "of-the-service")
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(said)

        do_GET = do_POST = do_HEAD = answer

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield server.server_address[1], seen
    server.shutdown()


@contextlib.contextmanager
def over_grpc() -> Iterator[tuple[int, list[dict[str, str]]]]:
    """Its port, and the headers that it got. It sets `x-user` and `x-other` and allows all but
    calls with the body `no`."""
    seen: list[dict[str, str]] = []

    def check(asked: bytes, _: grpc.ServicerContext) -> bytes:
        request = external_auth_pb2.CheckRequest.FromString(
            asked
        ).attributes.request.http
        seen.append(dict(request.headers))
        answer = external_auth_pb2.CheckResponse()
        if request.raw_body == b"no":
            answer.status.code = grpc.StatusCode.PERMISSION_DENIED.value[0]
            answer.denied_response.status.code = 403
            answer.denied_response.body = "not on Sundays"
            return answer.SerializeToString()
        for name in ("x-user", "x-other"):
            header = answer.ok_response.headers.add().header
            header.key, header.value = name, "of-the-service"
        return answer.SerializeToString()

    server = grpc.server(futures.ThreadPoolExecutor(2))
    handlers = {"Check": grpc.unary_unary_rpc_method_handler(check)}
    handler = grpc.method_handlers_generic_handler(
        "envoy.service.auth.v3.Authorization", handlers
    )
    server.add_generic_rpc_handlers((handler,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield port, seen
    server.stop(0).wait()
