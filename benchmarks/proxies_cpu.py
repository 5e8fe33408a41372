"""Processor time per call of other proxies and gateways, beside the plain Envoy and kapi.

nginx, HAProxy and Spring Cloud Gateway with TLS and HTTP/1.1 keep-alive on both sides, without an
access log; the last two also with a check of signature, expiry and scope for each call (neither has
a cache of tokens). Interleaved rounds in one run; only the proxies' own CPU is counted. One that is
not installed is left out, and the output says so: `apt-get install haproxy nginx-light`, and `make
bench-peers` for the last one.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import spring_gateway
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from gateway_cpu import (
    REQUESTS,
    Backend,
    Kind,
    Load,
    compare,
    deployed,
    plain_proxy,
    with_platforms,
)
from token_cpu import wait_for

from harness import Platform, free_port

ROUNDS, JAVA_WARM_UP = 20, 20_000
SBIN = "/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin"
NGINX = """daemon off; master_process off; worker_processes 1;
error_log stderr crit; pid {folder}/nginx.pid;
events {{ worker_connections 512; }}
http {{
  access_log off; client_body_temp_path {folder}/a; proxy_temp_path {folder}/b;
  fastcgi_temp_path {folder}/c; uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
  keepalive_requests 100000000;
  upstream backend {{ server 127.0.0.1:{backend}; keepalive 32; keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{port} ssl;
    ssl_certificate {pem}; ssl_certificate_key {pem};
    location / {{
      proxy_pass http://backend; proxy_http_version 1.1; proxy_set_header Connection "";
    }}
  }}
}}
"""
HAPROXY = """defaults
  mode http
  timeout client 60s
  timeout server 60s
  timeout connect 5s
  http-reuse always
frontend edge
  bind 127.0.0.1:{port} ssl crt {pem}
{check}  default_backend echo
backend echo
  server echo 127.0.0.1:{backend}
"""
CHECK = """  http-request set-var(txn.token) http_auth_bearer
  http-request set-var(txn.alg) var(txn.token),jwt_header_query('$.alg')
  http-request set-var(txn.exp) var(txn.token),jwt_payload_query('$.exp','int')
  http-request set-var(txn.now) date()
  http-request deny deny_status 401 unless {{ var(txn.alg) -m str RS256 }}
  http-request deny deny_status 401 unless {{ var(txn.token),jwt_verify(txn.alg,"{key}") 1 }}
  http-request deny deny_status 401 if {{ var(txn.exp),sub(txn.now) -m int lt 0 }}
  http-request set-var(txn.scope) var(txn.token),jwt_payload_query('$.scope')
  http-request deny deny_status 403 unless {{ var(txn.scope) -m str bench }}
"""


def public_key(platform: Platform, token: str, path: Path) -> Path:
    """The key of the token in a file."""
    kid = json.loads(_decoded(token.partition(".")[0]))["kid"]
    keys = platform.request("idp.am.wso2.com", "/oauth2/jwks").json()["keys"]
    jwk = next(item for item in keys if item["kid"] == kid)
    numbers = (int.from_bytes(_decoded(jwk[name])) for name in ("e", "n"))
    key = RSAPublicNumbers(*numbers).public_key()
    path.write_bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return path


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "==")


@contextlib.asynccontextmanager
async def started(name: str, config: Path, text: str) -> AsyncIterator[int]:
    """A proxy with this configuration: its process id, or 0 if it is not installed."""
    binary = shutil.which(name, path=SBIN)
    if binary is None:
        print(f"{name} is left out: it is not installed")
        yield 0
        return
    config.write_text(text)  # noqa: ASYNC240 - a small file
    options = {"nginx": ["-c", str(config)], "haproxy": ["-db", "-f", str(config)]}[
        name
    ]
    running = subprocess.Popen([binary, *options])
    await asyncio.sleep(1)
    try:
        yield running.pid
    finally:
        running.terminate()
        running.wait()


@contextlib.asynccontextmanager
async def started_java(command: list[str], port: int) -> AsyncIterator[int]:
    """A server in Java that listens: its process id."""
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        await asyncio.to_thread(wait_for, port, running)
        yield running.pid
    finally:
        running.terminate()
        running.wait()


async def warm(kind: Kind) -> None:
    """Until the compiler of Java has seen what is called often."""
    load = Load(kind[0], kind[2], None)
    await load.send(JAVA_WARM_UP)
    load.close()


async def measure(folder: Path, platform: Platform, quiet: Platform) -> None:
    """`quiet` has no access log."""
    backend = await asyncio.get_running_loop().create_server(Backend, "127.0.0.1", 0)
    port = backend.sockets[0].getsockname()[1]
    token = await deployed(platform, port)
    unlogged = await deployed(quiet, port)
    pem = platform.data_dir / "tls" / "edge.pem"
    key = await asyncio.to_thread(public_key, platform, token, folder / "key.pem")
    request = (
        "GET /echo/1.0.0/items HTTP/1.1\r\nHost: default.gw.wso2.com\r\n"
        f"Authorization: Bearer {token}\r\n\r\n"
    )
    ports = [free_port() for _ in range(3)]
    given = {"backend": port, "pem": pem, "folder": folder}
    texts = {
        "nginx, plain": NGINX.format(port=ports[0], **given),
        "haproxy, plain": HAPROXY.format(port=ports[1], check="", **given),
        "haproxy, JWT and scope": HAPROXY.format(
            port=ports[2], check=CHECK.format(key=key), **given
        ),
    }
    async with contextlib.AsyncExitStack() as stack:
        enter = stack.enter_async_context
        plain = await enter(plain_proxy(folder, port, pem))
        kinds: dict[str, Kind] = {
            "Envoy, plain": (plain[0], (plain[1],), request.encode())
        }
        for (name, text), own in zip(texts.items(), ports, strict=True):
            pid = await enter(
                started(name.partition(",")[0], folder / f"{own}.conf", text)
            )
            if pid:
                kinds[name] = (own, (pid,), request.encode())
        reason = spring_gateway.missing()
        if reason:
            print(reason)
        else:
            checks = {"Spring, plain": None, "Spring, JWT and scope": key}
            for name, checked in checks.items():
                own = free_port()
                java = spring_gateway.command(own, port, pem, checked)
                pid = await enter(started_java(java, own))
                kinds[name] = (own, (pid,), request.encode())
                await warm(kinds[name])
        ours = (
            (platform, token, "kapi, JWT and scope"),
            (quiet, unlogged, "… no access log"),
        )
        for of, its, name in ours:
            sent = request.replace(token, its).encode()
            kinds[name] = (of.port, (of.pid("envoy"),), sent)
        await compare(kinds, REQUESTS, ROUNDS)
    backend.close()


if __name__ == "__main__":
    with_platforms(measure)
