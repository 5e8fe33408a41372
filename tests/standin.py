"""A stand-in issuer: an https server that speaks as any host, serves discovery and keys at any
path, and misbehaves on demand.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json
import socket
import ssl
import struct
import tempfile
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.x509.oid import NameOID


def b64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _number(value: int, size: int | None = None) -> str:
    return b64(value.to_bytes(size or (value.bit_length() + 7) // 8))


@dataclass(frozen=True)
class Key:
    """A signing key of a stand-in."""

    kid: str
    alg: str = "RS256"
    private: Any = None

    @staticmethod
    def make(kid: str, alg: str = "RS256", bits: int = 2048) -> Key:
        if alg.startswith("ES"):
            curve = {
                "ES256": ec.SECP256R1(),
                "ES384": ec.SECP384R1(),
                "ES512": ec.SECP521R1(),
            }[alg]
            return Key(kid, alg, ec.generate_private_key(curve))
        return Key(
            kid,
            alg,
            ed25519.Ed25519PrivateKey.generate()
            if alg == "EdDSA"
            else rsa.generate_private_key(65537, bits),
        )

    def jwk(self, **extra: Any) -> dict[str, Any]:
        public = self.private.public_key()
        if isinstance(public, rsa.RSAPublicKey):
            numbers = public.public_numbers()
            members = {"kty": "RSA", "n": _number(numbers.n), "e": _number(numbers.e)}
        elif isinstance(public, ec.EllipticCurvePublicKey):
            size, point = (public.curve.key_size + 7) // 8, public.public_numbers()
            crv = {256: "P-256", 384: "P-384", 521: "P-521"}[public.curve.key_size]
            members = {
                "kty": "EC",
                "crv": crv,
                "x": _number(point.x, size),
                "y": _number(point.y, size),
            }
        else:
            raw = public.public_bytes(
                serialization.Encoding.Raw, serialization.PublicFormat.Raw
            )
            members = {"kty": "OKP", "crv": "Ed25519", "x": b64(raw)}
        value = {**members, "kid": self.kid, "use": "sig", "alg": self.alg, **extra}
        return {name: item for name, item in value.items() if item is not ...}

    def pem(self) -> str:
        return (
            self.private.public_key()
            .public_bytes(
                serialization.Encoding.PEM,
                serialization.PublicFormat.SubjectPublicKeyInfo,
            )
            .decode()
        )

    def sign(self, message: bytes, alg: str = "") -> bytes:
        alg = alg or self.alg
        if alg == "EdDSA":
            return self.private.sign(message)
        digest = {
            "256": hashes.SHA256(),
            "384": hashes.SHA384(),
            "512": hashes.SHA512(),
        }[alg[2:]]
        if alg.startswith("ES"):
            size = (self.private.curve.key_size + 7) // 8
            return b"".join(
                part.to_bytes(size)
                for part in decode_dss_signature(
                    self.private.sign(message, ec.ECDSA(digest))
                )
            )
        pad = (
            padding.PKCS1v15()
            if alg.startswith("RS")
            else padding.PSS(padding.MGF1(digest), digest.digest_size)
        )
        return self.private.sign(message, pad, digest)

    def token(self, claims: dict[str, Any], **header: Any) -> str:
        """A token; a header value of `...` leaves it out."""
        now = int(time.time())
        head = {
            name: value
            for name, value in {
                "alg": self.alg,
                "typ": "JWT",
                "kid": self.kid,
                **header,
            }.items()
            if value is not ...
        }
        body = {
            name: value
            for name, value in {"iat": now, "exp": now + 600, **claims}.items()
            if value is not ...
        }
        signed = f"{b64(json.dumps(head).encode())}.{b64(json.dumps(body).encode())}"
        return f"{signed}.{b64(self.sign(signed.encode(), self.alg))}"


def self_signed(names: list[str], folder: Path) -> Path:
    """The file of a certificate for these names, its own authority; beside it `server.pem` with the
    key.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "stand-in")])
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
    )
    builder = builder.not_valid_before(now - dt.timedelta(hours=1)).not_valid_after(
        now + dt.timedelta(days=1)
    )
    builder = builder.add_extension(
        x509.SubjectAlternativeName([x509.DNSName(item) for item in names]),
        critical=False,
    )
    certificate = builder.add_extension(
        x509.BasicConstraints(ca=True, path_length=None), critical=True
    ).sign(key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "ca.pem").write_bytes(certificate.public_bytes(pem))
    (folder / "server.pem").write_bytes(certificate.public_bytes(pem) + private)
    return folder / "ca.pem"


