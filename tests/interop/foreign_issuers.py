"""Issuers that others wrote, as processes on this machine: how each is started, and how a token is
got from it.
"""

from __future__ import annotations

import base64
import http.cookiejar
import json
import os
import socket
import sqlite3
import ssl
import subprocess
import urllib.parse
import urllib.request
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization

from harness import free_port
from standin import Key, self_signed
from waiting import until

PEERS = Path(__file__).with_name("peers")


@dataclass
class Foreign:
    """A running issuer. `token` gets one for the scopes; `ca` is its certificate's authority, if it
    speaks TLS.
    """

    name: str
    issuer: str
    arguments: tuple[str, ...]
    token: Callable[[str], str]
    jwks: str
    restart: Callable[[], None]
    """Starts it again; all but glewlwyd then have other keys."""
    stop: Callable[[], None]
    ca: Path | None = None


@dataclass
class _Process:
    command: list[str]
    port: int
    environment: dict[str, str] = field(default_factory=dict)
    folder: Path = PEERS
    running: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        environment = {**os.environ, **self.environment}
        with (Path(os.environ.get("TMPDIR", "/tmp")) / "peer.log").open("ab") as log:
            self.running = subprocess.Popen(
                self.command, cwd=self.folder, env=environment, stdout=log, stderr=log
            )
        until(self.listens, lambda: f"{self.command} does not listen")

    def listens(self) -> bool:
        """Whether its port can be connected; fails when it has ended."""
        assert self.running is not None
        assert self.running.poll() is None, f"{self.command} ended"
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True

    def stop(self) -> None:
        if self.running is not None:
            self.running.kill()
            self.running.wait()
            self.running = None

    def restart(self) -> None:
        self.stop()
        self.start()


def fetched(
    url: str, body: dict[str, str] | bytes | None = None, **headers: str
) -> Any:
    """JSON from an issuer on this machine."""
    data = urllib.parse.urlencode(body).encode() if isinstance(body, dict) else body
    request = urllib.request.Request(
        url, data, {name.replace("_", "-"): value for name, value in headers.items()}
    )
    with urllib.request.urlopen(
        request, timeout=10, context=ssl._create_unverified_context()
    ) as answer:
        return json.loads(answer.read())


def _basic(client: str, secret: str) -> str:
    return "Basic " + base64.b64encode(f"{client}:{secret}".encode()).decode()


def oidc_provider(folder: Path, algorithm: str) -> Foreign:
    """panva's oidc-provider: RFC 9068 tokens."""
    process = _Process(["node", "oidc-provider.mjs", str(port := free_port())], port)
    process.start()
    issuer = f"http://127.0.0.1:{port}"

    def token(scope: str) -> str:
        body = {"grant_type": "client_credentials", "scope": scope}
        return fetched(
            f"{issuer}/token",
            body,
            Authorization=_basic(f"client-{algorithm}", "secret"),
        )["access_token"]

    arguments = ("oidc", issuer, "--audience", "urn:orders")
    return Foreign(
        f"oidc-provider-{algorithm.lower()}",
        issuer,
        arguments,
        token,
        f"{issuer}/jwks",
        process.restart,
        process.stop,
    )


def oauth2_mock_server(folder: Path) -> Foreign:
    """axa's oauth2-mock-server."""
    process = _Process(
        ["node", "oauth2-mock-server.mjs", str(port := free_port())], port
    )
    process.start()
    issuer = f"http://127.0.0.1:{port}"

    def token(scope: str) -> str:
        return fetched(
            f"{issuer}/token", {"grant_type": "client_credentials", "scope": scope}
        )["access_token"]

    arguments = ("oidc", issuer, "--audience", "orders")
    return Foreign(
        "oauth2-mock-server",
        issuer,
        arguments,
        token,
        f"{issuer}/jwks",
        process.restart,
        process.stop,
    )


def auth0_simulator(folder: Path) -> Foreign:
    """Frontside's Auth0 simulator, over TLS; its key is part of the package."""
    certificates = folder / ".simulacrum" / "certs"
    certificates.mkdir(parents=True)
    ca = self_signed(["localhost"], certificates)
    _split(certificates, "localhost.pem", "localhost-key.pem")
    process = _Process(
        ["node", "auth0-simulator.cjs", str(port := _low_port())],
        port,
        {"HOME": str(folder)},
    )
    process.start()
    issuer = f"https://localhost:{port}/"

    def token(scope: str) -> str:
        body = {
            "grant_type": "client_credentials",
            "client_id": "0" * 32,
            "client_secret": "x",
            "audience": "https://orders.example",
        }
        return fetched(
            f"{issuer}oauth/token",
            json.dumps(body).encode(),
            Content_Type="application/json",
        )["access_token"]

    arguments = ("oidc", issuer, "--audience", "https://orders.example")
    jwks = f"{issuer}.well-known/jwks.json"
    return Foreign(
        "auth0-simulator",
        issuer,
        arguments,
        token,
        jwks,
        process.restart,
        process.stop,
        ca,
    )


