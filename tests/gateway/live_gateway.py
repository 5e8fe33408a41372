"""A small live harness: a backend, tokens, a publisher and a real Envoy on a free port."""

from __future__ import annotations

import base64
import contextlib
import http.client
import http.server
import json
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from kapi import run_files
from kapi.apis.ir import Api, Endpoint, Operation
from kapi.apis.kinds.rest import RestOperation
from kapi.gateway.deployment.compiler import ApiCompiler
from kapi.gateway.deployment.deployer import Deployer
from kapi.gateway.deployment.shared_resources import SharedResources
from kapi.gateway.envoy.process import process
from kapi.gateway.envoy.process.check import EnvoyCheck
from kapi.gateway.envoy.process.process import find_envoy
from kapi.gateway.envoy.process.tls import Certificate, ensure_certificate
from kapi.gateway.envoy.resources.context import RenderContext, render_context
from kapi.gateway.envoy.resources.names import CLUSTER, EXTENSION, SCOPE
from kapi.gateway.envoy.resources.render import (
    render_backends,
    render_base,
    render_issuers,
    render_scope,
    segments,
    system_segments,
)
from kapi.gateway.envoy.resources.resource import Resource
from kapi.gateway.envoy.stream.encode import encode
from kapi.gateway.envoy.stream.server import Publisher
from kapi.gateway.issuers import TrustedIssuer
from kapi.policies.authentication.node import Authentication, Credential
from kapi.policies.authentication.trust import Need, needs_in
from kapi.policies.callers.scopes import Scopes
from kapi.settings import GatewaySettings, Settings
from kapi.store import Store
from waiting import until

ISSUER = "https://idp.am.wso2.com/token"


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Minter:
    """An issuer for tests: one RSA key."""

    def __init__(self, name: str = "inbuilt", issuer: str = ISSUER) -> None:
        self.name, self.issuer = name, issuer
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    @property
    def trusted(self) -> TrustedIssuer:
        numbers = self.key.public_key().public_numbers()
        jwk = {
            "kty": "RSA",
            "use": "sig",
            "alg": "RS256",
            "kid": self.name,
            "n": _number(numbers.n),
            "e": _number(numbers.e),
        }
        return TrustedIssuer(self.name, self.issuer, json.dumps({"keys": [jwk]}))

    def token(self, *, seconds: float = 3600, **claims: Any) -> str:
        now = int(time.time())
        payload = {
            "iss": self.issuer,
            "sub": "me",
            "iat": now,
            "nbf": now,
            "exp": int(now + seconds),
            "jti": "1",
            **claims,
        }
        payload = {key: value for key, value in payload.items() if value is not None}
        head = {"alg": "RS256", "typ": "JWT", "kid": self.name}
        signed = f"{b64(json.dumps(head).encode())}.{b64(json.dumps(payload).encode())}"
        proof = self.key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{b64(proof)}"