@dataclass
class StandIn:
    """What it serves. `mode` is how its key endpoint behaves; `requests` is what was asked of
    it.
    """

    hosts: tuple[str, ...] = ("localhost",)
    tls: bool = True
    keys: list[dict[str, Any]] = field(default_factory=list)
    documents: dict[str, Any] = field(default_factory=dict)
    jwks_paths: set[str] = field(default_factory=lambda: {"/jwks"})
    headers: dict[str, str] = field(default_factory=dict)
    mode: str = "ok"
    requests: list[tuple[str, str, int]] = field(default_factory=list)
    server: Any = None
    ca: Path | None = None

    @property
    def port(self) -> int:
        return self.server.server_address[1]

    @property
    def url(self) -> str:
        return f"http{'s' if self.tls else ''}://{self.hosts[0]}:{self.port}"

    def start(self) -> StandIn:
        standin = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                standin.answer(self)

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                standin.answer(self)

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        if self.tls:
            folder = Path(tempfile.mkdtemp(prefix="standin-"))
            self.ca = self_signed(list(self.hosts), folder)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(folder / "server.pem")
            self.server.socket = context.wrap_socket(
                self.server.socket, server_side=True, do_handshake_on_connect=False
            )
        threading.Thread(
            target=self.server.serve_forever,
            kwargs={"poll_interval": 0.05},
            daemon=True,
        ).start()
        return self

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def discover(
        self,
        issuer: str,
        path: str = "/.well-known/openid-configuration",
        jwks: str = "",
    ) -> None:
        """Serve a discovery document."""
        self.documents[path] = {
            "issuer": issuer,
            "jwks_uri": jwks or f"{self.url}/jwks",
        }

    def fetched(self, path: str = "/jwks") -> int:
        return sum(1 for _, asked, _ in self.requests if asked == path)

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        host, path = handler.headers.get("Host", ""), handler.path
        document = self.documents.get(f"{host}{path}", self.documents.get(path))
        if document is None and path not in self.jwks_paths:
            self.requests.append((host, path, 404))
            handler.send_error(404)
            return
        if path in self.jwks_paths and self.mode != "ok":
            self.requests.append((host, path, 0))
            self._misbehave(handler)
            return
        body = json.dumps(
            {"keys": self.keys} if document is None else document
        ).encode()
        tag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
        status = 304 if handler.headers.get("If-None-Match") == tag else 200
        self.requests.append((host, path, status))
        handler.send_response(status)
        for name, value in {"ETag": tag, **self.headers}.items():
            handler.send_header(name, value)
        if status == 200:
            handler.send_header("Content-Type", "application/json")
            handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        if status == 200:
            handler.wfile.write(body)

    def _misbehave(self, handler: BaseHTTPRequestHandler) -> None:
        match self.mode.split(" "):
            case ["hang"]:
                time.sleep(30)
            case ["drip"]:
                handler.send_response(200)
                handler.end_headers()
                for _ in range(300):
                    handler.wfile.write(b" ")
                    time.sleep(0.1)
            case ["reset"]:
                linger = struct.pack("ii", 1, 0)
                handler.connection.setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, linger
                )
                handler.connection.close()
            case ["redirect", target]:
                handler.send_response(302)
                handler.send_header("Location", target)
                handler.end_headers()
            case ["huge"]:
                handler.send_response(200)
                handler.end_headers()
                for _ in range(100):
                    handler.wfile.write(b" " * 1024 * 1024)
            case ["body", text]:
                handler.send_response(200)
                handler.end_headers()
                handler.wfile.write(text.encode())
            case [status]:
                handler.send_error(int(status))
