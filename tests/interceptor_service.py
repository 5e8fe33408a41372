"""Real interceptor services for the tests: an HTTP or HTTPS server that remembers what it was asked
and answers what a test has set.
"""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import ipaddress
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from harness import Answer, Platform, curl
from waiting import LIMIT

REQUEST, RESPONSE = "/api/v1/handle-request", "/api/v1/handle-response"


@dataclass
class Service:
    """What a running service is to answer by path, and what it was asked: (path, body). A `bytes`
    answer is sent as it is.
    """

    port: int = 0
    answers: dict[str, Any] = field(default_factory=dict)
    status: int = 200
    answering: threading.Event = field(default_factory=threading.Event)
    """A question waits while this is not set."""
    authority: str = ""
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def reset(self, **answers: Any) -> None:
        """Forget all; `request` and `response` are the new answers."""
        self.asked.clear()
        self.status = 200
        self.answering.set()
        self.answers = {
            REQUEST: answers.get("request", {}),
            RESPONSE: answers.get("response", {}),
        }

    def last(self, path: str) -> dict[str, Any]:
        return next(
            body for where, body in reversed(self.asked) if where.endswith(path)
        )


def _handler(service: Service) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            service.asked.append((self.path, body))
            service.answering.wait(LIMIT)
            answer = next(
                (
                    made
                    for path, made in service.answers.items()
                    if self.path.endswith(path)
                ),
                {},
            )
            content = (
                b""
                if service.status == 204
                else answer
                if isinstance(answer, bytes)
                else json.dumps(answer).encode()
            )
            with contextlib.suppress(OSError):
                self.send_response(service.status)
                if service.status == 302:
                    self.send_header("Location", "http://127.0.0.1:1/elsewhere")
                self.send_header("Content-Type", "application/json")
                if service.status != 204:
                    self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    return Handler


@contextlib.contextmanager
def interceptor(context: ssl.SSLContext | None = None) -> Iterator[Service]:
    """A service on a free port of 127.0.0.1; over TLS when a context is given."""
    service = Service()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(service))
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    service.port = server.server_address[1]
    service.reset()
    threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
    ).start()
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()


def certificate(folder: Path, name: str) -> tuple[ssl.SSLContext, str]:
    """A server's TLS context for `name` and 127.0.0.1, and the PEM of the authority that signed
    it.
    """
    now = dt.datetime.now(dt.UTC)
    ca_key, key = (
        ec.generate_private_key(ec.SECP256R1()),
        ec.generate_private_key(ec.SECP256R1()),
    )
    ca_name = x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, f"authority of {name}")]
    )

    def builder(
        subject: x509.Name, public: ec.EllipticCurvePublicKey
    ) -> x509.CertificateBuilder:
        made = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(ca_name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
        )
        return made.not_valid_before(now - dt.timedelta(hours=1)).not_valid_after(
            now + dt.timedelta(days=1)
        )

    ca = builder(ca_name, ca_key.public_key()).add_extension(
        x509.BasicConstraints(ca=True, path_length=0), critical=True
    )
    names = x509.SubjectAlternativeName(
        [x509.DNSName(name), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    )
    leaf = builder(
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), key.public_key()
    ).add_extension(names, critical=False)
    pem = folder / f"{name}.pem"
    pem.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + leaf.sign(ca_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context, ca.sign(ca_key, hashes.SHA256()).public_bytes(
        serialization.Encoding.PEM
    ).decode()


def b64(text: str | bytes) -> str:
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


def unb64(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def policy(kind: str, /, **parameters: Any) -> dict[str, Any]:
    """One item of a policy list."""
    return {"policyName": kind, "policyVersion": "v1", "parameters": parameters}


def caller(
    platform: Platform, base: str, http: str = "--http1.1"
) -> Callable[..., Answer]:
    """Calls one deployed API: path, then curl's arguments."""

    def call(
        path: str, *arguments: str, token: str = "", host: str = "default.gw.wso2.com"
    ) -> Answer:
        sent = ["-H", f"Authorization: Bearer {token}"] if token else []
        return curl(
            http,
            *sent,
            *arguments,
            f"https://{host}:{platform.port}{base}{path}",
            resolve=(host, platform.port),
        )

    return call
