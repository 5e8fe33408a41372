"""Start-up, memory, deploy latency at 10 and 1,000 APIs, restart with 1,000 APIs. Real platform,
real Envoy.
"""

from __future__ import annotations

import http.client
import ssl
import statistics
import sys
import tempfile
import threading
import time
import uuid
from http.server import ThreadingHTTPServer
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from measure import proportional_mb, resident_mb

from harness import BASIC, DEFINITION, Echo, Platform, conf, free_port

MANY = 1000


class Connection:
    """One kept-alive https connection to the gateway."""

    def __init__(self, port: int) -> None:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self._connection = http.client.HTTPSConnection(
            "127.0.0.1", port, context=context, timeout=30
        )

    def request(
        self,
        method: str,
        host: str,
        path: str,
        headers: dict[str, str] | None = None,
        body: bytes | None = None,
    ) -> tuple[int, bytes]:
        self._connection.request(method, path, body, {"Host": host, **(headers or {})})
        answer = self._connection.getresponse()
        return answer.status, answer.read()

    def token(self, scope: str) -> str:
        body = f"grant_type=client_credentials&scope={scope}".encode()
        headers = {
            "Authorization": f"Basic {BASIC}",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        return (
            self.request("POST", "idp.am.wso2.com", "/oauth2/token", headers, body)[1]
            .split(b'"access_token":"')[1]
            .split(b'"')[0]
            .decode()
        )

    def deploy(self, token: str, text: str, definition: str = DEFINITION) -> float:
        """Seconds until the answer; the next request to the API must then succeed."""
        boundary = uuid.uuid4().hex
        parts = [("apkConfiguration", text), ("definitionFile", definition)]
        body = "".join(
            (
                f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="f"\r\n'
                "\r\n"
                f"{content}\r\n"
            )
            for name, content in parts
        )
        headers = {
            "Authorization": f"Bearer {token}",
            "Content-Type": f"multipart/form-data; boundary={boundary}",
        }
        begun = time.perf_counter()
        status, answer = self.request(
            "POST",
            "api.am.wso2.com",
            "/api/deployer/1.2.0/apis/deploy",
            headers,
            f"{body}--{boundary}--\r\n".encode(),
        )
        took = time.perf_counter() - begun
        assert status == 200, answer
        return took

    def call(self, number: int, token: str) -> int:
        return self.request(
            "GET",
            "default.gw.wso2.com",
            f"/bench{number}/1.0.0/items",
            {"Authorization": f"Bearer {token}"},
        )[0]


def first_token(platform: Platform) -> float:
    """Seconds from starting `kapi up` to the first token through Envoy."""
    begun = time.perf_counter()
    threading.Thread(target=platform.start).start()
    while True:
        try:
            Connection(platform.port).token("default")
            return time.perf_counter() - begun
        except (OSError, IndexError, http.client.HTTPException):
            time.sleep(0.005)


def sizes(platform: Platform) -> str:
    state = platform.state()
    pids = {
        "supervisor": state["pid"],
        **{name: child["pid"] for name, child in state["children"].items()},
    }
    resident = resident_mb(*pids.values())
    together = proportional_mb(*pids.values())
    return (
        f"{together:.0f} MB; each whole {sum(resident.values()):.0f} MB ("
        + ", ".join(f"{name} {resident[pid]:.0f}" for name, pid in pids.items())
        + ")"
    )


def wait_ready(platform: Platform) -> None:
    while not (platform.state() or {}).get("ready"):
        time.sleep(0.02)


def main() -> None:
    backend = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=backend.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as folder:
        platform = Platform(free_port(), Path(folder) / "data")
        print(
            f"first start to first token through Envoy   {first_token(platform):.2f} s   (goal 1 s)"
        )
        wait_ready(platform)
        print(
            "server process started until ready         "
            f"{platform.output().split('kapi is ready in ')[1].split(' s')[0]} s"
        )
        time.sleep(1)
        print(
            f"whole platform at rest, resident           {sizes(platform)}   (goal 200 MB)"
        )
        platform.stop()
        print(
            f"second start to first token                {first_token(platform):.2f} s"
        )
        wait_ready(platform)
        try:
            grow(platform, backend.server_address[1])
        finally:
            platform.stop()


def grow(platform: Platform, port: int) -> None:
    connection = Connection(platform.port)
    token = connection.token("apk:api_create")
    times = []
    for number in range(MANY + 20):
        times.append(
            connection.deploy(
                token, conf(name=f"Bench{number}", base=f"/bench{number}", port=port)
            )
        )
        assert connection.call(number, token) == 200
    for label, chosen, goal in (
        ("at 10 APIs", times[10:30], 150),
        (f"at {MANY:,} APIs", times[MANY:], 250),
    ):
        worst = max(chosen) * 1000
        print(
            f"deploy answered {label:<26} median {statistics.median(chosen) * 1000:.0f} ms, "
            "worst "
            f"of 20 {worst:.0f} ms   (goal {goal} ms)"
        )
    print(f"platform with {MANY + 20:,} APIs, resident           {sizes(platform)}")
    platform.stop()
    begun = time.perf_counter()
    threading.Thread(target=platform.start).start()
    while True:
        try:
            connection = Connection(platform.port)
            if all(
                connection.call(number, token) == 200 for number in range(MANY + 20)
            ):
                break
        except (OSError, http.client.HTTPException):
            time.sleep(0.01)
    print(
        f"restart until all {MANY + 20:,} APIs answer           "
        f"{time.perf_counter() - begun:.1f} "
        "s   (goal 5 s)"
    )
    wait_ready(platform)


if __name__ == "__main__":
    main()
