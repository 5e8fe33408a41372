"""Envoy's processor time per call: a JWT-checked call through kapi beside a plain proxy in the same
Envoy binary.

Interleaved rounds in one run; only Envoy's own CPU is counted, so the load generator and the
backend may be slow. The plain proxy is the binary with a bare listener (same TLS, HTTP/1.1
keep-alive, no filter but the router).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import ssl
import statistics
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import uvloop
from measure import process_seconds

from harness import DEFINITION, Platform, conf, free_port
from kapi.gateway.envoy.process.process import find_envoy

CONNECTIONS, WARM_UP, REQUESTS, ROUNDS = 16, 1600, 480, 40
ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n"
    b'{"payload":"' + b"x" * 36 + b'"}'
)


class Backend(asyncio.Protocol):
    """Answers 50 bytes to every request."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport, self.rest = transport, b""

    def data_received(self, data: bytes) -> None:
        *requests, self.rest = (self.rest + data).split(b"\r\n\r\n")
        self.transport.write(ANSWER * len(requests))


class Load:
    """A few connections that stay open, as a client's pool does."""

    def __init__(
        self, port: int, request: bytes, certificate: Path | None = None
    ) -> None:
        self._port, self._request, self._certificate = port, request, certificate
        self._connections: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def send(self, requests: int) -> None:
        """Send `requests` requests over all connections and insist on 200."""
        if not self._connections:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            if self._certificate:
                context.load_cert_chain(self._certificate)
            at = {
                "host": "127.0.0.1",
                "port": self._port,
                "ssl": context,
                "server_hostname": "default.gw.wso2.com",
            }
            self._connections = [
                await asyncio.open_connection(**at) for _ in range(CONNECTIONS)
            ]
        await asyncio.gather(
            *(
                self._one(*connection, requests // CONNECTIONS)
                for connection in self._connections
            )
        )

    async def _one(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, requests: int
    ) -> None:
        for _ in range(requests):
            writer.write(self._request)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), head
            length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
            await reader.readexactly(int(length))

    def close(self) -> None:
        """Close them."""
        for _, writer in self._connections:
            writer.close()


Kind = tuple[int, tuple[int, ...], bytes]
"""Where to send, whose processor time counts, and the request."""


async def compare(
    kinds: dict[str, Kind],
    requests: int,
    rounds: int,
    certificates: dict[str, Path] | None = None,
) -> None:
    """Send to each kind in turn, round after round and in any order, and print its cost beside the
    first one's.

    `certificates` are those of clients, by kind: certificate and key in one file.
    """
    used: dict[str, list[float]] = {name: [] for name in kinds}
    loads = {
        name: Load(port, request, (certificates or {}).get(name))
        for name, (port, _, request) in kinds.items()
    }
    for load in loads.values():
        await load.send(WARM_UP)
    for _ in range(rounds):
        for name in random.sample(list(kinds), len(kinds)):
            pids = kinds[name][1]
            before = process_seconds(*pids)
            await loads[name].send(requests)
            used[name].append((process_seconds(*pids) - before) / requests * 1e6)
    for load in loads.values():
        load.close()
    base = next(iter(used.values()))
    width = max(map(len, used))
    for name, values in used.items():
        ratios = [
            value / plain_value for value, plain_value in zip(values, base, strict=True)
        ]
        print(
            f"{name:<{width}} {statistics.median(values):6.0f} µs CPU a request   "
            f"{statistics.median(ratios):.2f} × the plain proxy"
        )


@contextlib.asynccontextmanager
async def plain_proxy(
    folder: Path, backend: int, pem: Path
) -> AsyncIterator[tuple[int, int]]:
    """The binary with a bare listener: its port and process id."""
    port = free_port()
    config = folder / "plain.json"
    config.write_text(json.dumps(plain_bootstrap(port, backend, pem)))
    plain = subprocess.Popen(
        [
            find_envoy(""),
            "-c",
            str(config),
            "--use-dynamic-base-id",
            "--log-level",
            "error",
        ]
    )
    await asyncio.sleep(1)
    try:
        yield port, plain.pid
    finally:
        plain.terminate()
        plain.wait()