def _number(value: int) -> str:
    return b64(value.to_bytes((value.bit_length() + 7) // 8, "big"))


@dataclass
class Reply:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class _Echo(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        body = self.rfile.read(length)
        seen = {
            "method": self.command,
            "path": self.path,
            "headers": {k.lower(): v for k, v in self.headers.items()},
            "length": len(body),
        }
        data = json.dumps(seen).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = answer

    def log_message(self, *_: Any) -> None:
        pass


class _UnixServer(http.server.ThreadingHTTPServer):
    address_family = socket.AF_UNIX

    def server_bind(self) -> None:
        self.socket.bind(self.server_address)
        self.server_name, self.server_port = "unix", 0

    def get_request(self) -> tuple[Any, Any]:
        peer, _ = super().get_request()
        return peer, ("unix", 0)


@contextlib.contextmanager
def backend(
    address: Any = ("127.0.0.1", 0), *, certificate: Path | None = None
) -> Iterator[int]:
    """A backend that says what it was asked; yields its port. A path instead of an address makes a
    Unix socket.
    """
    kind = _UnixServer if isinstance(address, str) else http.server.ThreadingHTTPServer
    server = kind(address, _Echo)
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
    ).start()
    try:
        yield 0 if isinstance(address, str) else server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def operation(
    verb: str,
    target: str,
    endpoint: Endpoint | None,
    *,
    sandbox: Endpoint | None = None,
    secured: bool = True,
    scopes: tuple[str, ...] = (),
    alternatives: tuple[tuple[str, ...], ...] = (),
    send: bool = False,
    credentials: tuple[Credential, ...] = (),
) -> Operation:
    nodes: list[Any] = [
        Authentication(secured, credentials or (Credential(send_to_upstream=send),))
    ]
    if scopes or alternatives:
        nodes.append(Scopes(scopes, alternatives=alternatives))
    return RestOperation(
        verb,
        target,
        (endpoint,) if endpoint else (),
        (sandbox,) if sandbox else (),
        tuple(nodes),
    )


def api(
    base: str,
    operations: Sequence[Operation],
    *,
    version: str = "1.0.0",
    default: bool = False,
    organization: str = "default",
    environment: str = "",
    name: str = "",
) -> Api:
    name = name or base.strip("/") or "root"
    return Api(
        f"{organization}-{name}-{version}",
        organization,
        name,
        version,
        environment,
        f"{base.rstrip('/')}/{version}",
        base if default else None,
        tuple(operations),
    )


@dataclass
class Gateway:
    """Envoy, its stream and what they share."""

    settings: Settings
    publisher: Publisher
    certificate: Certificate
    minter: Minter
    context: RenderContext
    envoy: subprocess.Popen[bytes] | None = None
    apis: dict[str, Api] = field(default_factory=dict)
    issuers: Sequence[TrustedIssuer] | None = None

    def trusted(self) -> Sequence[TrustedIssuer]:
        return (self.minter.trusted,) if self.issuers is None else self.issuers

    @property
    def admin(self) -> Path:
        return run_files.admin_socket(self.settings)

    def base(self, issuers: Sequence[TrustedIssuer] | None = None) -> list[Resource]:
        issuers = self.trusted() if issuers is None else issuers
        scopes = self.scopes()
        rendered = render_base(
            self.context,
            issuers,
            self.certificate.chain,
            self.certificate.private_key,
            self.needs(),
        )
        clusters = render_backends(self.apis.values(), self.context)
        return [
            *(encode(kind, value) for kind, value in rendered),
            *(encode(CLUSTER, value) for value in clusters),
            *scopes,
        ]

    def scopes(self) -> list[Resource]:
        rendered = [
            render_scope(segment, self.apis.values(), self.context)
            for segment in self.segments()
        ]
        return [encode(SCOPE, value) for value in rendered if value]

    def needs(self) -> frozenset[Need]:
        return needs_in(scope.body for scope in self.scopes())

    def trust(self, *issuers: TrustedIssuer) -> None:
        self.issuers = issuers
        self.publisher.publish(
            [
                encode(EXTENSION, value)
                for value in render_issuers(self.context, issuers, self.needs())
            ]
        )

    def segments(self) -> list[str]:
        return sorted(
            {
                *system_segments(self.context),
                *(segment for item in self.apis.values() for segment in segments(item)),
            }
        )

    def put(self, *added: Api) -> None:
        """Publish APIs as a deployment does."""
        for item in added:
            self.apis[item.id] = item
        self.trust(*self.trusted())
        touched = {segment for item in added for segment in segments(item)}
        resources = [
            encode(CLUSTER, value) for value in render_backends(added, self.context)
        ]
        for segment in sorted(touched):
            scope = render_scope(segment, self.apis.values(), self.context)
            assert scope is not None
            resources.append(encode(SCOPE, scope))
        self.publisher.publish(resources)

    def start_envoy(self) -> None:
        binary = process.find_envoy(self.settings.gateway.envoy)
        path = run_files.run_dir(self.settings) / "envoy.json"
        run_files.write_private(
            path, json.dumps(process.bootstrap(self.settings, path.parent)).encode()
        )
        log = run_files.log_path(self.settings, "envoy").open("ab")
        self.envoy = subprocess.Popen(
            process.command_line(binary, path, self.settings), stdout=log, stderr=log
        )
        log.close()

    def wait_ready(self) -> None:
        until(
            lambda: process.ready(self.admin),
            lambda: f"Envoy is not ready: {self.log()}",
        )

    def log(self) -> str:
        return run_files.log_path(self.settings, "envoy").read_text("utf-8", "replace")[
            -3000:
        ]

    def stop_envoy(self, number: int = signal.SIGTERM) -> None:
        if self.envoy is not None:
            self.envoy.send_signal(number)
            self.envoy.wait(10)
            self.envoy = None

    def connect(self, host: str = "localhost") -> http.client.HTTPSConnection:
        context = ssl.create_default_context(cafile=str(self.certificate.ca_file))
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        connection = http.client.HTTPSConnection(
            "127.0.0.1", self.settings.gateway.port, timeout=30, context=context
        )
        raw = socket.create_connection(
            ("127.0.0.1", self.settings.gateway.port), timeout=30
        )
        connection.sock = context.wrap_socket(raw, server_hostname=host)
        return connection

    def call(
        self,
        path: str,
        *,
        host: str = "default.gw.wso2.com",
        method: str = "GET",
        token: str = "",
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Reply:
        sent = {"Host": f"{host}:{self.settings.gateway.port}", **(headers or {})}
        if token:
            sent["Authorization"] = f"Bearer {token}"
        with contextlib.closing(self.connect(host.lower())) as connection:
            connection.request(method, path, body=body, headers=sent)
            answer = connection.getresponse()
            return Reply(answer.status, answer.headers, answer.read())


def deployer(
    live: Gateway,
    store: Store,
    *,
    context: RenderContext | None = None,
    publisher: Any = None,
    now: Callable[[], float] = time.time,
    **compiling: Any,
) -> Deployer:
    """A deployer to this gateway; `compiling` are fields of ApiCompiler."""
    compiler = ApiCompiler(**{"check": EnvoyCheck(find_envoy("")), **compiling})
    shared = SharedResources(
        context or live.context, live.certificate, issuers=(live.minter.trusted,)
    )
    return Deployer(
        store=store,
        publisher=publisher or live.publisher,
        compiler=compiler,
        shared=shared,
        now=now,
    )


@contextlib.contextmanager
def gateway(
    *, start: bool = True, timeout: float = 10.0, **fields: Any
) -> Iterator[Gateway]:
    """A gateway in a temporary directory; `fields` are GatewaySettings."""
    folder = Path(tempfile.mkdtemp(prefix="kapi-test-"))
    settings = Settings(
        data_dir=folder,
        gateway=GatewaySettings(port=free_port(), concurrency=1, **fields),
    )
    run_files.prepare_directories(settings)
    admin = run_files.admin_socket(settings)
    publisher = Publisher(
        run_files.xds_socket(settings),
        timeout=timeout,
        members=lambda name: process.members(admin, name),
    )
    live = Gateway(
        settings,
        publisher,
        ensure_certificate(settings, time.time),
        Minter(),
        render_context(settings),
    )
    try:
        if start:
            publisher.set_initial(live.base())
            publisher.start()
            live.start_envoy()
            live.wait_ready()
        yield live
    finally:
        live.stop_envoy(signal.SIGKILL)
        publisher.stop()
        shutil.rmtree(folder, ignore_errors=True)
