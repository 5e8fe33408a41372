"""What a GraphQL request costs: Envoy's processor time, beside a plain proxy and beside REST with
the same policies.

Interleaved rounds in one run, as in mcp_cpu.py. All requests are the same POST with a document of 1
kB and a token, but the last one, which names the document by its digest.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import graphql
from mcp_cpu import HOST, Load, compare, envoy, run

from harness import DEFINITION, Platform

SDL = "type Query { hero(id: ID): Hero } type Hero { id: ID name: String friend(id: ID): Hero }"
ANSWER = json.dumps({"data": {"hero": {"name": "x" * 200}}}).encode()
FIELDS = " ".join(f"a{n}: friend(id: $id) {{ ...F name id }}" for n in range(20))
DOCUMENT = (
    f"query Heroes($id: ID = 1) {{ hero(id: $id) {{ {FIELDS} }} }}\n"
    "fragment F on Hero { id # the id\n name friend { id ... on Hero { name } } }"
).ljust(1000)
CONF = """name: {name}
basePath: /{name}
version: "1.0"
type: {type}
{more}
endpointConfigurations:
  production:
    endpoint: http://127.0.0.1:{port}/backend
operations:
  - {operation}
"""
LIMIT = "rateLimit: {requestsPerUnit: 2000000000, unit: Hour}"


class Backend(asyncio.Protocol):
    """Reads a whole request and answers it."""

    answer = ANSWER

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport, self.rest = transport, b""

    def data_received(self, data: bytes) -> None:
        self.rest += data
        head, end, rest = self.rest.partition(b"\r\n\r\n")
        size = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
        if end and len(rest) >= size:
            self.rest = b""
            lines = (
                "HTTP/1.1 200 OK",
                "Content-Type: application/json",
                f"Content-Length: {len(self.answer)}",
            )
            self.transport.write("\r\n".join((*lines, "", "")).encode() + self.answer)


def request(path: str, token: str, value: object) -> bytes:
    body = json.dumps(value)
    lines = (
        f"POST {path} HTTP/1.1",
        f"Host: {HOST}",
        f"Authorization: Bearer {token}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    )
    return "\r\n".join((*lines, "", body)).encode()


def deploy(platform: Platform, backend: int) -> None:
    """The same policies on REST and GraphQL."""
    needs = f'scopes: ["bench"], {LIMIT}'
    confs = (
        ("rest", "REST", "", f"{{target: /x, verb: POST, {needs}}}", DEFINITION),
        ("checked", "GRAPHQL", "", f"{{target: hero, verb: QUERY, {needs}}}", SDL),
        (
            "scoped",
            "GRAPHQL",
            "",
            '{target: hero, verb: QUERY, scopes: ["bench"]}',
            SDL,
        ),
    )
    for name, kind, more, operation, definition in confs:
        fields = {"name": name, "type": kind, "more": more, "operation": operation}
        answer = platform.deploy(CONF.format(port=backend, **fields), definition)
        assert answer.status == 200, answer.body


async def beside_plain(
    folder: Path,
    platform: Platform,
    until: contextlib.ExitStack,
    backend: int,
    deploy: Callable[[Platform, int], None],
) -> tuple[Load, str]:
    """The plain proxy before a backend, and a token for the APIs that `deploy` makes."""
    await asyncio.to_thread(platform.start)
    await asyncio.to_thread(deploy, platform, backend)
    token = await asyncio.to_thread(platform.token, "bench")
    certificate = platform.data_dir / "tls" / "edge.pem"
    plain = until.enter_context(envoy(folder, "plain", [], backend, certificate))
    await asyncio.sleep(1)
    return plain, token


async def measure(
    folder: Path, platform: Platform, until: contextlib.ExitStack
) -> None:
    assert not graphql.validate(graphql.build_schema(SDL), graphql.parse(DOCUMENT))
    backend = await asyncio.get_running_loop().create_server(Backend, "127.0.0.1", 0)
    to = backend.sockets[0].getsockname()[1]
    plain, token = await beside_plain(folder, platform, until, to, deploy)
    body = {"query": DOCUMENT, "variables": {"id": "1"}, "operationName": "Heroes"}
    digest = hashlib.sha256(DOCUMENT.encode()).hexdigest()
    known = {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": digest}}}
    ours = platform.pid("envoy")

    def through(path: str, value: object) -> Load:
        return Load(platform.port, ours, request(path, token, value))

    plain.request = request("/x", token, body)
    register = through("/checked/1.0", body | known)
    await register.open()
    await register.send(16)
    loads = {
        "plain proxy": plain,
        "kapi, REST POST with JWT, scope, limit": through("/rest/1.0/x", body),
        "kapi, GraphQL with JWT, scope": through("/scoped/1.0", body),
        "kapi, GraphQL with JWT, scope, limit": through("/checked/1.0", body),
        "kapi, the same as a persisted query": through("/checked/1.0", known),
    }
    await compare(loads)
    print("goal: GraphQL with checks at most 2.2 ×")
    backend.close()


if __name__ == "__main__":
    run(measure)
