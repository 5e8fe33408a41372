"""Envoy's processor time per WebSocket frame: through kapi beside a plain proxy in the same Envoy
binary.

Interleaved rounds in one run, as in gateway_cpu.py. A frame of 64 bytes goes to the backend and
comes back, over connections that stay open; client and backend parse nothing. A round trip is two
frames.
"""

from __future__ import annotations

import asyncio
import json
import random
import ssl
import statistics
import subprocess
import tempfile
from pathlib import Path

import uvloop
from gateway_cpu import plain_bootstrap
from measure import thread_seconds

from harness import DEFINITION, Platform, conf, free_port
from kapi.gateway.envoy.process.process import find_envoy

CONNECTIONS, WARM_UP, FRAMES, ROUNDS = 16, 3200, 1600, 16
FRAME = bytes((0x82, 0x80 | 58)) + b"mask" + b"x" * 58
UPGRADE = (
    b"Host: default.gw.wso2.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
ACCEPTED = (
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)
OPERATIONS = """- {target: "/open", verb: GET, secured: false, stream: {type: WebSocket}}
- {target: "/secured", verb: GET, stream: {type: WebSocket}}
- {target: "/messages", verb: GET, secured: false,
   stream: {type: WebSocket, messagesPerSecond: 1000000}}
- {target: "/limited", verb: GET, rateLimit: {requestsPerUnit: 100000, unit: Day},
   stream: {type: WebSocket, maxDuration: 3600}}
"""


class Backend(asyncio.Protocol):
    """Accepts every handshake, then sends back every byte."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport, self.open = transport, False

    def data_received(self, data: bytes) -> None:
        if self.open:
            self.transport.write(data)
            return
        self.open = True
        self.transport.write(ACCEPTED)


class Load:
    """Connections that stay open, one frame on its way in each."""

    def __init__(self, port: int, path: str, token: str) -> None:
        self._port = port
        head = f"GET {path} HTTP/1.1\r\nAuthorization: Bearer {token}\r\n"
        self._request = head.encode() + UPGRADE + b"\r\n"
        self._connections: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def start(self) -> None:
        """Open the connections."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        for _ in range(CONNECTIONS):
            reader, writer = await asyncio.open_connection(
                "127.0.0.1",
                self._port,
                ssl=context,
                server_hostname="default.gw.wso2.com",
            )
            writer.write(self._request)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 101"), head
            self._connections.append((reader, writer))

    async def send(self, frames: int) -> None:
        """Send `frames` frames over all connections, and read them back."""
        share = frames // CONNECTIONS
        await asyncio.gather(*(self._one(*pair, share) for pair in self._connections))

    async def _one(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, frames: int
    ) -> None:
        for _ in range(frames):
            writer.write(FRAME)
            await reader.readexactly(len(FRAME))


async def compare(kinds: dict[str, tuple[Load, int]]) -> None:
    """Print what a round trip costs of each kind, beside the first one's."""
    used: dict[str, list[float]] = {name: [] for name in kinds}
    for load, _ in kinds.values():
        await load.start()
        await load.send(WARM_UP)
    for _ in range(ROUNDS):
        for name in random.sample(list(kinds), len(kinds)):
            load, pid = kinds[name]
            before = thread_seconds(pid)
            await load.send(FRAMES)
            used[name].append((thread_seconds(pid) - before) / FRAMES * 1e6)
    base = next(iter(used.values()))
    width = max(map(len, used))
    for name, values in used.items():
        ratios = [value / plain for value, plain in zip(values, base, strict=True)]
        cost, ratio = statistics.median(values), statistics.median(ratios)
        print(
            f"{name:<{width}} {cost:6.1f} µs CPU a round trip   {ratio:.2f} × the plain proxy"
        )


def plain(port: int, backend: int, pem: Path) -> dict:
    """The plain proxy, with upgrades."""
    config = plain_bootstrap(port, backend, pem)
    chain = config["static_resources"]["listeners"][0]["filter_chains"][0]
    chain["filters"][0]["typed_config"]["upgrade_configs"] = [
        {"upgrade_type": "websocket"}
    ]
    return config


async def run(platform: Platform) -> None:
    """Deploy, and compare."""
    server = await asyncio.get_running_loop().create_server(Backend, "127.0.0.1", 0)
    backend = server.sockets[0].getsockname()[1]
    text = conf("Frames", "/frames", port=backend, operations=OPERATIONS)
    answer = platform.deploy(text, DEFINITION)
    assert answer.status == 200, answer.body
    token, envoy = platform.token(), platform.pid("envoy")
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        pem = platform.data_dir / "tls" / "edge.pem"
        config = Path(folder) / "plain.json"
        config.write_text(json.dumps(plain(port, backend, pem)))
        command = [find_envoy(""), "-c", str(config), "--use-dynamic-base-id"]
        proxy = subprocess.Popen([*command, "--log-level", "error"])
        try:
            await asyncio.sleep(1)
            kinds = {"plain proxy": (Load(port, "/", token), proxy.pid)}
            for name in ("open", "secured", "limited", "messages"):
                load = Load(platform.port, f"/frames/1.0.0/{name}", token)
                kinds[f"kapi, {name}"] = (load, envoy)
            await compare(kinds)
        finally:
            proxy.terminate()
            proxy.wait()


def main() -> None:
    """Start a platform and measure."""
    with tempfile.TemporaryDirectory() as folder:
        platform = Platform(free_port(), Path(folder) / "data")
        platform.start()
        try:
            uvloop.run(run(platform))
        finally:
            platform.stop()


if __name__ == "__main__":
    main()
