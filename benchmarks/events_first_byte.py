"""Time to the first event of a stream (server-sent events): through kapi, beside the backend itself
and a plain proxy.

One call at a time, over connections that stay open, in interleaved rounds of one run. The backend
sends its headers and the first event at once. Times are of the wall clock, so run it on a machine
that is otherwise idle.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import ssl
import statistics
import tempfile
import time
from pathlib import Path

import uvloop
from gateway_cpu import plain_proxy

from harness import DEFINITION, Platform, conf, free_port

ROUNDS = 300
EVENT = b"data: 1\n\n"
RESPONSE = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"9\r\n" + EVENT + b"\r\n"
)
END = b"0\r\n\r\n"
OPERATIONS = """- {target: "/open", verb: GET, secured: false, stream: {type: ServerSentEvents}}
- {target: "/all", verb: GET, rateLimit: {requestsPerUnit: 1000000, unit: Day},
   stream: {type: ServerSentEvents},
   operationPolicies: {response: [{policyName: LuaInterceptor, policyVersion: v1, parameters: {
     name: s,
     sourceCode: "function envoy_on_response(h) for c in h:bodyChunks() do c:length() end end"}}]}}
"""


async def backend(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send the first event at once, and end the response a little later."""
    with contextlib.suppress(
        asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError
    ):
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(RESPONSE)
            await asyncio.sleep(0.005)
            writer.write(END)
    writer.close()


class Caller:
    """One connection."""

    def __init__(
        self, port: int, path: str, token: str = "", *, tls: bool = True
    ) -> None:
        self._port, self._tls = port, tls
        authorization = f"Authorization: Bearer {token}\r\n" if token else ""
        head = (
            f"GET {path} HTTP/1.1\r\nHost: default.gw.wso2.com\r\n{authorization}\r\n"
        )
        self._request = head.encode()

    async def start(self) -> None:
        """Connect."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        more = (
            {"ssl": context, "server_hostname": "default.gw.wso2.com"}
            if self._tls
            else {}
        )
        self._reader, self._writer = await asyncio.open_connection(
            "127.0.0.1", self._port, **more
        )

    async def first_byte(self) -> float:
        """Seconds from the request to the first event."""
        begun = time.perf_counter()
        self._writer.write(self._request)
        await self._reader.readuntil(EVENT)
        passed = time.perf_counter() - begun
        await self._reader.readuntil(END)
        return passed


async def compare(callers: dict[str, Caller]) -> None:
    """Print the median of each."""
    for caller in callers.values():
        await caller.start()
        for _ in range(20):
            await caller.first_byte()
    times: dict[str, list[float]] = {name: [] for name in callers}
    for _ in range(ROUNDS):
        for name in random.sample(list(callers), len(callers)):
            times[name].append(await callers[name].first_byte())
    for name, found in times.items():
        slow = statistics.quantiles(found, n=20)[-1]
        print(
            f"{name:<42} {statistics.median(found) * 1e6:6.0f} µs, 95 %: {slow * 1e6:6.0f} µs"
        )


async def run(platform: Platform, folder: Path) -> None:
    """Deploy, and compare."""
    server = await asyncio.start_server(backend, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    text = conf("Events", "/events", port=port, operations=OPERATIONS)
    answer = await asyncio.to_thread(platform.deploy, text, DEFINITION)
    assert answer.status == 200, answer.body
    token = await asyncio.to_thread(platform.token)
    pem = platform.data_dir / "tls" / "edge.pem"
    async with plain_proxy(folder, port, pem) as (plain, _):
        await compare(
            {
                "the backend itself, without TLS": Caller(port, "/", tls=False),
                "plain proxy": Caller(plain, "/"),
                "kapi, secured: false": Caller(platform.port, "/events/1.0.0/open"),
                "kapi, JWT, limit, script that reads it": Caller(
                    platform.port, "/events/1.0.0/all", token
                ),
            }
        )


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
