"""A restart with many APIs beside a bare Envoy that has the same resources in files.

From the start of the process until each API has answered once, over one connection. The files are
binary; clusters, listener, scopes and filters are those of the platform. Also the start of the
platform to its first token, beside the start of that Envoy and of a uvicorn with nothing in it.
Run with numbers of APIs: `benchmarks/restarting.py 10 1000 5000`.
"""

from __future__ import annotations

import contextlib
import copy
import http.client
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

sys.path[:0] = [
    str(Path(__file__).parents[1] / "tests"),
    str(Path(__file__).parents[1] / "tests/gateway"),
]
from envoy.service.discovery.v3.discovery_pb2 import DiscoveryResponse
from live_gateway import Gateway, gateway
from measure import cpu_seconds, resident_mb
from platform_size import Connection, first_token

import waiting
from harness import Echo, Platform, free_port
from kapi import run_files
from kapi.gateway.envoy.process import process
from kapi.gateway.envoy.resources.names import (
    CLUSTER,
    EXTENSION,
    LISTENER,
    SCOPE,
    SECRET,
)
from kapi.gateway.envoy.resources.render import render_base
from kapi.gateway.envoy.resources.resource import Resource
from kapi.gateway.envoy.stream.encode import encode
from kapi.policies.authentication.trust import needs_in
from kapi.store import Store
from nodes import fill

TIMES = 5
GOAL_RESTART, GOAL_START = 2.0, 1.5
_UVICORN = """
import socket, sys, uvicorn
async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})
uvicorn.run(app, port=int(sys.argv[1]), log_level="critical", lifespan="off")
"""


class Files:
    """The resources of a gateway in files, each where another resource names it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, name: str, resources: list[Resource]) -> None:
        response = DiscoveryResponse(version_info="1")
        for item in resources:
            response.resources.add(type_url=item.type_url, value=item.body)
        (self.folder / f"{name}.pb").write_bytes(response.SerializeToString())

    def source(self, name: str) -> dict[str, Any]:
        path = {"path": str(self.folder / f"{name}.pb")}
        return {"path_config_source": path, "resource_api_version": "V3"}

    def named(self, value: Any, name: str = "") -> Any:
        """The value, with files in place of the stream."""
        if isinstance(value, list | tuple):
            return [self.named(item, name) for item in value]
        if not isinstance(value, dict):
            return value
        own = value.get("name", name)
        found = {}
        for key, item in value.items():
            if isinstance(item, dict) and "ads" in item:
                file = {"sds_config": "secret", "config_source": own}.get(key, key)
                found[key] = self.source(file)
            else:
                found[key] = self.named(item, own)
        return found


def write_files(live: Gateway, stored: list[Resource]) -> Path:
    """Files and a bootstrap with these scopes and clusters; the bootstrap's path."""
    folder = live.settings.data_dir / "files"
    folder.mkdir(exist_ok=True)
    files = Files(folder)
    needs = needs_in(item.body for item in stored if item.type_url == SCOPE)
    chain, key = live.certificate.chain, live.certificate.private_key
    base = render_base(live.context, live.trusted(), chain, key, needs)
    encoded: dict[str, list[Resource]] = {
        CLUSTER: [],
        LISTENER: [],
        SCOPE: [],
        SECRET: [],
    }
    for kind, value in base:
        resource = encode(kind, files.named(copy.deepcopy(value)))
        if kind == EXTENSION:
            files.write(resource.name, [resource])
        else:
            encoded[kind].append(resource)
    known = {item.name for item in encoded[SCOPE]}
    for item in stored:
        if item.name not in known:
            encoded[item.type_url].append(item)
    names = {CLUSTER: "cds", LISTENER: "lds", SECRET: "secret"}
    for kind, name in names.items():
        files.write(name, encoded[kind])
    files.write("scoped_rds_config_source", encoded[SCOPE])
    bootstrap = process.bootstrap(live.settings, run_files.run_dir(live.settings))
    sources = {"cds_config": files.source("cds"), "lds_config": files.source("lds")}
    bootstrap["dynamic_resources"] = sources
    path = folder / "envoy.json"
    path.write_text(json.dumps(bootstrap))
    return path


