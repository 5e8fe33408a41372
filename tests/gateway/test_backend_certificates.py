"""When the control process looks for the reason why the TLS of a backend fails, and how often."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer
from typing import Any

import pytest

from backends import wilful
from client_keys import certificate
from kapi.apis.ir import Endpoint
from kapi.gateway.backend_certificates import BackendCertificates
from kapi.gateway.envoy.resources.clusters import backend_cluster
from kapi.gateway.envoy.resources.context import render_context
from kapi.gateway.envoy.resources.names import CLUSTER
from kapi.gateway.envoy.stream.encode import encode
from kapi.settings import Settings


class Envoy:
    """Its counts of failed connections, and the clusters that it was sent."""

    def __init__(self, folder: Path) -> None:
        self.counts: dict[str, int] = {}
        self.clusters: dict[str, Any] = {}
        self.socket = folder / "admin.sock"
        envoy = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                stats = []
                for name, count in envoy.counts.items():
                    stats.append(
                        {
                            "name": f"cluster.{name}.upstream_cx_connect_fail",
                            "value": count,
                        }
                    )
                body = json.dumps({"stats": stats}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def address_string(self) -> str:
                return ""

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingUnixStreamServer(str(self.socket), Handler)
        threading.Thread(
            target=self.server.serve_forever, args=(0.02,), daemon=True
        ).start()

    def add(self, port: int) -> str:
        context = render_context(Settings(Path("/data")))
        endpoint = Endpoint("https", "127.0.0.1", port, "")
        made = encode(CLUSTER, backend_cluster(endpoint, context, "default"))
        self.clusters[made.name] = made
        return str(made.name)

    def wanted(self, keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Any]:
        return {key: self.clusters.get(key[1]) for key in keys}


class World:
    def __init__(self, folder: Path) -> None:
        self.envoy, self.now, self.log = Envoy(folder), 1000.0, folder / "backends.log"
        publisher: Any = self.envoy
        self.looking = BackendCertificates(
            publisher, self.envoy.socket, self.log, lambda: self.now
        )

    def look(self, after: float = 10) -> int:
        """The number of lines afterwards."""
        self.now += after
        self.looking.look()
        return len(self.log.read_text().splitlines()) if self.log.exists() else 0


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.envoy.server.shutdown()
    made.envoy.server.server_close()


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    """Of a backend whose certificate no authority has signed."""
    one = certificate("unknown", for_servers=True)
    (tmp_path / "both").write_bytes(one.pem + one.key_pem)
    with wilful(certificate=tmp_path / "both") as server:
        yield server.port


def test_a_backend_is_looked_at_once_its_connections_fail(
    world: World, port: int
) -> None:
    name = world.envoy.add(port)
    assert world.look() == 0
    world.envoy.counts[name] = 1
    assert world.look() == 1
    line = json.loads(world.log.read_text())
    assert (line["backend"], line["address"]) == (f"127.0.0.1:{port}",) * 2
    assert (
        "self-signed" in line["reason"]
        or "unable to get local issuer" in line["reason"]
    )
    assert world.log.stat().st_mode & 0o077 == 0
    assert world.look(after=1000) == 1, "nothing has failed since"


def test_it_is_looked_at_once_a_minute_and_after_a_restart_of_envoy(
    world: World, port: int
) -> None:
    name = world.envoy.add(port)
    lines = []
    for count in (1, 5, 9, 12, 12, 1):
        world.envoy.counts[name] = count
        lines.append(world.look(after=25))
    assert lines == [1, 1, 1, 2, 2, 2]
    assert world.look(after=60) == 3, "the counts began anew"


def test_many_backends_are_looked_at_in_turn(world: World, port: int) -> None:
    world.envoy.counts = {f"backend_{number}": 1 for number in range(30)}
    for name in world.envoy.counts:
        world.envoy.clusters[name] = world.envoy.clusters[world.envoy.add(port)]
    assert [world.look() for _ in range(5)] == [8, 16, 24, 30, 30]


def test_what_is_gone_or_cannot_be_reached_is_not_told(world: World, port: int) -> None:
    closed = world.envoy.add(1)
    world.envoy.counts = {"backend_gone": 3, closed: 2}
    assert world.look() == 0
    world.envoy.server.shutdown()
    world.envoy.server.server_close()
    assert world.look() == 0
