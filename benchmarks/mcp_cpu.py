"""What a call of an MCP tool costs: Envoy's processor time, beside a plain proxy and beside Envoy's
own filters for MCP.

Interleaved rounds in one run, as in gateway_cpu.py. All calls are the same `tools/call` (revision
2026-07-28, with a token), but those of the REST backend: there the gateway makes a GET from the
call, and the plain proxy gets the GET itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import ssl
import statistics
import subprocess
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import uvloop
from gateway_cpu import plain_bootstrap
from measure import thread_seconds

from harness import Platform, free_port
from kapi.gateway.envoy.process.process import find_envoy
from mcp_server import bound_token

CONNECTIONS, WARM_UP, REQUESTS, ROUNDS = 16, 1600, 480, 40
HOST = "default.gw.wso2.com"
HTTP = "type.googleapis.com/envoy.extensions.filters.http"
RESULT = {
    "jsonrpc": "2.0",
    "id": 1,
    "result": {
        "resultType": "complete",
        "content": [{"type": "text", "text": "x" * 200}],
    },
}
ITEM = {"id": "7", "name": "x" * 200}


def answer(value: object) -> bytes:
    body = json.dumps(value).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return head.encode() + b"\r\n\r\n" + body


ANSWERS = {b"POST": answer(RESULT), b"GET": answer(ITEM)}


class Backend(asyncio.Protocol):
    """An MCP server for POST, a REST backend for GET."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport, self.rest = transport, b""

    def data_received(self, data: bytes) -> None:
        self.rest += data
        while True:
            head, end, rest = self.rest.partition(b"\r\n\r\n")
            _, _, length = head.lower().partition(b"content-length:")
            size = int(length.split(b"\r\n")[0] or 0) if length else 0
            if not end or len(rest) < size:
                return
            self.rest = rest[size:]
            self.transport.write(ANSWERS[head.split(b" ")[0]])


def call(path: str, token: str = "") -> bytes:
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    params = {"name": "getItem", "arguments": {"id": "7"}, "_meta": meta}
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    return request("POST", path, token, json.dumps(message))


def legacy_call(path: str) -> bytes:
    message = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": "getItem", "arguments": {"id": "7"}},
    }
    return request("POST", path, "", json.dumps(message), version="2025-11-25")


def request(
    method: str, path: str, token: str = "", body: str = "", version: str = "2026-07-28"
) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", f"Host: {HOST}"]
    if token:
        lines.append(f"Authorization: Bearer {token}")
    if body:
        lines += [
            "Content-Type: application/json",
            "Accept: application/json, text/event-stream",
            f"MCP-Protocol-Version: {version}",
            "Mcp-Method: tools/call",
            "Mcp-Name: getItem",
            f"Content-Length: {len(body)}",
        ]
    return "\r\n".join((*lines, "", body)).encode()


@dataclass
class Load:
    """A few connections that stay open."""

    port: int
    pid: int
    request: bytes
    used: list[float] = field(default_factory=list)
    connections: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = field(
        default_factory=list
    )

    async def open(self) -> None:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        at = {
            "host": "127.0.0.1",
            "port": self.port,
            "ssl": context,
            "server_hostname": HOST,
        }
        self.connections = [
            await asyncio.open_connection(**at) for _ in range(CONNECTIONS)
        ]

    async def send(self, requests: int) -> None:
        """Send requests over all connections; each answer must have a result or an item."""
        each = requests // CONNECTIONS
        await asyncio.gather(*(self._one(*item, each) for item in self.connections))

    async def _one(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, requests: int
    ) -> None:
        for _ in range(requests):
            writer.write(self.request)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            assert head.startswith(b"http/1.1 200"), head
            body = b""
            if b"content-length:" in head:
                size = int(head.partition(b"content-length:")[2].split(b"\r\n")[0])
                body = await reader.readexactly(size)
            else:
                while size := int((await reader.readuntil(b"\r\n"))[:-2], 16):
                    body += (await reader.readexactly(size + 2))[:-2]
                await reader.readexactly(2)
            assert b"x" * 200 in body, body

    async def measure(self) -> None:
        before = thread_seconds(self.pid)
        await self.send(REQUESTS)
        self.used.append((thread_seconds(self.pid) - before) / REQUESTS * 1e6)


async def compare(loads: dict[str, Load]) -> None:
    """Print the cost of each load beside the first one's."""
    for load in loads.values():
        await load.open()
        await load.send(WARM_UP)
    for _ in range(ROUNDS):
        for name in random.sample(list(loads), len(loads)):
            await loads[name].measure()
    base, width = next(iter(loads.values())).used, max(map(len, loads))
    for name, load in loads.items():
        ratio = statistics.median(a / b for a, b in zip(load.used, base, strict=True))
        median = statistics.median(load.used)
        print(
            f"{name:<{width}} {median:6.0f} µs CPU a call   {ratio:.2f} × the plain proxy"
        )


@contextlib.contextmanager
def envoy(
    folder: Path, name: str, filters: list[dict], backend: int, pem: Path
) -> Iterator[Load]:
    """The binary with a bare listener and these filters."""
    port = free_port()
    config = plain_bootstrap(port, backend, pem)
    chain = config["static_resources"]["listeners"][0]["filter_chains"][0]
    chain["filters"][0]["typed_config"]["http_filters"][:0] = filters
    file = folder / f"{name}.json"
    file.write_text(json.dumps(config))
    process = subprocess.Popen(
        [
            find_envoy(""),
            "-c",
            str(file),
            "--use-dynamic-base-id",
            "--log-level",
            "error",
        ]
    )
    try:
        yield Load(port, process.pid, b"")
    finally:
        process.terminate()
        process.wait()


