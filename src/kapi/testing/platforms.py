"""The real gateway for tests: a platform of its own, as `kapi up --port 0 --ephemeral` runs it.

With an API of yours, or with one over a backend that answers with what it received. Tokens come
from the platform's provider, or from any test issuer that it trusts.
"""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import yaml

from kapi.dataclass import dataclass
from kapi.testing.http.calls import Reply
from kapi.testing.http.requests import request_of
from kapi.testing.issuer import Issuer

_SECONDS = 30.0
_DEPLOY = "/api/deployer/1.2.0/apis/deploy"
_ECHO_DEFINITION = """openapi: 3.0.3
info: {title: Echo, version: "1.0.0"}
paths:
  /items: {get: {responses: {"200": {description: ok}}}}
  /items/{id}: {get: {responses: {"200": {description: ok}}}}
  /open: {get: {responses: {"200": {description: ok}}}}
"""
_ECHO_OPERATIONS = """operations:
  - {target: "/items", verb: GET}
  - {target: "/items/{id}", verb: GET, scopes: ["items:read"]}
  - {target: "/open", verb: GET, secured: false}
"""


class Gateway:
    """A running platform. `kapi.testing.gateway()` makes it."""

    def __init__(self, state: Mapping[str, Any]) -> None:
        """`state` is the line of JSON of `kapi up --ephemeral`."""
        self.state = state
        self._tls = ssl.create_default_context(cafile=state["ca"])

    @property
    def base_url(self) -> str:
        """The address of deployed APIs of the organization `default`."""
        return str(self.state["gateway"])

    def request(self, method: str, url: str, *, token: str = "", **parts: Any) -> Reply:
        """One request over TLS, to this gateway whatever the host of the URL is.

        A URL that begins with `/` is one of a deployed API. Parts are those of `Issuer.request`.
        """
        place = urlsplit(url if "//" in url else f"{self.base_url}{url}")
        query = f"?{place.query}" if place.query else ""
        call = request_of(method, f"{place.path}{query}", **parts)
        headers = dict(call.headers) | {"host": place.netloc}
        if token:
            headers["authorization"] = f"Bearer {token}"
        target = f"{place.path}{query}"
        with self._connected(place.hostname or "") as connection:
            connection.request(method, target, call.body or None, headers)
            answer = connection.getresponse()
            told = tuple((name.lower(), value) for name, value in answer.getheaders())
            return Reply(answer.status, told, answer.read())

    def token(self, scope: str = "", **wish: Any) -> str:
        """A token of the platform's provider: as the mint makes it, right or wrong."""
        return str(self._power("mint", {"scope": scope or "default", **wish})["token"])

    def explain(self, token: str) -> dict[str, Any]:
        """What a token is, and in `apis` whether each deployed API lets it in, and if not why."""
        return dict(self._power("explain", {"token": token}))

    def deploy(self, conf: str | bytes | Path, definition: str | bytes | Path) -> str:
        """Deploy an API: the texts or the files of its conf and its definition. Returns its id."""
        boundary = uuid.uuid4().hex
        body = _multipart(
            boundary,
            {
                "apkConfiguration": _content(conf),
                "definitionFile": _content(definition),
            },
        )
        answer = self.request(
            "POST",
            f"{self.state['api']}{_DEPLOY}",
            token=self.token("apk:api_create"),
            body=body,
            headers={"content-type": f"multipart/form-data; boundary={boundary}"},
        )
        if answer.status >= 400:
            _done(answer)
        return str(yaml.safe_load(answer.text)["id"])

    def undeploy(self, api_id: str) -> None:
        """Undeploy an API."""
        url = f"{self.state['api']}/api/deployer/1.2.0/apis/undeploy?apiId={quote(api_id)}"
        answer = self.request("POST", url, token=self.token("apk:api_create"))
        if answer.status >= 400:
            _done(answer)

    def apply(self, *files: str | Path, prune: bool = False) -> dict[str, str]:
        """Make the platform have what files declare, as `kapi apply` does: name → status.

        With `prune` the platform goes back to the files: what an earlier call created and they do
        not declare is removed. Raises RuntimeError with all mistakes.
        """
        command = [sys.executable, "-m", "kapi.front.cli.main", "apply", "-o", "json"]
        command += ["--data-dir", str(self.state["data_dir"]), *["--prune"] * prune]
        for file in files:
            command += ["--file", str(file)]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=2 * _SECONDS, check=False
        )
        if done.returncode:
            raise RuntimeError(done.stderr)
        return {
            item["name"]: item["status"] for item in json.loads(done.stdout)["objects"]
        }

    def trust(self, issuer: Issuer, **declaration: Any) -> None:
        """Trust a test issuer that has a socket, as `kapi issuer add` trusts one.

        An emulated provider is declared with its preset. `declaration` has further fields of the
        issuers API, such as `audiences`.
        """
        keys = f"{issuer.base_url}/oauth2/jwks"
        body: dict[str, Any] = {"preset": "oidc", "issuer": issuer.url}
        if issuer.vendor is not None:
            keys = f"{issuer.base_url}{urlsplit(issuer.vendor.trusted.jwks_uri).path}"
            body = {"preset": issuer.vendor.name, "parameters": issuer.vendor.given}
        url = f"{self.state['api']}/api/issuers/{quote(issuer.name)}"
        body |= {"jwksUri": keys, **declaration}
        answer = self.request("PUT", url, token=self.token("kapi:issuers"), json=body)
        if error := _done(answer)["status"]["error"]:
            raise RuntimeError(f"the keys of {issuer.name} cannot be fetched: {error}")

    def _power(self, name: str, body: Mapping[str, Any]) -> Any:
        return _done(self.request("POST", f"{self.state['control']}/{name}", json=body))

    @contextmanager
    def _connected(self, host: str) -> Iterator[http.client.HTTPSConnection]:
        address, _, port = self.state["connect"].rpartition(":")
        connection = http.client.HTTPSConnection(address, int(port), timeout=_SECONDS)
        peer = socket.create_connection((address, int(port)), _SECONDS)
        connection.sock = self._tls.wrap_socket(peer, server_hostname=host)
        try:
            yield connection
        finally:
            connection.close()


