"""A whole platform on a free port, spoken to through Envoy with curl; used by the live tests and
the benchmarks.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import commands
from commands import KAPI
from leaks import leaks_in
from waiting import awaited, until

BASIC = (
    "NDVmMWM1YzgtYTkyZS0xMWVkLWFmYTEtMDI0MmFjMTIwMDAyOjRmYmQ2MmVjLWE5MmUtMTFlZC1hZmExLTAyNDJhYzEy"
    "MDAwMg=="
)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


def curl(
    *arguments: str, resolve: tuple[str, int] | None = None, address: str = "127.0.0.1"
) -> Answer:
    """One request with the real curl; headers by lower-case name."""
    command = ["curl", "-sS", "-k", "-i", "--max-time", "20"]
    if resolve:
        command += ["--resolve", f"{resolve[0]}:{resolve[1]}:{address}"]
    done = subprocess.run(
        [*command, *arguments], capture_output=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    head, _, body = done.stdout.partition(b"\r\n\r\n")
    while head.startswith(b"HTTP/1.1 100"):
        head, _, body = body.partition(b"\r\n\r\n")
    status_line, *lines = head.decode().split("\r\n")
    headers = {
        name.strip().lower(): value.strip()
        for name, _, value in (line.partition(":") for line in lines)
    }
    return Answer(int(status_line.split()[1]), headers, body)


@dataclass(slots=True)
class Platform:
    port: int
    data_dir: Path
    arguments: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] | None = None
    environment: dict[str, str] = field(default_factory=dict)
    secrets: list[str] = field(default_factory=list)
    """Secrets without a shape of their own (passwords, states) that must not be in a log either.
    """
    address: str = "127.0.0.1"

    def start(self) -> None:
        environment = {
            **os.environ,
            "KAPI_DATA_DIR": str(self.data_dir),
            **self.environment,
        }
        log = (self.data_dir.parent / "up.log").open("ab")
        self.process = subprocess.Popen(
            [KAPI, "up", "--port", str(self.port), *self.arguments],
            env=environment,
            stderr=log,
            stdout=log,
        )
        until(self.is_ready, self.output)

    def is_ready(self) -> bool:
        """Whether the process of this object says so; fails when it has ended."""
        assert self.process is not None
        assert self.process.poll() is None, self.output()
        state = self.state() or {}
        return state.get("pid") == self.process.pid and bool(state["ready"])

    def stop(self) -> int:
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        status = self.process.wait(20)
        assert (found := leaks_in(self.data_dir / "logs", self.secrets)) == {}, found
        return status

    def output(self) -> str:
        return (self.data_dir.parent / "up.log").read_text()

    def state(self) -> dict[str, Any] | None:
        try:
            return json.loads((self.data_dir / "state.json").read_text())
        except (FileNotFoundError, ValueError):
            return None

    def pid(self, child: str) -> int:
        return self.state()["children"][child]["pid"]

    def cli(
        self,
        *arguments: str,
        stdin: str | None = None,
        check: bool = True,
        environment: dict[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        own = {
            "KAPI_DATA_DIR": str(self.data_dir),
            "KAPI_GATEWAY__PORT": str(self.port),
            "NO_COLOR": "1",
        }
        environment = {**os.environ, **own, **(environment or {})}
        done = commands.run(arguments, environment, stdin=stdin)
        assert not check or done.returncode == 0, done.stderr + done.stdout
        return done

    def request(self, host: str, path: str, *arguments: str) -> Answer:
        url = f"https://{host}:{self.port}{path}"
        return curl(url, *arguments, resolve=(host, self.port), address=self.address)

    def token(self, scope: str = "") -> str:
        fields = [
            "-d",
            "grant_type=client_credentials",
            *(["--data-urlencode", f"scope={scope}"] if scope else []),
        ]
        return self.request(
            "idp.am.wso2.com",
            "/oauth2/token",
            "-H",
            f"Authorization: Basic {BASIC}",
            *fields,
        ).json()["access_token"]

    def api(self, path: str, *arguments: str, token: str = "") -> Answer:
        return self.request(
            "api.am.wso2.com",
            path,
            *(["-H", f"Authorization: Bearer {token}"] if token else []),
            *arguments,
        )

    def deploy(self, conf: str, definition: str, token: str | None = None) -> Answer:
        """As a script does it: again while Envoy is too busy to confirm, as the answer says."""
        return awaited(
            lambda: self._deploy(conf, definition, token),
            lambda answer: answer.status != 503 or b'"code":909028,' not in answer.body,
        )

    def _deploy(self, conf: str, definition: str, token: str | None) -> Answer:
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "conf").write_text(conf)
            (Path(folder) / "definition").write_text(definition)
            parts = (
                "--form",
                f"apkConfiguration=@{folder}/conf",
                "--form",
                f"definitionFile=@{folder}/definition",
            )
            return self.api(
                "/api/deployer/1.2.0/apis/deploy",
                *parts,
                token=self.token("apk:api_create") if token is None else token,
            )


class Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def answer(self) -> None:
        body = json.dumps(
            {
                "method": self.command,
                "path": self.path,
                "headers": {
                    name.lower(): value for name, value in self.headers.items()
                },
                "port": self.server.server_address[1],
            }
        ).encode()
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = do_OPTIONS = answer

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def echo_backend() -> Iterator[int]:
    """The port of a backend that answers with what it received."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield server.server_address[1]
    server.shutdown()


def conf(
    name: str = "Echo",
    base: str = "/echo",
    version: str = "1.0.0",
    port: int = 0,
    extra: str = "",
    operations: str | None = None,
) -> str:
    operations = operations or (
        '- {target: "/items", verb: GET}\n'
        '- {target: "/items/{id}", verb: GET, scopeAlternatives: [["items:read"], '
        '["items:admin"]]}\n'
        '- {target: "/items/{id}/parts/{part}", verb: DELETE, scopes: ["items:admin"]}\n'
        '- {target: "/open", verb: GET, secured: false}\n'
        '- {target: "/files/*", verb: POST}\n'
    )
    return (
        f'---\nname: "{name}"\nbasePath: "{base}"\nversion: "{version}"\ntype: "REST"\n{extra}'
        f'endpointConfigurations:\n  production:\n    endpoint: "http://127.0.0.1:{port}/backend"\n'
        f"operations:\n{operations}"
    )


DEFINITION = """openapi: 3.0.3
info: {title: Echo, version: "1.0.0"}
paths:
  /items: {get: {responses: {"200": {description: ok}}}}
"""