def _low_port() -> int:
    """The simulator takes no port above 9999."""
    for port in range(9100, 10000):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                return port
    raise AssertionError("no free port")


def _split(folder: Path, certificate: str, key: str) -> None:
    both = (folder / "server.pem").read_text()
    start = both.index("-----BEGIN PRIVATE KEY-----")
    (folder / certificate).write_text(both[:start])
    (folder / key).write_text(both[start:])


_GLEWLWYD = """
port={port}
bind_address="127.0.0.1"
external_url="https://localhost:{port}/"
login_url="login.html"
api_prefix="api"
log_mode="console"
log_level="ERROR"
cookie_secure=0
session_expiration=2419200
session_key="GLEWLWYD2_SESSION_ID"
admin_scope="g_admin"
profile_scope="g_profile"
user_module_path="/usr/lib/glewlwyd/user"
client_module_path="/usr/lib/glewlwyd/client"
user_auth_scheme_module_path="/usr/lib/glewlwyd/scheme"
plugin_module_path="/usr/lib/glewlwyd/plugin"
use_secure_connection=true
secure_connection_key_file="{folder}/key.pem"
secure_connection_pem_file="{folder}/cert.pem"
hash_algorithm = "SHA512"
database = {{ type = "sqlite3"; path = "{folder}/glewlwyd.db"; }};
"""
_TABLES = Path("/usr/share/doc/glewlwyd/database/init.sqlite3.sql.gz")


def glewlwyd(folder: Path) -> Foreign:
    """Debian's glewlwyd, in C, over TLS: RFC 9068 tokens."""
    ca = self_signed(["localhost"], folder)
    _split(folder, "cert.pem", "key.pem")
    database = sqlite3.connect(folder / "glewlwyd.db")
    database.executescript(zlib.decompress(_TABLES.read_bytes(), 31).decode())
    database.close()
    port = free_port()
    (folder / "glewlwyd.conf").write_text(_GLEWLWYD.format(port=port, folder=folder))
    process = _Process(
        ["glewlwyd", f"--config-file={folder}/glewlwyd.conf"], port, folder=folder
    )
    process.start()
    base = f"https://localhost:{port}/api"
    _set_up_glewlwyd(base)

    def token(scope: str) -> str:
        body = {"grant_type": "client_credentials", "scope": scope}
        return fetched(
            f"{base}/oidc/token", body, Authorization=_basic("svc", "password")
        )["access_token"]

    arguments = ("oidc", f"{base}/oidc", "--audience", "items:read")
    return Foreign(
        "glewlwyd",
        f"{base}/oidc",
        arguments,
        token,
        f"{base}/oidc/jwks",
        process.restart,
        process.stop,
        ca,
    )


def _set_up_glewlwyd(base: str) -> None:
    handler = urllib.request.HTTPSHandler(context=ssl._create_unverified_context())
    browser = urllib.request.build_opener(
        handler, urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
    )
    private = Key.make("k").private
    pem = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()
    names = ("code", "token", "none", "password", "device")
    parameters = {
        "iss": f"{base}/oidc",
        "jwt-type": "rsa",
        "jwt-key-size": "256",
        "key": pem,
        "cert": Key("k", "RS256", private).pem(),
        "access-token-duration": 3600,
        "refresh-token-duration": 1209600,
        "code-duration": 600,
        "refresh-token-rolling": True,
        "allow-non-oidc": True,
        "auth-type-id-token-enabled": True,
        "auth-type-client-enabled": True,
        "auth-type-refresh-enabled": True,
        "jwks-show": True,
        "subject-type": "public",
        **{f"auth-type-{name}-enabled": False for name in names},
    }
    client = {
        "client_id": "svc",
        "name": "svc",
        "password": "password",
        "confidential": True,
        "enabled": True,
        "redirect_uri": [],
        "authorization_type": ["client_credentials"],
        "scope": ["items:read"],
        "token_endpoint_auth_method": ["client_secret_basic"],
    }
    for path, body in (
        ("/auth/", {"username": "admin", "password": "password"}),
        (
            "/scope/",
            {"name": "items:read", "display_name": "read", "password_required": False},
        ),
        (
            "/mod/plugin/",
            {
                "module": "oidc",
                "name": "oidc",
                "display_name": "oidc",
                "order_rank": 1,
                "parameters": parameters,
            },
        ),
        ("/client/", client),
    ):
        request = urllib.request.Request(
            base + path, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        browser.open(request, timeout=10).close()