@contextmanager
def gateway(*arguments: str) -> Iterator[Gateway]:
    """A platform for the duration of a test run. `arguments` are further ones of `kapi up`."""
    command = [
        sys.executable,
        "-m",
        "kapi.front.cli.main",
        "up",
        "--port",
        "0",
        "--ephemeral",
    ]
    process = subprocess.Popen(
        [*command, "--testing", *arguments], stdout=subprocess.PIPE, text=True
    )
    try:
        line = process.stdout.readline() if process.stdout else ""
        if not line:
            raise RuntimeError(
                f"kapi up ended with code {process.wait()}; see its messages"
            )
        yield Gateway(json.loads(line))
    finally:
        process.terminate()
        process.wait(_SECONDS)
        if process.stdout:
            process.stdout.close()


@dataclass(frozen=True, slots=True)
class EchoApi:
    """A deployed API over a backend that answers with what it received."""

    gateway: Gateway
    base_path: str

    def get(self, path: str = "/items", token: str = "") -> Reply:
        """Call it. `/items` needs a token, `/items/1` the scope `items:read`, `/open` nothing."""
        return self.gateway.request("GET", f"{self.base_path}{path}", token=token)


@contextmanager
def echo_api(gateway: Gateway, name: str = "Echo") -> Iterator[EchoApi]:
    """Deploy the API `/NAME/1.0.0`, in small letters, with its backend on this machine."""
    backend = ThreadingHTTPServer(("127.0.0.1", 0), _Echo)
    threading.Thread(target=backend.serve_forever, daemon=True).start()
    base = f"/{name.lower()}"
    conf = (
        f'name: "{name}"\nbasePath: "{base}"\nversion: "1.0.0"\ntype: "REST"\n'
        "endpointConfigurations:\n  production:\n"
        f'    endpoint: "http://127.0.0.1:{backend.server_address[1]}"\n{_ECHO_OPERATIONS}'
    )
    try:
        api_id = gateway.deploy(conf, _ECHO_DEFINITION)
        yield EchoApi(gateway, f"{base}/1.0.0")
        gateway.undeploy(api_id)
    finally:
        backend.shutdown()
        backend.server_close()


class _Echo(BaseHTTPRequestHandler):
    """Answers with the method, the path and the headers of the request."""

    def do_GET(self) -> None:
        """Answer the request."""
        told = {
            "method": self.command,
            "path": self.path,
            "headers": dict(self.headers),
        }
        body = json.dumps(told).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _content(part: str | bytes | Path) -> bytes:
    if isinstance(part, Path):
        return part.read_bytes()
    return part.encode() if isinstance(part, str) else part


def _multipart(boundary: str, parts: Mapping[str, bytes]) -> bytes:
    """Encode the parts as multipart/form-data (RFC 7578)."""
    made = b""
    for name, content in parts.items():
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{name}"'
        made += f"{head}\r\n\r\n".encode() + content + b"\r\n"
    return made + f"--{boundary}--\r\n".encode()


def _done(answer: Reply) -> Any:
    """The members of an answer. Raises RuntimeError with what the platform refuses."""
    if answer.status >= 400:
        raise RuntimeError(f"the platform answered {answer.status}: {answer.text}")
    return answer.json()
