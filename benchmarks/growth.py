"""How each figure grows with the number of deployed APIs: 10, 100, 1,000 and 5,000.

The APIs are put into the store as if a node that is gone had deployed them; then the platform
renders them, APIs are deployed, changed, called and undeployed one after the other, and the
platform restarts. CPU seconds, since they say more than the time on a machine with other work.
Run with numbers of APIs: `benchmarks/growth.py 10 100 1000 5000`.
"""

from __future__ import annotations

import re
import statistics
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable
from http.server import ThreadingHTTPServer
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from measure import resident_mb, thread_seconds
from platform_size import Connection

import waiting
from harness import DEFINITION, Echo, Platform, conf, free_port
from nodes import fill

TIMES, CALLS = 30, 1000
NAMES = ("control", "envoy")


class Growing:
    """One platform with so many APIs."""

    def __init__(self, platform: Platform, count: int, port: int) -> None:
        self.platform, self.count, self.port = platform, count, port
        self.connection = Connection(platform.port)
        self.token = self.connection.token("apk:api_create")
        self.ids: list[str] = []

    def used(self) -> list[float]:
        return [thread_seconds(self.platform.pid(name)) for name in NAMES]

    def each(self, what: str, times: int, work: Callable[[int], None]) -> None:
        """CPU of control and Envoy in milliseconds for each of several, and the median time."""
        before, took = self.used(), []
        for number in range(times):
            begun = time.perf_counter()
            work(number)
            took.append(time.perf_counter() - begun)
        control, envoy = (
            (after - own) / times * 1000
            for own, after in zip(before, self.used(), strict=True)
        )
        print(
            f"{self.count:>5} APIs: {what:<22} control {control:7.3f} ms, Envoy {envoy:7.3f} ms,"
            f" median {statistics.median(took) * 1000:6.1f} ms",
            flush=True,
        )

    def request(self, path: str, headers: dict[str, str], body: bytes) -> bytes:
        headers = {"Authorization": f"Bearer {self.token}", **headers}
        status, answer = self.connection.request(
            "POST", "api.am.wso2.com", f"/api/deployer/1.2.0/apis/{path}", headers, body
        )
        assert status in {200, 202}, answer
        return answer

    def deploy(self, number: int, *, extra: str = "") -> None:
        text = conf(f"New{number}", f"/new{number}", port=self.port, extra=extra)
        boundary = uuid.uuid4().hex
        body = "".join(
            f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="f"'
            f"\r\n\r\n{content}\r\n"
            for name, content in (
                ("apkConfiguration", text),
                ("definitionFile", DEFINITION),
            )
        )
        kind = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        answer = self.request("deploy", kind, f"{body}--{boundary}--\r\n".encode())
        found = re.search(rb"id: \"?([0-9a-f]{40})", answer)
        assert found, answer
        self.ids.append(found[1].decode())

    def change(self, number: int) -> None:
        self.deploy(number, extra="defaultVersion: true\n")

    def undeploy(self, number: int) -> None:
        self.request(f"undeploy?apiId={self.ids[number]}", {}, b"")

    def call(self, number: int) -> None:
        path = f"/old{number * 7919 % self.count}/1.0.0/items"
        headers = {"Authorization": f"Bearer {self.token}"}
        status, _ = self.connection.request("GET", "default.gw.wso2.com", path, headers)
        assert status == 200, status

    def state(self, what: str) -> None:
        """CPU since the start, and memory."""
        control, envoy = self.used()
        sizes = [resident_mb(self.platform.pid(n))[self.platform.pid(n)] for n in NAMES]
        print(
            f"{self.count:>5} APIs: {what:<22} control {control:.2f} s, Envoy {envoy:.2f} s"
            f" ({(control + envoy) / self.count * 1000:.2f} ms for each API); memory control"
            f" {sizes[0]:.0f} MB, Envoy {sizes[1]:.0f} MB",
            flush=True,
        )


def measure(count: int, port: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        platform = Platform(free_port(), Path(folder) / "data")
        platform.start()
        platform.stop()
        fill(platform.data_dir / "kapi.db", count, port)  # type: ignore[arg-type]
        platform.start()
        try:
            growing = Growing(platform, count, port)
            growing.state("rendered at the start")
            growing.each("deploy", TIMES, growing.deploy)
            growing.each("change", TIMES, growing.change)
            growing.each("call", CALLS, growing.call)
            growing.each("undeploy", TIMES, growing.undeploy)
            platform.stop()
            platform.start()
            Growing(platform, count, port).state("restarted")
        finally:
            platform.stop()


def main() -> None:
    waiting.LIMIT = 1800.0
    backend = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=backend.serve_forever, daemon=True).start()
    for text in sys.argv[1:] or ["10", "100", "1000", "5000"]:
        measure(int(text), backend.server_address[1])


if __name__ == "__main__":
    main()
