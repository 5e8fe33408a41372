"""The platform that runs in a data directory of this machine: its settings say where and how."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

from kapi.errors import KapiError, Problem
from kapi.front.cli.server.base import authority, connection_to, request
from kapi.front.cli.server.grants import client_credentials, refused
from kapi.run_files import as_running, lock_holder

if TYPE_CHECKING:
    import ssl
    from http.client import HTTPSConnection

    from kapi.settings import ClientSettings, Settings

_WITH_SECRET = frozenset({"", "client_secret_basic", "client_secret_post"})
"""Authentication methods that the command line supports."""
_HINT = (
    "Check its secret, grants and scopes in kapi.toml,"
    " choose another with `kapi token` --client ID, or set KAPI_TOKEN."
)


class LocalServer:
    """A platform of this machine."""

    def __init__(self, settings: Settings) -> None:
        """Reads the settings of the running platform."""
        self._settings = as_running(settings)

    @property
    def api_host(self) -> str:
        """That of the settings."""
        return self._settings.gateway.api_host

    @property
    def identity_host(self) -> str:
        """That of the settings."""
        return self._settings.identity.host

    @property
    def default_host(self) -> str:
        """Of the domain of the settings."""
        return f"default.{self._settings.gateway.domain}"

    @property
    def is_for_tests(self) -> bool:
        """Whether it was started with `--testing`."""
        return self._settings.identity.testing

    def authority(self, host: str) -> str:
        """A host with the port of the gateway."""
        return authority(host, self._settings.gateway.port)

    def shown(self, url: str) -> str:
        """The URL, with a name that this machine finds without DNS."""
        host = urlsplit(url).hostname or ""
        return url.replace(host, self._settings.gateway.shown_host(host), 1)

    def connect(self, host: str) -> HTTPSConnection:
        """A connection to where the gateway listens. Raises OSError, or KapiError without a CA."""
        address, port = self._address()
        return connection_to(host, port, (address, port), self._tls())

    def _address(self) -> tuple[str, int]:
        """Where the gateway listens; a loopback address if it listens on all."""
        gateway = self._settings.gateway
        loopback = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - replaced, not bound
        return loopback.get(gateway.listen, gateway.listen), gateway.port

    def unreachable(self, error: Exception) -> KapiError:
        """Whether something runs at all."""
        if lock_holder(self._settings.data_dir) is None:
            return self._nothing_runs()
        address, port = self._address()
        return KapiError(
            "not-running",
            f"no kapi answers on {address}:{port} ({error})",
            hint="See `kapi status`, and try `kapi doctor`.",
        )

    def _nothing_runs(self) -> KapiError:
        hint = "Start it with `kapi up`, or name the data directory of another: --data-dir PATH."
        return KapiError(
            "not-running", f"nothing runs in {self._settings.data_dir}", hint=hint
        )

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

    def token(self, scopes: tuple[str, ...], client_id: str | None) -> str:
        """A token of a client of the settings (client credentials grant), or else KAPI_TOKEN.

        Without `client_id`, the first configured client that may get the token is used. Raises
        Problem if there is none.
        """
        if os.environ.get("KAPI_TOKEN") and client_id is None:
            return os.environ["KAPI_TOKEN"]
        if not self._settings.identity.enabled:
            raise Problem(
                401,
                "no-provider",
                "there is no inbuilt identity provider to get a token from",
                hint="Set KAPI_TOKEN to an access token of an issuer that is trusted here.",
            )
        client = self._client(scopes, client_id)
        in_body = client.token_endpoint_auth_method == "client_secret_post"  # noqa: S105 - a name
        fields, headers = client_credentials(
            client.id, client.secret, scopes, in_body=in_body
        )
        host, body = self._settings.identity.host, urlencode(fields).encode()
        answer = request(self, host, "POST", "/oauth2/token", body, headers)
        if answer.status != 200:
            raise refused(answer, f"no token for the client {client.id}", _HINT)
        return str(json.loads(answer.body)["access_token"])

    def _client(self, scopes: tuple[str, ...], client_id: str | None) -> ClientSettings:
        clients = self._settings.identity.clients
        if client_id is None:
            return _fitting(clients, scopes)
        chosen = next((client for client in clients if client.id == client_id), None)
        if chosen is not None:
            return chosen
        if client_id and (secret := os.environ.get("KAPI_CLIENT_SECRET")):
            from kapi.settings import ClientSettings

            return ClientSettings(id=client_id, secret=secret)
        raise Problem(
            404,
            "client",
            f"no client {client_id!r} in the settings",
            hint="Name one that `kapi config show` lists, or set KAPI_CLIENT_SECRET.",
        )


def _fitting(
    clients: tuple[ClientSettings, ...], scopes: tuple[str, ...]
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


def _may_get(client: ClientSettings, scopes: tuple[str, ...]) -> bool:
    """Whether a client may get a bearer token with these scopes by its secret."""
    if (
        client.dpop_bound_access_tokens
        or client.tls_client_certificate_bound_access_tokens
    ):
        return False  # A bound token cannot be used without the client's key.
    if "*" not in client.scopes and not set(scopes) <= set(client.scopes):
        return False
    known = client.token_endpoint_auth_method in _WITH_SECRET
    return known and "client_credentials" in client.grants
