"""Calls with everything on, while APIs, keys and tokens change.

APIs are deployed, changed and undeployed, keys rotate, tokens are revoked. The API counts a limit,
asks for a subscription, and sends a backend JWT; access log and metrics are on. First a quiet part,
then parts with changes: each prints the calls, their waits, errors, and the memory of each process.
Callers pause between their calls, so the machine is not full. `--minutes 30` is the whole soak;
`make bench` runs it for a few minutes.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import ssl
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import uvloop
from gateway_cpu import Backend
from measure import resident_mb
from platform_size import Connection
from rate_limit_cpu import CLIENT, LIMIT
from token_tail import quantile

from harness import BASIC, DEFINITION, Platform, conf, free_port

CALLERS, PAUSE_SECONDS = 16, 0.05
PARTS = 6
ROTATE_SECONDS = 15
"""Between two new signing keys: 60 in the whole soak, of the 100 that there may be."""
POLICY = "apiPolicies: {request: [{policyName: BackendJwt}]}\n"


@dataclass
class Seen:
    """Waits of the calls, and the responses that were not 200."""

    waits: list[float] = field(default_factory=list)
    errors: dict[str, int] = field(default_factory=dict)


async def call(
    port: int, request: bytes, context: ssl.SSLContext, until: float, seen: Seen
) -> None:
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=context, server_hostname="default.gw.wso2.com"
    )
    while time.perf_counter() < until:
        begun = time.perf_counter()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        await reader.readexactly(length)
        seen.waits.append(time.perf_counter() - begun)
        if not head.startswith(b"HTTP/1.1 200"):
            status = head.split(b" ")[1].decode()
            seen.errors[status] = seen.errors.get(status, 0) + 1
        await asyncio.sleep(PAUSE_SECONDS)
    writer.close()


class Changes:
    """What an operator and other teams do meanwhile."""

    def __init__(self, platform: Platform, backend: int) -> None:
        self.platform, self.backend = platform, backend
        self.done = 0
        self.rotated = time.perf_counter()

    async def run(self, until: float) -> None:
        for number in itertools.count(self.done):
            if time.perf_counter() > until:
                return
            await asyncio.to_thread(self._once, number)
            self.done = number + 1

    def _once(self, number: int) -> None:
        """One deployment; the same API comes back with another version, and goes."""
        connection = Connection(self.platform.port)
        token = connection.token("apk:api_create")
        name, version = f"Other{number // 3 % 10}", f"{number % 3}.0.0"
        text = conf(name, f"/{name.lower()}", version, self.backend)
        connection.deploy(token, text)
        if number % 3 == 2:
            for api in self._deployed(connection, token, name):
                path = f"/api/deployer/1.2.0/apis/undeploy?apiId={api}"
                headers = {"Authorization": f"Bearer {token}"}
                assert (
                    connection.request("POST", "api.am.wso2.com", path, headers)[0]
                    == 202
                )
        body = f"token={connection.token('default')}".encode()
        headers = {
            "Authorization": f"Basic {BASIC}",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        path = "/oauth2/revoke"
        assert (
            connection.request("POST", "idp.am.wso2.com", path, headers, body)[0] == 200
        )
        if time.perf_counter() - self.rotated > ROTATE_SECONDS:
            self.rotated = time.perf_counter()
            self.platform.cli("key", "rotate")

    def _deployed(self, connection: Connection, token: str, name: str) -> list[str]:
        headers = {"Authorization": f"Bearer {token}"}
        path = "/api/deployer/1.2.0/apis"
        found = json.loads(
            connection.request("GET", "api.am.wso2.com", path, headers)[1]
        )
        return [api["id"] for api in found["apis"] if api["name"] == name]


async def part(platform: Platform, seconds: float, changes: Changes | None) -> Seen:
    token = await asyncio.to_thread(platform.token, "bench")
    request = (
        "GET /everything/1.0.0/items HTTP/1.1\r\nHost: default.gw.wso2.com\r\n"
        f"Authorization: Bearer {token}\r\n\r\n"
    ).encode()
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    seen, until = Seen(), time.perf_counter() + seconds
    working = [
        call(platform.port, request, context, until, seen) for _ in range(CALLERS)
    ]
    if changes is not None:
        working.append(changes.run(until))
    await asyncio.gather(*working)
    return seen


def report(name: str, seen: Seen, platform: Platform, done: int) -> None:
    state = platform.state()
    pids = {child: item["pid"] for child, item in state["children"].items()}
    resident = resident_mb(*pids.values())
    memory = ", ".join(f"{child} {resident[pid]:.0f}" for child, pid in pids.items())
    print(
        f"{name:<8} {len(seen.waits):>7} calls  p50 {quantile(seen.waits, 0.5):6.1f} ms"
        f"  p99 {quantile(seen.waits, 0.99):6.1f} ms  longest {max(seen.waits) * 1000:6.0f} ms"
        f"  errors {seen.errors or 'none'}  {done} deployments  MB: {memory}",
        flush=True,
    )


async def measure(platform: Platform, seconds: float) -> None:
    backend = await asyncio.get_running_loop().create_server(Backend, "127.0.0.1", 0)
    port = backend.sockets[0].getsockname()[1]
    await asyncio.to_thread(platform.start)
    text = conf(
        "Everything",
        "/everything",
        port=port,
        extra=f"subscriptionValidation: true\n{LIMIT}\n{POLICY}",
        operations='- {target: "/items", verb: GET, scopes: ["bench"]}\n',
    )
    answer = await asyncio.to_thread(platform.deploy, text, DEFINITION)
    assert answer.status == 200, answer.body
    for command in (
        ("app", "create", "bench"),
        ("app", "add-key", "bench", CLIENT),
        ("subscription", "add", "bench", "Everything"),
    ):
        await asyncio.to_thread(platform.cli, *command)
    changes = Changes(platform, port)
    await part(platform, 3, None)
    ratios = []
    for number in range(PARTS):
        # A quiet part beside each one with changes: other work of the machine is in both.
        quiet = await part(platform, seconds / PARTS / 2, None)
        report("quiet", quiet, platform, changes.done)
        changed = await part(platform, seconds / PARTS / 2, changes)
        report(f"part {number + 1}", changed, platform, changes.done)
        ratios.append(quantile(changed.waits, 0.99) / quantile(quiet.waits, 0.99))
    middle = sorted(ratios)[len(ratios) // 2]
    print(f"p99 with changes ÷ quiet p99, median of the parts: {middle:.2f}   (goal 2)")
    backend.close()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=3)
    minutes = parser.parse_args().minutes
    with tempfile.TemporaryDirectory() as folder:
        platform = Platform(free_port(), Path(folder) / "data")
        try:
            uvloop.run(measure(platform, minutes * 60))
        finally:
            if platform.process is not None:
                with contextlib.suppress(AssertionError):
                    platform.stop()


if __name__ == "__main__":
    main()