MCP_AND_RBAC = [
    {
        "name": "envoy.filters.http.mcp",
        "typed_config": {
            "@type": f"{HTTP}.mcp.v3.Mcp",
            "traffic_mode": "REJECT_NO_MCP",
        },
    },
    {
        "name": "envoy.filters.http.rbac",
        "typed_config": {
            "@type": f"{HTTP}.rbac.v3.RBAC",
            "rules": {
                "action": "DENY",
                "policies": {
                    "tool": {
                        "permissions": [{"any": True}],
                        "principals": [
                            {
                                "metadata": {
                                    "filter": "envoy.filters.http.mcp",
                                    "path": [{"key": "params"}, {"key": "name"}],
                                    "value": {"string_match": {"exact": "danger"}},
                                }
                            }
                        ],
                    }
                },
            },
        },
    },
]
BRIDGE = [
    {
        "name": "envoy.filters.http.mcp_json_rest_bridge",
        "typed_config": {
            "@type": f"{HTTP}.mcp_json_rest_bridge.v3.McpJsonRestBridge",
            "server_info": {},
            "tool_config": {
                "tools": [
                    {"name": "getItem", "http_rule": {"get": "/backend/items/{id}"}}
                ]
            },
        },
    }
]

CONF = """name: {name}
basePath: /{name}
version: "1.0"
type: {type}
{more}
endpointConfigurations:
  production:
    endpoint: http://127.0.0.1:{port}/backend
operations:
{operations}
"""
LIMIT = "rateLimit: {requestsPerUnit: 2000000000, unit: Hour}"
SERVER = json.dumps({"tools": [{"name": "getItem"}]})
OPENAPI = json.dumps({
    "openapi": "3.0.3",
    "info": {"title": "Items", "version": "1.0"},
    "paths": {
        "/items/{id}": {
            "parameters": [
                {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
            ],
            "get": {"operationId": "getItem", "responses": {"200": {"description": "ok"}}},
        }
    },
})  # fmt: skip


def deploy(platform: Platform, backend: int) -> None:
    """The same call as a tool of a server, as an operation, and as a tool of a REST API."""
    item = '  - {target: "/items/{id}", verb: GET, scopes: ["bench"]}'
    tool = '  - {target: getItem, verb: TOOL, scopes: ["bench"]}'
    limited = tool.replace("]}", f"], {LIMIT}}}")
    confs = [
        ("server", "MCP", "", tool, SERVER),
        ("limited", "MCP", "", limited, SERVER),
        ("api", "REST", "mcp: true", item, OPENAPI),
        (
            "post",
            "REST",
            LIMIT,
            '  - {target: "/items", verb: POST, scopes: ["bench"]}',
            OPENAPI,
        ),
    ]
    for name, kind, more, operations, definition in confs:
        conf = CONF.format(
            name=name, type=kind, more=more, operations=operations, port=backend
        )
        answer = platform.deploy(conf, definition)
        assert answer.status == 200, answer.body


def token(platform: Platform, name: str) -> str:
    return bound_token(platform, f"https://{HOST}:{platform.port}/{name}/1.0", "bench")


async def measure(
    folder: Path, platform: Platform, open_until: contextlib.ExitStack
) -> None:
    backend = await asyncio.get_running_loop().create_server(Backend, "127.0.0.1", 0)
    to = backend.sockets[0].getsockname()[1]
    await asyncio.to_thread(platform.start)
    await asyncio.to_thread(deploy, platform, to)
    pem, ours = platform.data_dir / "tls" / "edge.pem", platform.pid("envoy")
    names = ("server", "limited", "api", "post")
    tokens = {name: await asyncio.to_thread(token, platform, name) for name in names}
    plain = open_until.enter_context(envoy(folder, "plain", [], to, pem))
    checked = open_until.enter_context(envoy(folder, "mcp", MCP_AND_RBAC, to, pem))
    bridge = open_until.enter_context(envoy(folder, "bridge", BRIDGE, to, pem))
    await asyncio.sleep(1)
    get = request("GET", "/backend/items/7", tokens["api"])
    post = call("/post/1.0/items", tokens["post"])
    loads = {
        "plain proxy": replace(plain, request=call("/server/1.0", tokens["server"])),
        "plain proxy, the GET of the tool": replace(
            plain, request=get, used=[], connections=[]
        ),
        "Envoy's mcp filter and RBAC, no token": replace(checked, request=call("/x")),
        "Envoy's mcp_json_rest_bridge, no token": replace(
            bridge, request=legacy_call("/mcp")
        ),
        "kapi, REST POST with JWT, scope, limit": Load(platform.port, ours, post),
        "kapi, tool of a server, JWT, scope": Load(
            platform.port, ours, call("/server/1.0", tokens["server"])
        ),
        "kapi, tool of a server, JWT, scope, limit": Load(
            platform.port, ours, call("/limited/1.0", tokens["limited"])
        ),
        "kapi, tool of a REST API, JWT, scope": Load(
            platform.port, ours, call("/api/1.0/mcp", tokens["api"])
        ),
    }
    await compare(loads)
    print("goal: a tool of a server at most 1.8 ×")
    backend.close()


def run(
    measure: Callable[[Path, Platform, contextlib.ExitStack], Awaitable[None]],
) -> None:
    """Measure with a new platform, and end all that was opened."""
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as open_until:
        platform = Platform(free_port(), Path(folder) / "data")
        try:
            uvloop.run(measure(Path(folder), platform, open_until))
        finally:
            if platform.process is not None:
                platform.stop()


if __name__ == "__main__":
    run(measure)
