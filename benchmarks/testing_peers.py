"""Providers for tests, side by side in one run: how soon each is ready, its memory, a fresh issuer.

kapi in a process and on a socket, and a whole platform; npm oauth2-mock-server, PyPI
oidc-provider-mock, Maven mock-oauth2-server and Keycloak on a socket. The rounds are interleaved.
Peers are installed from the lock files in `benchmarks/peers/testing` and `tests/interop/peers`,
Keycloak by `make bench-peers`; one whose runtime (Node, Java with Maven) is absent is left out, and
the output says so.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import venv
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import keycloak
from cryptography.hazmat.primitives.asymmetric import rsa
from measure import cpu_seconds, process_seconds, proportional_mb, resident_mb
from platform_size import Connection
from token_cpu import signature_seconds, worker_of

from harness import BASIC, Platform

ROUNDS = 7
TOKENS, WARM = 400, 400
GOAL_MS, GOAL_MB = 350, 60
"""Of kapi in a process: ready, and its memory."""
HERE = Path(__file__).parent
PEERS = HERE.parent / "tests" / "interop" / "peers"
LOCKS = HERE / "peers" / "testing"
MAIN = "no.nav.security.mock.oauth2.StandaloneMockOAuth2ServerKt"
DISCOVERY = "/.well-known/openid-configuration"
IN_PROCESS = """
import sys, time
from kapi.testing import Server
with Server() as server:
    issuer = server.issuer()
    assert issuer.request("GET", "/.well-known/openid-configuration").status == 200
    print("ready", flush=True)
    times = []
    for _ in range(20):
        begun = time.perf_counter()
        fresh = server.issuer()
        assert fresh.request("GET", "/oauth2/jwks").status == 200
        times.append(time.perf_counter() - begun)
    times.sort()
    print(f"{1000 * times[len(times) // 2]:.1f}", flush=True)
    sys.stdin.read()
"""


@dataclass
class Peer:
    """A server: its command for a port, and the path of its document."""

    name: str
    command: Callable[[int], list[str]]
    document: str = DISCOVERY
    environment: Callable[[int], dict[str, str]] = lambda _: {}
    fresh: str = ""
    """The path of the keys of an issuer that the request makes; `{}` is its name."""
    token: str = ""
    """The path where client credentials give an RS256 access token; empty without such a grant."""
    script: bool = False
    """The command starts the server as its child, and ends it at SIGTERM."""
    ready: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)
    issuers: list[float] = field(default_factory=list)
    tokens: list[float] = field(default_factory=list)

    def measure(self, port: int) -> None:
        """One start."""
        begun = time.perf_counter()
        process = subprocess.Popen(
            self.command(port),
            env={**os.environ, **self.environment(port)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            while _status(port, self.document) != 200:
                time.sleep(0.005)
                assert process.poll() is None, f"{self.name} ended"
            pid = worker_of(process) if self.script else process.pid
            self._note(begun, pid)
            for number in range(5 if self.fresh else 0):
                begun = time.perf_counter()
                assert _status(port, self.fresh.format(f"fresh{number}")) == 200
                self.issuers.append(time.perf_counter() - begun)
            if self.token:
                _ask_tokens(port, self.token, WARM)
                used = process_seconds(pid)
                _ask_tokens(port, self.token, TOKENS)
                self.tokens.append((process_seconds(pid) - used) / TOKENS)
        finally:
            process.send_signal(signal.SIGTERM if self.script else signal.SIGKILL)
            process.wait()

    def _note(self, begun: float, pid: int) -> None:
        self.ready.append(time.perf_counter() - begun)
        self.cpu.append(cpu_seconds(pid))
        self.memory.append(sum(resident_mb(pid).values()))


class InProcess(Peer):
    """kapi without a socket: from the start of the interpreter to the first answer."""

    def measure(self, port: int) -> None:
        """One start; `port` is not used."""
        begun = time.perf_counter()
        process = subprocess.Popen(
            self.command(port), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        self._note(begun, process.pid)
        self.issuers.append(float(process.stdout.readline()) / 1000)
        process.kill()
        process.wait()


class Whole(Peer):
    """`kapi up`: all processes of a platform, asked over TLS through the gateway."""

    def measure(self, port: int) -> None:
        """One start on a fresh data directory."""
        with tempfile.TemporaryDirectory() as name:
            platform = Platform(port, Path(name) / "data")
            begun = time.perf_counter()
            starting = threading.Thread(target=platform.start)
            starting.start()
            try:
                while not _answers(port):
                    time.sleep(0.005)
                self.ready.append(time.perf_counter() - begun)
                starting.join()
                children = platform.state()["children"].values()
                pids = [platform.process.pid, *(child["pid"] for child in children)]
                self.cpu.append(cpu_seconds(*pids))
                self.memory.append(proportional_mb(*pids))
                connection = Connection(port)
                for number in range(WARM + TOKENS):
                    if number == WARM:
                        used = process_seconds(*pids)
                    assert connection.token("default").count(".") == 2
                self.tokens.append((process_seconds(*pids) - used) / TOKENS)
            finally:
                starting.join()
                platform.stop()


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError, http.client.HTTPException):
        answer = Connection(port).request("GET", "idp.am.wso2.com", DISCOVERY)
        return answer[0] == 200
    return False


def _ask_tokens(port: int, path: str, number: int) -> None:
    """Client credentials over one connection, one after the other."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    headers = {
        "Host": f"localhost:{port}",
        "Authorization": f"Basic {BASIC}",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    body = "grant_type=client_credentials&scope=default"
    for _ in range(number):
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        content = answer.read()
        assert answer.status == 200, content
        assert content.split(b'"access_token"')[1].split(b'"')[1].count(b".") == 2
    connection.close()


