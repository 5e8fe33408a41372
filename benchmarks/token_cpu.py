"""Processor time per client-credentials token: one identity worker as the product runs it, beside a
bare RSA-2048 signature and beside npm oidc-provider, PyPI Authlib (Flask, gunicorn) and Keycloak
issuing RS256 JWTs for the same request.
Interleaved rounds in one run; only the servers' CPU counts. `token_cpu.py 3 1600` is three rounds
of 1,600 tokens. A peer that is not there is left out, and the output says so.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Awaitable, Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import keycloak
import uvloop
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from measure import process_seconds, resident_mb

from harness import BASIC, free_port
from kapi.run_files import prepare_run
from kapi.settings import WELL_KNOWN_CLIENT_ID, WELL_KNOWN_CLIENT_SECRET, Settings

CONNECTIONS, REQUESTS, ROUNDS, SIGNATURES = 32, 3200, 9, 800
BODY = b"grant_type=client_credentials&scope=default"
HEAD = (
    "POST {path} HTTP/1.1\r\nHost: idp.am.wso2.com\r\nAuthorization: Basic {basic}\r\n"
)
HEAD += "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n"
PEER = Path(__file__).parent / "peers" / "oidc-provider"
AUTHLIB = Path(__file__).parent / "peers" / "authlib"

Connect = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


def request(path: str) -> bytes:
    return HEAD.format(path=path, basic=BASIC, length=len(BODY)).encode() + BODY


async def load(connect: Connect, message: bytes, requests: int) -> None:
    """Bounded keep-alive load; every answer must be a 200 with a JWT in it."""

    async def one() -> None:
        reader, writer = await connect()
        for _ in range(requests // CONNECTIONS):
            writer.write(message)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), head
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            body = await reader.readexactly(length)
            assert json.loads(body)["access_token"].count(".") == 2
        writer.close()

    await asyncio.gather(*(one() for _ in range(CONNECTIONS)))


def signature_seconds(key: rsa.RSAPrivateKey) -> float:
    message, scheme, digest = b"x" * 500, padding.PKCS1v15(), hashes.SHA256()
    before = time.process_time()
    for _ in range(SIGNATURES):
        key.sign(message, scheme, digest)
    return (time.process_time() - before) / SIGNATURES


def start_ours(settings: Settings) -> tuple[subprocess.Popen[bytes], Path]:
    folder = settings.data_dir
    run_settings = prepare_run(settings)
    path = folder / "bench.sock"
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    listener.listen(1024)
    command = [
        sys.executable,
        "-m",
        "kapi.app",
        "identity",
        str(run_settings),
        str(listener.fileno()),
    ]
    return subprocess.Popen(command, pass_fds=[listener.fileno()]), path


def start_peer(port: int) -> subprocess.Popen[bytes] | None:
    if not (shutil.which("npm") and shutil.which("node")):
        print("npm oidc-provider is left out: there is no node or npm here")
        return None
    if not (PEER / "node_modules").exists():
        subprocess.run(
            ["npm", "install", "--no-audit", "--no-fund", "--silent"],
            cwd=PEER,
            check=True,
        )
    command = [
        "node",
        "server.mjs",
        str(port),
        WELL_KNOWN_CLIENT_ID,
        WELL_KNOWN_CLIENT_SECRET,
    ]
    return subprocess.Popen(
        command, cwd=PEER, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )


def start_authlib(folder: Path, port: int) -> subprocess.Popen[bytes]:
    """One process of gunicorn with a thread for each connection, and its parent, which waits."""
    venv.create(folder / "venv", with_pip=True)
    scripts = folder / "venv" / "bin"
    pip = [scripts / "python", "-m", "pip", "install", "-q", "--require-hashes", "-r"]
    subprocess.run([*pip, AUTHLIB / "requirements.lock"], check=True)
    environment = {
        **os.environ,
        "AUTHLIB_INSECURE_TRANSPORT": "1",
        "PEER_CLIENT": WELL_KNOWN_CLIENT_ID,
        "PEER_SECRET": WELL_KNOWN_CLIENT_SECRET,
    }
    server = ["-k", "gthread", "--threads", str(CONNECTIONS), "--keep-alive", "600"]
    command = [
        scripts / "gunicorn",
        "-w",
        "1",
        *server,
        "-b",
        f"127.0.0.1:{port}",
        "server:app",
    ]
    return subprocess.Popen(
        command, cwd=AUTHLIB, env=environment, stderr=subprocess.DEVNULL
    )


def worker_of(parent: subprocess.Popen[bytes]) -> int:
    """The process that the parent has started, once it is there."""
    children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children")
    while not children.read_text().split():
        time.sleep(0.1)
    return int(children.read_text().split()[0])


async def measure(folder: Path, rounds: int, requests: int) -> None:
    ours, path = start_ours(Settings(data_dir=folder))
    started = [ours]
    servers: dict[str, tuple[int, Connect, bytes]] = {
        "kapi": (
            ours.pid,
            lambda: asyncio.open_unix_connection(str(path)),
            request("/oauth2/token"),
        )
    }
    try:
        await asyncio.to_thread(start_peers, folder, started, servers)
        await asyncio.sleep(3)
        await compare(servers, rounds, requests)
    finally:
        for process in started:
            process.terminate()
            process.wait()


def start_peers(
    folder: Path,
    started: list[subprocess.Popen[bytes]],
    servers: dict[str, tuple[int, Connect, bytes]],
) -> None:
    port = free_port()
    peer = start_peer(port)
    if peer is not None and peer.stdout is not None:
        started.append(peer)
        peer.stdout.readline()
        servers["oidc-provider"] = (peer.pid, at(port), request("/token"))
    port = free_port()
    authlib = start_authlib(folder, port)
    started.append(authlib)
    servers["Authlib"] = (worker_of(authlib), at(port), request("/token"))
    reason = keycloak.missing()
    if reason:
        print(reason)
        return
    port = free_port()
    script = subprocess.Popen(keycloak.command(port), stdout=subprocess.DEVNULL)
    started.append(script)
    wait_for(port, script)
    servers["Keycloak"] = (worker_of(script), at(port), request(keycloak.TOKEN))


def at(port: int) -> Connect:
    return lambda: asyncio.open_connection("127.0.0.1", port)


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    """Until it listens."""
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 5).close()
        except OSError:
            assert process.poll() is None, "the process has ended"
            time.sleep(0.1)
        else:
            return


async def compare(
    servers: dict[str, tuple[int, Connect, bytes]], rounds: int, requests: int
) -> None:
    """The first round only warms up."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    signs: list[float] = []
    used: dict[str, list[float]] = {name: [] for name in servers}
    for number in range(rounds + 1):
        sign = signature_seconds(key)
        for name, (pid, connect, message) in servers.items():
            before = process_seconds(pid)
            await load(connect, message, requests)
            if number:
                used[name].append((process_seconds(pid) - before) / requests)
        if number:
            signs.append((sign + signature_seconds(key)) / 2)
    print(f"load {os.getloadavg()[0]:.0f} on {os.cpu_count()} processors")
    for name, (pid, _, _) in servers.items():
        print(f"{name:<16} resident after it {resident_mb(pid)[pid]:8.0f} MB")
    report(signs, used)


def report(signs: list[float], used: dict[str, list[float]]) -> None:
    print(
        f"one RSA-2048 signature          {statistics.median(signs) * 1e6:6.0f} µs CPU"
    )
    for name, values in used.items():
        ratio = statistics.median(
            value / sign for value, sign in zip(values, signs, strict=True)
        )
        goal = "   (goal 1.2)" if name == "kapi" else ""
        print(
            f"{name:<16} a token        {statistics.median(values) * 1e6:6.0f} µs CPU   "
            f"{ratio:.2f} × the signature{goal}"
        )
    if "oidc-provider" in used:
        ratio = statistics.median(
            theirs / own
            for theirs, own in zip(used["oidc-provider"], used["kapi"], strict=True)
        )
        print(f"tokens per CPU second, kapi ÷ oidc-provider   {ratio:.2f}   (goal 1.5)")


def main() -> None:
    given = [int(text) for text in sys.argv[1:]]
    rounds, requests = (*given, *(ROUNDS, REQUESTS)[len(given) :])
    with tempfile.TemporaryDirectory() as folder:
        uvloop.run(measure(Path(folder), rounds, requests))


if __name__ == "__main__":
    main()