def plain_bootstrap(port: int, backend: int, pem: Path) -> dict:
    endpoint = {
        "endpoint": {
            "address": {
                "socket_address": {"address": "127.0.0.1", "port_value": backend}
            }
        }
    }
    tls = {
        "certificate_chain": {"filename": str(pem)},
        "private_key": {"filename": str(pem)},
    }
    manager = {
        "@type": (
            "type.googleapis.com/"
            "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
        ),
        "stat_prefix": "plain",
        "route_config": {
            "virtual_hosts": [
                {
                    "name": "v",
                    "domains": ["*"],
                    "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "b"}}],
                }
            ]
        },
        "http_filters": [
            {
                "name": "router",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
                },
            }
        ],
    }
    downstream = {
        "@type": (
            "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext"
        ),
        "common_tls_context": {"tls_certificates": [tls]},
    }
    chain = {
        "filters": [{"name": "hcm", "typed_config": manager}],
        "transport_socket": {"name": "tls", "typed_config": downstream},
    }
    listener = {
        "name": "plain",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
        "filter_chains": [chain],
    }
    cluster = {
        "name": "b",
        "type": "STATIC",
        "load_assignment": {
            "cluster_name": "b",
            "endpoints": [{"lb_endpoints": [endpoint]}],
        },
    }
    return {"static_resources": {"listeners": [listener], "clusters": [cluster]}}


OPERATIONS = """- {target: "/items", verb: GET, scopes: ["bench"]}
- {target: "/open", verb: GET, secured: false}
"""


async def deployed(platform: Platform, backend: int) -> str:
    """Start a platform with the API; a token for it."""
    await asyncio.to_thread(platform.start)
    done = await asyncio.to_thread(
        platform.deploy, conf(port=backend, operations=OPERATIONS), DEFINITION
    )
    assert done.status == 200, done.body
    return await asyncio.to_thread(platform.token, "bench")


async def measure(folder: Path, platform: Platform, quiet: Platform) -> None:
    """`quiet` has no access log."""
    loop = asyncio.get_running_loop()
    backend = await loop.create_server(Backend, "127.0.0.1", 0)
    backend_port = backend.sockets[0].getsockname()[1]
    token = await deployed(platform, backend_port)
    unlogged = await deployed(quiet, backend_port)
    async with plain_proxy(
        folder, backend_port, platform.data_dir / "tls" / "edge.pem"
    ) as (
        port,
        plain,
    ):
        head = "Host: default.gw.wso2.com\r\n"
        ours = (platform.pid("envoy"),)
        # The plain proxy gets the same request: reading and passing on a token is no check of it.
        line = "GET /echo/1.0.0/items HTTP/1.1\r\n"
        with_token = f"{line}{head}Authorization: Bearer {token}\r\n\r\n"
        kinds: dict[str, Kind] = {
            "plain proxy": (port, (plain,), with_token.encode()),
            "kapi, secured: false": (
                platform.port,
                ours,
                f"GET /echo/1.0.0/open HTTP/1.1\r\n{head}\r\n".encode(),
            ),
            "kapi, JWT and scope": (platform.port, ours, with_token.encode()),
            "kapi, JWT and scope, no access log": (
                quiet.port,
                (quiet.pid("envoy"),),
                with_token.replace(token, unlogged).encode(),
            ),
        }
        await compare(kinds, REQUESTS, ROUNDS)
        print(
            "goal: JWT and scope at most 1.6 ×, and at most 1.05 × the call without access log"
        )
    backend.close()


def with_platforms(
    measured: Callable[[Path, Platform, Platform], Coroutine[Any, Any, None]],
) -> None:
    """Measure with two platforms that the function starts; the second has no access log."""
    with tempfile.TemporaryDirectory() as folder:
        without = {"KAPI_GATEWAY__ACCESS_LOG": "false"}
        platform = Platform(free_port(), Path(folder) / "data")
        quiet = Platform(free_port(), Path(folder) / "quiet", environment=without)
        try:
            uvloop.run(measured(Path(folder), platform, quiet))
        finally:
            for started in (platform, quiet):
                if started.process is not None:
                    started.stop()


if __name__ == "__main__":
    with_platforms(measure)
