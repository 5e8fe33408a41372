"""The system APIs and the token endpoint as the command line calls them: over https, verified against the development CA."""

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
from kapi.settings import ClientSettings, Settings

if TYPE_CHECKING:
    import ssl

_SECONDS = 60
_DEPLOYER = "/api/deployer/1.2.0/apis"
DEPLOY_SCOPE = "apk:api_create"
_WITH_SECRET = frozenset({"", "client_secret_basic", "client_secret_post"})
"""Ways to authenticate that the command line knows."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


class Client:
    """A caller of the running platform."""

    def __init__(self, settings: Settings, client_id: str | None = None) -> None:
        """`client_id` chooses among the configured clients; else the first one that may get the token is taken."""
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
        """One request. Raises KapiError when nobody answers."""
        import socket
        from http.client import HTTPException, HTTPSConnection

        listen = self._settings.gateway.listen
        address = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(listen, listen)  # noqa: S104 - replaced, not bound
        authority = (
            host if self._settings.gateway.port == 443 else f"{host}:{self._settings.gateway.port}"
        )
        sent = {
            "Host": authority,
            **({"Authorization": f"Bearer {token}"} if token else {}),
            **(headers or {}),
        }
        try:
            context = self._tls()
            connection = HTTPSConnection(
                host, self._settings.gateway.port, context=context, timeout=_SECONDS
            )
            # TLS and the Host header name the virtual host, while the connection goes to the gateway's address.
            peer = socket.create_connection((address, self._settings.gateway.port), _SECONDS)
            connection.sock = context.wrap_socket(peer, server_hostname=host)
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            return Answer(
                answer.status,
                answer.read(),
                {name.lower(): value for name, value in answer.headers.items()},
            )
        except (OSError, HTTPException) as error:
            if lock_holder(self._settings.data_dir) is None:
                raise self._nothing_runs() from error
            where = f"{address}:{self._settings.gateway.port}"
            raise KapiError(
                "not-running",
                f"no kapi answers on {where} ({error})",
                hint="See `kapi status`, and try `kapi doctor`.",
            ) from error

    def _nothing_runs(self) -> KapiError:
        hint = "Start it with `kapi up`, or name the data directory of another: --data-dir PATH."
        return KapiError("not-running", f"nothing runs in {self._settings.data_dir}", hint=hint)

    def _tls(self) -> ssl.SSLContext:
        import ssl

        ca = self._settings.data_dir / "tls" / "ca.pem"
        if not ca.exists():
            raise self._nothing_runs()
        return ssl.create_default_context(cafile=str(ca))

    def token(self, scopes: tuple[str, ...] = ()) -> str:
        """An access token of the chosen client (client credentials grant). KAPI_TOKEN overrides it."""
        if os.environ.get("KAPI_TOKEN") and self._client_id is None:
            return os.environ["KAPI_TOKEN"]
        if not self._settings.identity.enabled:
            hint = "Set KAPI_TOKEN to an access token of an issuer that is trusted here."
            raise Problem(
                401,
                "no-provider",
                "there is no inbuilt identity provider to get a token from",
                hint=hint,
            )
        client = self._client(scopes)
        fields = {
            "grant_type": "client_credentials",
            **({"scope": " ".join(scopes)} if scopes else {}),
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        if client.token_endpoint_auth_method == "client_secret_post":  # noqa: S105 - a method, not a secret
            fields |= {"client_id": client.id, "client_secret": client.secret}
        else:
            credentials = b64encode(
                f"{quote_plus(client.id)}:{quote_plus(client.secret)}".encode()
            ).decode()
            headers["Authorization"] = f"Basic {credentials}"
        answer = self.request(
            self._settings.identity.host,
            "POST",
            "/oauth2/token",
            urlencode(fields).encode(),
            headers,
        )
        value = _json(answer)
        if answer.status != 200:
            description = str(value.get("error_description", ""))
            raise Problem(
                401,
                str(value.get("error", "error")),
                f"no token for the client {client.id}: {value.get('error', answer.status)}",
                description,
                "Check its secret, grants and scopes in kapi.toml, choose another with `kapi token` --client ID, or set KAPI_TOKEN.",
            )
        return str(value["access_token"])

    def _client(self, scopes: tuple[str, ...]) -> ClientSettings:
        clients = self._settings.identity.clients
        if self._client_id is None:
            return self._fitting(clients, scopes)
        chosen = next((client for client in clients if client.id == self._client_id), None)
        if chosen is not None:
            return chosen
        if self._client_id and (secret := os.environ.get("KAPI_CLIENT_SECRET")):
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
        """The first client that may get such a token with a secret. Raises Problem when none may."""
        for client in clients:
            allowed = "*" in client.scopes or set(scopes) <= set(client.scopes)
            if client.dpop_bound_access_tokens or client.tls_client_certificate_bound_access_tokens:
                continue  # its tokens are of no use without its key
            if (
                allowed
                and "client_credentials" in client.grants
                and client.token_endpoint_auth_method in _WITH_SECRET
            ):
                return client
        wanted = f" with the scope {' '.join(scopes)}" if scopes else ""
        names = ", ".join(client.id for client in clients) or "none"
        raise Problem(
            401,
            "client",
            f"no client of the settings may get a token{wanted} by the grant client_credentials",
            f"Clients: {names}. Such a client has a secret, this grant and this scope."
            if scopes
            else f"Clients: {names}.",
            "Give one of [[identity.clients]] in kapi.toml what is missing, or set KAPI_TOKEN to a token that another client got.",
        )

    def deploy(self, conf: bytes, definition: bytes) -> Answer:
        """Deploy an API; the body is the conf with its id, headers say what the deployment was."""
        boundary = os.urandom(16).hex()
        parts = (("apkConfiguration", conf), ("definitionFile", definition))
        body = b"".join(
            f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{name}"\r\n\r\n'.encode()
            + content
            + b"\r\n"
            for name, content in parts
        )
        headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        return self.system(
            "POST", f"{_DEPLOYER}/deploy", body + f"--{boundary}--\r\n".encode(), headers
        )

    def undeploy(self, api_id: str) -> None:
        """Take an API away."""
        self.system("POST", f"{_DEPLOYER}/undeploy?apiId={quote(api_id, safe='')}")

    def apis(self) -> list[dict[str, Any]]:
        """The deployed APIs of the caller's organization."""
        apis: list[dict[str, Any]] = json.loads(self.system("GET", _DEPLOYER).body)["apis"]
        return apis

    def ready(self) -> bool:
        """Whether the gateway and control are ready."""
        return self.request(self._settings.gateway.api_host, "GET", "/ready").status == 200

    def call(self, method: str, path: str, value: Any = None, *, scope: str) -> dict[str, Any]:
        """A call of a system API with JSON in and out, and a token with that scope. Raises Problem when it is refused."""
        body = None if value is None else json.dumps(value).encode()
        return _json(
            self.system(
                method,
                path,
                body,
                {"Content-Type": "application/json"} if body else None,
                scope=scope,
            )
        )

    def system(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        *,
        scope: str = DEPLOY_SCOPE,
    ) -> Answer:
        """A call of a system API with a token that may deploy, or has another scope. Raises Problem when it is refused."""
        token = self.token((scope,))
        answer = self.request(
            self._settings.gateway.api_host, method, path, body, headers, token=token
        )
        if answer.status >= 400:
            raise _problem(answer)
        return answer


def warn_of_unknown(client: Client, names: Iterable[str]) -> None:
    """Say which of these APIs are not deployed: they may come later, or the name has a typing mistake."""
    deployed = sorted({api["name"] for api in client.apis()})
    for name in names:
        if name in deployed or name == "*":
            continue
        close = get_close_matches(name, deployed, 1)
        say(
            f"warning: no API named {name!r} is deployed"
            + (f"; did you mean {close[0]}?" if close else "")
        )


def _json(answer: Answer) -> dict[str, Any]:
    try:
        value = json.loads(answer.body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


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