def _status(port: int, path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path, headers={"Host": f"localhost:{port}"})
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()


def _peers(folder: Path) -> list[Peer]:
    kapi = [sys.executable, "-m", "kapi.testing.sockets"]
    made = [
        InProcess("kapi, in a process", lambda _: [sys.executable, "-c", IN_PROCESS]),
        Peer(
            "kapi, on a socket",
            lambda port: [*kapi, str(port)],
            fresh="/issuers/{}/oauth2/jwks",
            token="/oauth2/token",
        ),
        Whole("kapi up, all processes", lambda _: []),
    ]
    python = folder / "venv" / "bin" / "python"
    venv.create(folder / "venv", with_pip=True)
    pip = [python, "-m", "pip", "install", "-q", "--require-hashes", "-r"]
    subprocess.run([*pip, LOCKS / "requirements.lock"], check=True)
    mock = str(python.with_name("oidc-provider-mock"))
    made.append(
        Peer("PyPI oidc-provider-mock", lambda port: [mock, "--port", str(port)])
    )
    if (
        shutil.which("node")
        and (PEERS / "node_modules" / "oauth2-mock-server").exists()
    ):
        server = str(PEERS / "oauth2-mock-server.mjs")
        made.append(
            Peer(
                "npm oauth2-mock-server",
                lambda port: ["node", server, str(port)],
                token="/token",
            )
        )
    else:
        print("left out: npm oauth2-mock-server (make interop-tools installs it)")
    if shutil.which("java") and shutil.which("mvn"):
        libraries = folder / "lib"
        copy = [
            "mvn",
            "-q",
            "-B",
            "dependency:copy-dependencies",
            f"-DoutputDirectory={libraries}",
        ]
        subprocess.run(copy, cwd=LOCKS, check=True, stdout=subprocess.DEVNULL)
        java = ["java", "-cp", f"{libraries}/*", MAIN]
        made.append(
            Peer(
                "Maven mock-oauth2-server",
                lambda _: java,
                f"/default{DISCOVERY}",
                lambda port: {"SERVER_PORT": str(port)},
                fresh="/{}/jwks",
                token="/default/token",
            )
        )
    else:
        print("left out: Maven mock-oauth2-server (it needs Java and Maven)")
    reason = keycloak.missing()
    if reason:
        print(reason)
        return made
    made.append(
        Peer(
            "Maven Keycloak",
            keycloak.command,
            f"{keycloak.ISSUER}{DISCOVERY}",
            token=keycloak.TOKEN,
            script=True,
        )
    )
    return made


def main() -> int:
    """Print one row for each."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    signs = []
    with tempfile.TemporaryDirectory() as name:
        peers = _peers(Path(name))
        for number in range(rounds):
            signs.append(signature_seconds(key))
            for place, peer in enumerate(peers):
                peer.measure(21000 + 10 * number + place)
    print(f"load {os.getloadavg()[0]:.0f} on {os.cpu_count()} processors")
    print(f"one RSA-2048 signature: {statistics.median(signs) * 1e6:.0f} µs CPU")
    heads = ("ready ms", "least", "CPU ms", "MB", "fresh issuer ms", "CPU a token µs")
    print(f"{'':26}" + "".join(f"{head:>16}" for head in heads))
    for peer in peers:
        print(_row(peer))
    own = peers[0]
    ready, memory = 1000 * min(own.ready), statistics.median(own.memory)
    print(f"{own.name}: ready in {ready:.0f} ms at best (goal {GOAL_MS}),", end=" ")
    print(f"{1000 * min(own.cpu):.0f} ms CPU, {memory:.0f} MB (goal {GOAL_MB})")
    return 0


def _row(peer: Peer) -> str:
    figures = [1000 * statistics.median(peer.ready), 1000 * min(peer.ready)]
    figures += [1000 * statistics.median(peer.cpu), statistics.median(peer.memory)]
    row = f"{peer.name:26}" + "".join(f"{figure:16.0f}" for figure in figures)
    for values, unit in ((peer.issuers, 1e3), (peer.tokens, 1e6)):
        row += f"{unit * statistics.median(values):16.0f}" if values else f"{'-':>16}"
    return row


if __name__ == "__main__":
    sys.exit(main())
