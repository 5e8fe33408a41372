"""Calls of the system APIs and the token endpoint, over https with the development CA."""

from __future__ import annotations

import json
import os
from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus, urlencode

from kapi.error_codes import ErrorCode
from kapi.errors import Diagnostic, Invalid, KapiError, Problem
from kapi.front.cli.output import say
from kapi.run_files import as_running, lock_holder

if TYPE_CHECKING:
    import ssl
    from http.client import HTTPSConnection

    from kapi.settings import ClientSettings, Settings

_SECONDS = 60
_DEPLOYER = "/api/deployer/1.2.0/apis"
DEPLOY_SCOPE = "apk:api_create"
_WITH_SECRET = frozenset({"", "client_secret_basic", "client_secret_post"})
"""Authentication methods that the command line supports."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


class Client:
    """A caller of the running platform."""

    def __init__(self, settings: Settings, client_id: str | None = None) -> None:
        """Without `client_id`, the first configured client that may get the token is used."""
        self._settings = as_running(settings)
        self._client_id = client_id

    def request(
        self,
        host: str,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        *,
        token: str = "",
    ) -> Answer:
        """The answer to one request. Raises KapiError if there is none."""
        from http.client import HTTPException

        sent = {"Host": self._authority(host)}
        if token:
            sent["Authorization"] = f"Bearer {token}"
        sent |= headers or {}
        address, port = self._address()
        try:
            connection = self._connect(host, address, port)
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            received = {name.lower(): value for name, value in answer.headers.items()}
            return Answer(answer.status, answer.read(), received)
        except (OSError, HTTPException) as error:
            if lock_holder(self._settings.data_dir) is None:
                raise self._nothing_runs() from error
            raise KapiError(
                "not-running",
                f"no kapi answers on {address}:{port} ({error})",
                hint="See `kapi status`, and try `kapi doctor`.",
            ) from error

    def _authority(self, host: str) -> str:
        port = self._settings.gateway.port
        if port == 443:
            return host
        return f"{host}:{port}"

    def _address(self) -> tuple[str, int]:
        """Where the gateway listens; a loopback address if it listens on all."""
        gateway = self._settings.gateway
        loopback = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - replaced, not bound
        return loopback.get(gateway.listen, gateway.listen), gateway.port

    def _connect(self, host: str, address: str, port: int) -> HTTPSConnection:
        """A connection to an address, with the name of a virtual host for TLS and `Host`."""
        import socket
        from http.client import HTTPSConnection

        context = self._tls()
        connection = HTTPSConnection(host, port, context=context, timeout=_SECONDS)
        peer = socket.create_connection((address, port), _SECONDS)
        connection.sock = context.wrap_socket(peer, server_hostname=host)
        return connection

    def _nothing_runs(self) -> KapiError:
        hint = "Start it with `kapi up`, or name the data directory of another: --data-dir PATH."
        return KapiError("not-running", f"nothing runs in {self._settings.data_dir}", hint=hint)

    def _tls(self) -> ssl.SSLContext:
        import ssl

        given = self._settings.gateway.certificate_file
        if given:
            context = ssl.create_default_context()
            context.load_verify_locations(given)
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
            return context
        ca = self._settings.data_dir / "tls" / "ca.pem"
        if not ca.exists():
            raise self._nothing_runs()
        return ssl.create_default_context(cafile=str(ca))

    def token(self, scopes: tuple[str, ...] = ()) -> str:
        """An access token of the chosen client (client credentials grant), or else KAPI_TOKEN.

        Raises Problem if there is none.
        """
        if os.environ.get("KAPI_TOKEN") and self._client_id is None:
            return os.environ["KAPI_TOKEN"]
        if not self._settings.identity.enabled:
            raise Problem(
                401,
                "no-provider",
                "there is no inbuilt identity provider to get a token from",
                hint="Set KAPI_TOKEN to an access token of an issuer that is trusted here.",
            )
        client = self._client(scopes)
        fields, headers = _token_request(client, scopes)
        host = self._settings.identity.host
        answer = self.request(host, "POST", "/oauth2/token", urlencode(fields).encode(), headers)
        value = _json(answer)
        if answer.status != 200:
            raise _no_token(client, value, answer.status)
        return str(value["access_token"])

    def _client(self, scopes: tuple[str, ...]) -> ClientSettings:
        clients = self._settings.identity.clients
        if self._client_id is None:
            return self._fitting(clients, scopes)
        chosen = next((client for client in clients if client.id == self._client_id), None)
        if chosen is not None:
            return chosen
        if self._client_id and (secret := os.environ.get("KAPI_CLIENT_SECRET")):
            from kapi.settings import ClientSettings

            return ClientSettings(id=self._client_id, secret=secret)
        raise Problem(
            404,
            "client",
            f"no client {self._client_id!r} in the settings",
            hint="Name one that `kapi config show` lists, or set KAPI_CLIENT_SECRET.",
        )

    def _fitting(
        self, clients: tuple[ClientSettings, ...], scopes: tuple[str, ...]
    ) -> ClientSettings:
        """The first client that may get such a token with a secret. Raises Problem."""
        for client in clients:
            if _may_get(client, scopes):
                return client
        names = ", ".join(client.id for client in clients) or "none"
        wanted, needs = "", ""
        if scopes:
            wanted = f" with the scope {' '.join(scopes)}"
            needs = " Such a client has a secret, this grant and this scope."
        raise Problem(
            401,
            "client",
            f"no client of the settings may get a token{wanted} by the grant client_credentials",
            f"Clients: {names}.{needs}",
            "Give one of [[identity.clients]] in kapi.toml what is missing,"
            " or set KAPI_TOKEN to a token that another client got.",
        )

    def deploy(self, conf: bytes, definition: bytes) -> Answer:
        """Deploy an API. The answer's body is the conf with its id; its headers name the kind."""
        boundary = os.urandom(16).hex()
        parts = (("apkConfiguration", conf), ("definitionFile", definition))
        body = b""
        for name, content in parts:
            disposition = f'Content-Disposition: form-data; name="{name}"; filename="{name}"'
            body += f"--{boundary}\r\n{disposition}\r\n\r\n".encode() + content + b"\r\n"
        body += f"--{boundary}--\r\n".encode()
        headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        return self.system("POST", f"{_DEPLOYER}/deploy", body, headers)

    def undeploy(self, api_id: str) -> Answer:
        """Undeploy an API."""
        return self.system("POST", f"{_DEPLOYER}/undeploy?apiId={quote(api_id, safe='')}")

    def apis(self) -> list[dict[str, Any]]:
        """The deployed APIs of the caller's organization."""
        apis: list[dict[str, Any]] = json.loads(self.system("GET", _DEPLOYER).body)["apis"]
        return apis

    def ready(self) -> bool:
        """Whether the gateway and control are ready."""
        return self.request(self._settings.gateway.api_host, "GET", "/ready").status == 200

    def call(self, method: str, path: str, value: Any = None, *, scope: str) -> dict[str, Any]:
        """Call a system API with JSON in and out, and a token with that scope.

        Raises Problem if the call is refused.
        """
        if value is None:
            return _json(self.system(method, path, scope=scope))
        headers = {"Content-Type": "application/json"}
        return _json(self.system(method, path, json.dumps(value).encode(), headers, scope=scope))

    def power(self, method: str, path: str, value: Any = None) -> Any:
        """Use a power of a test (`kapi up --testing`). Raises Problem if it is refused."""
        body, headers = None, {}
        if value is not None:
            body, headers = json.dumps(value).encode(), {"Content-Type": "application/json"}
        return json.loads(self._power(method, path, body, headers).body)

    def power_text(self, method: str, path: str, text: str = "") -> str:
        """As `power`, with YAML instead of JSON."""
        media_type = "application/yaml"
        headers = {"Content-Type": media_type} if text else {"Accept": media_type}
        return self._power(method, path, text.encode() or None, headers).body.decode()

    def _power(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> Answer:
        answer = self.request(self._settings.identity.host, method, path, body, headers)
        if answer.status < 400:
            return answer
        if not self._settings.identity.testing:
            raise Problem(
                answer.status,
                "no-testing",
                "this platform does not offer the powers of a test",
                hint="Start it with `kapi up --testing`.",
            )
        refused = _json(answer)
        text = str(refused.get("error_description") or refused.get("mistakes") or answer.status)
        raise Problem(answer.status, "testing", text, hint="See all powers with `kapi testing`.")

    def system(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        *,
        scope: str = DEPLOY_SCOPE,
    ) -> Answer:
        """Call a system API with a token of that scope. Raises Problem if the call is refused."""
        token = self.token((scope,))
        answer = self.request(
            self._settings.gateway.api_host, method, path, body, headers, token=token
        )
        if answer.status >= 400:
            raise _problem(answer)
        return answer


def _token_request(
    client: ClientSettings, scopes: tuple[str, ...]
) -> tuple[dict[str, str], dict[str, str]]:
    """The form and the headers of a token request (RFC 6749 §4.4.2, §2.3.1)."""
    fields = {"grant_type": "client_credentials"}
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    if scopes:
        fields["scope"] = " ".join(scopes)
    if client.token_endpoint_auth_method == "client_secret_post":  # noqa: S105 - a method
        fields |= {"client_id": client.id, "client_secret": client.secret}
    else:
        credentials = f"{quote_plus(client.id)}:{quote_plus(client.secret)}"
        headers["Authorization"] = f"Basic {b64encode(credentials.encode()).decode()}"
    return fields, headers


def _no_token(client: ClientSettings, value: Mapping[str, Any], status: int) -> Problem:
    return Problem(
        401,
        str(value.get("error", "error")),
        f"no token for the client {client.id}: {value.get('error', status)}",
        str(value.get("error_description", "")),
        "Check its secret, grants and scopes in kapi.toml,"
        " choose another with `kapi token` --client ID, or set KAPI_TOKEN.",
    )


def _may_get(client: ClientSettings, scopes: tuple[str, ...]) -> bool:
    """Whether a client may get a bearer token with these scopes by its secret."""
    if client.dpop_bound_access_tokens or client.tls_client_certificate_bound_access_tokens:
        return False  # A bound token cannot be used without the client's key.
    if "*" not in client.scopes and not set(scopes) <= set(client.scopes):
        return False
    known = client.token_endpoint_auth_method in _WITH_SECRET
    return known and "client_credentials" in client.grants


def warn_of_unknown(client: Client, names: Iterable[str]) -> None:
    """Print which of these APIs are not deployed. They may come later, or a name is misspelt."""
    deployed = sorted({api["name"] for api in client.apis()})
    for name in names:
        if name in deployed or name == "*":
            continue
        close = get_close_matches(name, deployed, 1)
        question = ""
        if close:
            question = f"; did you mean {close[0]}?"
        say(f"warning: no API named {name!r} is deployed{question}")


def _json(answer: Answer) -> dict[str, Any]:
    try:
        value = json.loads(answer.body)
    except ValueError:
        return {}
    if isinstance(value, dict):
        return value
    return {}


def _problem(answer: Answer) -> Problem:
    value = _json(answer)
    code = str(value.get("code", answer.status))
    if diagnostics := value.get("diagnostics"):
        return Invalid(
            tuple(Diagnostic(**item) for item in diagnostics),
            ErrorCode(code, answer.status, str(value.get("message", ""))),
        )
    return Problem(
        answer.status,
        code,
        str(value.get("message", f"HTTP {answer.status}")),
        str(value.get("description", "")),
        str(value.get("hint", "")),
    )
