"""The listener of `metrics.listen`: on a port and on a Unix socket, and what stops it."""

from __future__ import annotations

import http.client
import socket
import stat
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from harness import free_port
from kapi.app.operate.metrics_listener import serve_metrics
from kapi.errors import KapiError
from kapi.gateway.envoy.process.process import admin
from kapi.settings.operate.metrics import is_place


async def text(request: Request) -> PlainTextResponse:
    return PlainTextResponse("kapi_x 1\n")


ROUTES = [Route("/metrics", text)]


def test_on_a_port() -> None:
    port = free_port()
    serve_metrics(f"127.0.0.1:{port}", ROUTES)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", "/metrics")
    assert connection.getresponse().read() == b"kapi_x 1\n"
    connection.close()
    with pytest.raises(KapiError, match="for metrics"):
        serve_metrics(f"127.0.0.1:{port}", ROUTES)


def test_on_a_socket_that_is_left_over(tmp_path: Path) -> None:
    path = tmp_path / "metrics.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    serve_metrics(str(path), ROUTES)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert admin(path, "GET", "/metrics", 30.0) == (200, b"kapi_x 1\n")


@pytest.mark.parametrize(
    "place", ["127.0.0.1:9464", "[::1]:9464", "/run/kapi/metrics.sock"]
)
def test_places(place: str) -> None:
    assert is_place(place)


@pytest.mark.parametrize(
    "place",
    [
        "127.0.0.1",
        "::1",
        "::1:9464",
        "localhost:9464",
        "127.0.0.1:0",
        "127.0.0.1:70000",
        "/" + "x" * 100,
    ],
)
def test_no_places(place: str) -> None:
    assert not is_place(place)
