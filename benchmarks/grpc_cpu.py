"""Envoy's processor time per unary gRPC call: through kapi beside plain proxies in the same Envoy
binary.

Interleaved rounds in one run, as in gateway_cpu.py. The plain proxies have a bare listener with
TLS: one for HTTP/1.1, as the other benchmarks have, and one for gRPC (HTTP/2 on both sides). Calls
of 7 bytes, one at a time on each of 16 connections.
"""

from __future__ import annotations

import asyncio
import json
import random
import statistics
import subprocess
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import grpc
import uvloop
from gateway_cpu import Backend, Load, plain_bootstrap
from measure import thread_seconds

from grpc_backend import PROTO, SERVICE, student
from harness import DEFINITION, Platform, conf, free_port
from kapi.gateway.envoy.process.process import find_envoy

CONNECTIONS, WARM_UP, CALLS, ROUNDS = 16, 800, 320, 20
HOST = "default.gw.wso2.com"
TARGET = "student_service.StudentService"
HTTP2 = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
OPERATIONS = """- {target: "/open", verb: GET, secured: false}
- {target: "/secured", verb: GET, scopes: ["students:read"]}
- {target: "/limited", verb: GET, rateLimit: {requestsPerUnit: 1000000, unit: Day}}
"""


class Calls:
    """One channel for each connection, one call on its way in each."""

    def __init__(self, port: int, authority: Path, path: str, token: str) -> None:
        credentials = grpc.ssl_channel_credentials(authority.read_bytes())
        options = [
            ("grpc.ssl_target_name_override", HOST),
            ("grpc.use_local_subchannel_pool", 1),
        ]
        self._metadata = (("authorization", f"Bearer {token}"),)
        self._channels = [
            grpc.aio.secure_channel(f"127.0.0.1:{port}", credentials, options)
            for _ in range(CONNECTIONS)
        ]
        self._methods = [channel.unary_unary(path) for channel in self._channels]

    async def send(self, calls: int) -> None:
        """Make `calls` calls over all channels."""
        await asyncio.gather(
            *(self._one(method, calls // CONNECTIONS) for method in self._methods)
        )

    async def _one(self, method: Callable[..., Awaitable[bytes]], calls: int) -> None:
        for _ in range(calls):
            await method(student("Ada"), metadata=self._metadata)


async def echo(request: bytes, _: grpc.aio.ServicerContext) -> bytes:
    """The request."""
    return request


async def backend() -> tuple[grpc.aio.Server, int]:
    """A gRPC server with one method."""
    server = grpc.aio.server()
    handlers = {"GetStudent": grpc.unary_unary_rpc_method_handler(echo)}
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(SERVICE, handlers),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    return server, port


def plain_grpc(port: int, to: int, pem: Path) -> dict:
    """The plain proxy, with HTTP/2 on both sides."""
    config = json.loads(json.dumps(plain_bootstrap(port, to, pem)))
    listener = config["static_resources"]["listeners"][0]
    common = listener["filter_chains"][0]["transport_socket"]["typed_config"][
        "common_tls_context"
    ]
    common["alpn_protocols"] = ["h2"]
    config["static_resources"]["clusters"][0]["typed_extension_protocol_options"] = {
        HTTP2: {
            "@type": f"type.googleapis.com/{HTTP2}",
            "explicit_http_config": {"http2_protocol_options": {}},
        }
    }
    return config


def start(config: dict, folder: Path, name: str) -> subprocess.Popen[bytes]:
    """An Envoy with this configuration."""
    path = folder / f"{name}.json"
    path.write_text(json.dumps(config))
    command = [
        find_envoy(""),
        "-c",
        str(path),
        "--use-dynamic-base-id",
        "--log-level",
        "error",
    ]
    return subprocess.Popen(command)


def deploy(platform: Platform, to: int, rest: int) -> None:
    """The same policies for both kinds: none; a token with a scope; a rate limit."""
    for name, more in (
        ("open", ", secured: false"),
        ("secured", ', scopes: ["students:read"]'),
        ("limited", ", rateLimit: {requestsPerUnit: 1000000, unit: Day}"),
    ):
        text = (
            f'name: "{name}"\nbasePath: "/{name}"\nversion: "v1"\ntype: GRPC\n'
            'grpc: {package: "org.apk.v1"}\n'
            f'endpointConfigurations: {{production: {{endpoint: "http://127.0.0.1:{to}"}}}}\n'
            f'operations:\n- {{target: "{TARGET}", verb: GetStudent{more}}}\n'
        )
        answer = platform.deploy(text, PROTO)
        assert answer.status == 200, answer.body
    answer = platform.deploy(
        conf("Rest", "/rest", port=rest, operations=OPERATIONS), DEFINITION
    )
    assert answer.status == 200, answer.body


async def compare(kinds: dict[str, tuple[Calls | Load, int]]) -> None:
    """Print what a call of each kind costs, beside the first two."""
    used: dict[str, list[float]] = {name: [] for name in kinds}
    for load, _ in kinds.values():
        await load.send(WARM_UP)
    for _ in range(ROUNDS):
        for name in random.sample(list(kinds), len(kinds)):
            load, pid = kinds[name]
            before = thread_seconds(pid)
            await load.send(CALLS)
            used[name].append((thread_seconds(pid) - before) / CALLS * 1e6)
    first, second = list(used.values())[:2]
    for name, values in used.items():
        ratios = [
            statistics.median(
                value / plain for value, plain in zip(values, base, strict=True)
            )
            for base in (first, second)
        ]
        cost = statistics.median(values)
        print(
            f"{name:<22} {cost:6.0f} µs CPU a call   {ratios[0]:.2f} × plain HTTP/1.1"
            f"   {ratios[1]:.2f} × plain gRPC"
        )


async def run(platform: Platform, folder: Path) -> None:
    """Deploy, and compare."""
    server, to = await backend()
    web = await asyncio.get_running_loop().create_server(Backend, "127.0.0.1", 0)
    rest = web.sockets[0].getsockname()[1]
    deploy(platform, to, rest)
    ports = free_port(), free_port()
    pem, authority = (
        platform.data_dir / "tls" / name for name in ("edge.pem", "ca.pem")
    )
    proxies = [
        start(plain_bootstrap(ports[0], rest, pem), folder, "http"),
        start(plain_grpc(ports[1], to, pem), folder, "grpc"),
    ]
    token, envoy = platform.token("students:read"), platform.pid("envoy")
    try:
        await asyncio.sleep(1)
        head = f"Host: {HOST}\r\nAuthorization: Bearer {token}\r\n\r\n"

        def get(path: str) -> bytes:
            return f"GET {path} HTTP/1.1\r\n{head}".encode()

        own = f"/{SERVICE}/GetStudent"
        kinds: dict[str, tuple[Calls | Load, int]] = {
            "plain HTTP/1.1": (Load(ports[0], get("/")), proxies[0].pid),
            "plain gRPC": (Calls(ports[1], authority, own, token), proxies[1].pid),
        }
        for name in ("open", "secured", "limited"):
            path = f"/{name}.v1.{TARGET}/GetStudent"
            kinds[f"kapi gRPC, {name}"] = (
                Calls(platform.port, authority, path, token),
                envoy,
            )
            load = Load(platform.port, get(f"/rest/1.0.0/{name}"))
            kinds[f"kapi REST, {name}"] = (load, envoy)
        await compare(kinds)
    finally:
        for proxy in proxies:
            proxy.terminate()
            proxy.wait()
        await server.stop(0)


def main() -> None:
    """Start a platform and measure."""
    with tempfile.TemporaryDirectory() as folder:
        platform = Platform(free_port(), Path(folder) / "data")
        platform.start()
        try:
            uvloop.run(run(platform, Path(folder)))
        finally:
            platform.stop()


if __name__ == "__main__":
    main()
