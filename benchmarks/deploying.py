"""A deployment of a small API beside the bare push of the same resources, and what then grows.

At 10, 1,000 and more APIs. The bare push is the same cluster and scope, made beforehand, sent over
a configuration stream to an Envoy of the same binary that has as many APIs, until it acknowledges
both. It has no request, no compiler, no store. Interleaved in one run.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import threading
import time
from http.server import ThreadingHTTPServer
from pathlib import Path

sys.path[:0] = [
    str(Path(__file__).parents[1] / "tests"),
    str(Path(__file__).parents[1] / "tests/gateway"),
]
from live_gateway import Gateway, gateway
from measure import cpu_seconds
from platform_size import Connection, wait_ready

from harness import DEFINITION, Echo, Platform, conf, free_port
from kapi.gateway.envoy.resources.names import CLUSTER, SCOPE
from kapi.gateway.envoy.resources.render import render_backends, render_scope, segments
from kapi.gateway.envoy.resources.resource import Resource
from kapi.gateway.envoy.stream.encode import encode
from kapi.policies.compiling import compiled

TIMES = 25
GOAL = 2.5


def text(number: int, port: int) -> str:
    return conf(name=f"Bench{number}", base=f"/bench{number}", port=port)


def resources(live: Gateway, number: int, port: int) -> list[Resource]:
    """The cluster and the scope of one API."""
    api = compiled(text(number, port).encode(), DEFINITION.encode(), "default", ()).api
    found = [encode(CLUSTER, value) for value in render_backends([api], live.context)]
    for segment in sorted(segments(api)):
        scope = render_scope(segment, [api], live.context)
        assert scope is not None
        found.append(encode(SCOPE, scope))
    return found


def milliseconds(values: list[float]) -> str:
    return (
        f"{statistics.median(values) * 1000:6.1f} ms (worst {max(values) * 1000:4.0f})"
    )


class Benchmark:
    """One platform and one bare Envoy, which grow together."""

    def __init__(self, platform: Platform, live: Gateway, port: int) -> None:
        self.platform, self.live, self.port = platform, live, port
        self.connection = Connection(platform.port)
        self.count = 0
        self.pushed: list[Resource] = []

    def grow(self, count: int) -> None:
        """Deploy up to this number."""
        token = self.connection.token("apk:api_create")
        begun, cpu = time.perf_counter(), self.cpu()
        more = count - self.count
        for number in range(self.count, count):
            self.connection.deploy(token, text(number, self.port))
            self.pushed += resources(self.live, number, self.port)
        if more > 50:
            used = (self.cpu() - cpu) / more * 1000
            took = (time.perf_counter() - begun) / more * 1000
            print(
                f"  {more} deployments: {took:.1f} ms each,"
                f" CPU of control and Envoy {used:.1f} ms each"
            )
        self.live.publisher.set_initial([*self.live.base(), *self.pushed])
        distinct = {(item.type_url, item.name) for item in self.pushed}
        while self.live.publisher.status().confirmed < len(distinct):
            time.sleep(0.05)
        self.count = count

    def cpu(self) -> float:
        return cpu_seconds(self.platform.pid("control"), self.platform.pid("envoy"))

    def measure(self) -> None:
        """Deploy and push in turn; every second one replaces an API of another port."""
        token = self.connection.token("apk:api_create")
        deployed, bare, used = [], [], []
        for number in range(self.count, self.count + TIMES):
            made = resources(self.live, number, self.port)
            cpu = self.cpu()
            took = self.connection.deploy(token, text(number, self.port))
            used.append(self.cpu() - cpu)
            begun = time.perf_counter()
            self.live.publisher.publish(made)
            bare.append(time.perf_counter() - begun)
            deployed.append(took)
            assert self.connection.call(number, token) == 200
            self.pushed += made
        middle = statistics.median(deployed) / statistics.median(bare)
        self.count += TIMES
        print(
            f"at {self.count - TIMES:>5} APIs: deployed {milliseconds(deployed)},"
            f" bare push {milliseconds(bare)}   {middle:.2f} × the push (goal {GOAL});"
            f" CPU of control and Envoy {statistics.mean(used) * 1000:.0f} ms",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sizes", default="10,1000")
    sizes = [int(item) for item in parser.parse_args().sizes.split(",")]
    backend = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=backend.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as folder, gateway() as live:
        platform = Platform(free_port(), Path(folder) / "data")
        platform.start()
        try:
            wait_ready(platform)
            benchmark = Benchmark(platform, live, backend.server_address[1])
            for size in sizes:
                benchmark.grow(size)
                benchmark.measure()
        finally:
            platform.stop()


if __name__ == "__main__":
    main()