@contextlib.contextmanager
def bare(live: Gateway, bootstrap: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A bare Envoy."""
    binary = process.find_envoy("")
    with run_files.log_path(live.settings, "envoy").open("ab") as log:
        command = process.command_line(binary, bootstrap, live.settings)
        running = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        yield running
    finally:
        running.kill()
        running.wait()


def until_all_answer(port: int, count: int) -> float:
    """Seconds until each API has answered."""
    begun = time.perf_counter()
    number, connection = 0, None
    while number < count:
        try:
            connection = connection or Connection(port)
            status, _ = connection.request(
                "GET", "default.gw.wso2.com", f"/old{number}/1.0.0/open"
            )
        except (OSError, http.client.HTTPException):
            connection = None
            time.sleep(0.005)
            continue
        if status == 200:
            number += 1
        else:
            time.sleep(0.005)
    return time.perf_counter() - begun


def restarts(platform: Platform, live: Gateway, bootstrap: Path, count: int) -> None:
    """Restart both in turn."""
    own, alone, cpu = [], [], []
    for _ in range(3):
        Thread(target=platform.start).start()
        own.append(until_all_answer(platform.port, count))
        waiting.until(platform.is_ready)
        used = [cpu_seconds(platform.pid(name)) for name in ("control", "envoy")]
        size = [
            resident_mb(platform.pid(n))[platform.pid(n)] for n in ("control", "envoy")
        ]
        platform.stop()
        with bare(live, bootstrap) as envoy:
            alone.append(until_all_answer(live.settings.gateway.port, count))
            cpu.append(
                (
                    *used,
                    cpu_seconds(envoy.pid),
                    *size,
                    resident_mb(envoy.pid)[envoy.pid],
                )
            )
    ratio = statistics.median(a / b for a, b in zip(own, alone, strict=True))
    middle = [statistics.median(item) for item in zip(*cpu, strict=True)]
    control, envoy_cpu, bare_cpu, *sizes = middle
    print(
        f"{count:>5} APIs: restart until all answer {statistics.median(own):.2f} s,"
        f" bare Envoy from files {statistics.median(alone):.2f} s: {ratio:.2f} × (goal"
        f" {GOAL_RESTART:g}); CPU control {control:.2f} s, Envoy {envoy_cpu:.2f} s, bare"
        f" {bare_cpu:.2f} s; memory control {sizes[0]:.0f} MB, Envoy {sizes[1]:.0f} MB, bare"
        f" {sizes[2]:.0f} MB",
        flush=True,
    )


def uvicorn_start() -> float:
    """Seconds from the start of a uvicorn to its first answer."""
    port = free_port()
    begun = time.perf_counter()
    running = subprocess.Popen([sys.executable, "-c", _UVICORN, str(port)])
    try:
        while True:
            place = ("127.0.0.1", port)
            with contextlib.suppress(OSError), socket.create_connection(place) as peer:
                peer.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                if peer.recv(100):
                    return time.perf_counter() - begun
            time.sleep(0.005)
    finally:
        running.kill()
        running.wait()


def starts(platform: Platform, live: Gateway, bootstrap: Path) -> None:
    """The start to the first token, beside its parts without anything in them, in turn."""
    rows = []
    for _ in range(TIMES):
        token = first_token(platform)
        waiting.until(platform.is_ready)
        platform.stop()
        with bare(live, bootstrap):
            envoy = until_answered(live.settings.gateway.port)
        rows.append((token, envoy, uvicorn_start()))
    token, envoy, uvicorn = (
        statistics.median(item) for item in zip(*rows, strict=True)
    )
    ratio = statistics.median(row[0] / (row[1] + row[2]) for row in rows)
    print(
        f"kapi up to the first token {token:.2f} s; start of Envoy {envoy:.2f} s and of a bare"
        f" uvicorn {uvicorn:.2f} s: {ratio:.2f} × (goal {GOAL_START:g})",
        flush=True,
    )


def until_answered(port: int) -> float:
    """Seconds until Envoy has answered over TLS, with whatever status."""
    begun = time.perf_counter()
    while True:
        with contextlib.suppress(OSError, http.client.HTTPException):
            Connection(port).request("GET", "default.gw.wso2.com", "/nothing")
            return time.perf_counter() - begun
        time.sleep(0.005)


def stored_of(folder: Path) -> list[Resource]:
    from kapi.gateway.deployment.change import resources_of

    store = Store.open(folder / "kapi.db")
    found = list(resources_of(store.rendered()))
    store.close()
    return found


def with_apis(
    count: int, port: int, work: Callable[[Platform, Gateway, Path], None]
) -> None:
    """Do work with a platform that has so many APIs, and is stopped."""
    with tempfile.TemporaryDirectory() as folder, gateway(start=False) as live:
        platform = Platform(free_port(), Path(folder) / "data")
        platform.start()
        platform.stop()
        fill(platform.data_dir / "kapi.db", count, port)  # type: ignore[arg-type]
        begun = time.perf_counter()
        platform.start()
        platform.stop()
        took = time.perf_counter() - begun
        print(
            f"{count:>5} APIs: first start, which renders all of them: {took:.1f} s",
            flush=True,
        )
        work(platform, live, write_files(live, stored_of(platform.data_dir)))


def main() -> None:
    waiting.LIMIT = 1800.0
    numbers = [int(text) for text in sys.argv[1:]] or [10, 1000]
    backend = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    Thread(target=backend.serve_forever, daemon=True).start()
    port = backend.server_address[1]
    with_apis(0, port, starts)
    for count in numbers:
        with_apis(count, port, lambda *given, count=count: restarts(*given, count))


if __name__ == "__main__":
    main()
