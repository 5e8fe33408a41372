"""A gRPC server for tests, without generated code: messages are bytes, and the methods say what
they saw.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent import futures
from typing import Any

import grpc

PROTO = """syntax = "proto3";
package org.apk.v1.student_service;

message Student { string name = 1; }

service StudentService {
  rpc GetStudent (Student) returns (Student);
  rpc GetStudentStream (Student) returns (stream Student);
  rpc SendStudentStream (stream Student) returns (Student);
  rpc SendAndGetStudentStream (stream Student) returns (stream Student);
}
"""
SERVICE = "org.apk.v1.student_service.StudentService"


def student(name: str) -> bytes:
    """A `Student` on the wire: field 1, at most 127 bytes."""
    data = name.encode()
    return b"\n" + bytes([len(data)]) + data if data else b""


def name_of(message: bytes) -> str:
    """The name of a `Student`."""
    return message[2:].decode(errors="replace")


class Backend:
    """Services under one name each. A name in a request asks for something:

    `fail CODE` for a status, `sleep SECONDS` for time; any other comes back.
    """

    def __init__(
        self,
        services: tuple[str, ...] = (SERVICE,),
        tls: tuple[bytes, bytes] | None = None,
        more: dict[str, bytes] | None = None,
    ) -> None:
        """`more` are unary methods with fixed answers."""
        self.seen: list[dict[str, Any]] = []
        self._server = grpc.server(futures.ThreadPoolExecutor(8))
        handlers = {
            "GetStudent": grpc.unary_unary_rpc_method_handler(self._one),
            "GetStudentStream": grpc.unary_stream_rpc_method_handler(self._down),
            "SendStudentStream": grpc.stream_unary_rpc_method_handler(self._up),
            "SendAndGetStudentStream": grpc.stream_stream_rpc_method_handler(
                self._both
            ),
        }
        for name, answer in (more or {}).items():
            handlers[name] = grpc.unary_unary_rpc_method_handler(
                lambda *_, made=answer: made
            )
        for service in services:
            handler = grpc.method_handlers_generic_handler(service, handlers)
            self._server.add_generic_rpc_handlers((handler,))
        if tls is None:
            self.port = self._server.add_insecure_port("127.0.0.1:0")
        else:
            self.port = self._server.add_secure_port(
                "127.0.0.1:0", grpc.ssl_server_credentials([tls])
            )
        self._server.start()

    def stop(self) -> None:
        self._server.stop(0).wait()

    def cases(self, name: str) -> list[dict[str, Any]]:
        """What the calls with this `x-case` brought."""
        return [item for item in self.seen if item.get("x-case") == name]

    def _note(self, context: grpc.ServicerContext) -> None:
        self.seen.append(
            {
                **dict(context.invocation_metadata()),
                "remaining": context.time_remaining(),
                "context": context,
            }
        )

    def _one(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        self._note(context)
        word, _, rest = name_of(request).partition(" ")
        if word == "fail":
            context.abort(grpc.StatusCode[rest], f"failed with {rest}")
        if word == "fail-once" and len(self.cases("fail-once")) < 2:
            context.abort(grpc.StatusCode[rest], f"failed with {rest}")
        if word == "sleep":
            time.sleep(float(rest))
        if word == "metadata":
            values = dict(context.invocation_metadata())
            return student(json.dumps(values.get(rest, ""))[:120])
        context.set_trailing_metadata((("x-trailer", "seen"),))
        return request

    def _down(self, request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        self._note(context)
        for number in range(3):
            yield student(f"{name_of(request)} {number}")

    def _up(self, requests: Iterator[bytes], context: grpc.ServicerContext) -> bytes:
        self._note(context)
        return student(", ".join(map(name_of, requests)))

    def _both(
        self, requests: Iterator[bytes], context: grpc.ServicerContext
    ) -> Iterator[bytes]:
        self._note(context)
        for request in requests:
            yield student(f"hello {name_of(request)}")
