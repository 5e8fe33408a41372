"""Commands about the caller of a platform behind a URL: `kapi login`, `logout`, `whoami`."""

from __future__ import annotations

import datetime as dt
import os
import sys
from typing import Annotated

import typer

from kapi.errors import KapiError
from kapi.front.cli.client import Client, succeeded
from kapi.front.cli.options import Config, DataDir, Output, settings_of
from kapi.front.cli.output import Format, say, show
from kapi.front.cli.server.choice import remote
from kapi.front.cli.server.credentials import credential_of, keep, locked
from kapi.front.cli.server.grants import DEVICE_CODE, authenticated
from kapi.front.cli.server.remote import RemoteServer

PATH = "/api/whoami"
ClientId = Annotated[
    str,
    typer.Option("--client-id", help="Else that of the context.", show_default=False),
]
AsClient = Annotated[
    bool,
    typer.Option(
        "--client-credentials", help="Sign in as the client itself, by its secret."
    ),
]
SecretStdin = Annotated[
    bool,
    typer.Option(
        "--secret-stdin", help="Read the client's secret from standard input."
    ),
]
Scopes = Annotated[
    list[str] | None,
    typer.Option(
        "--scope", help="A scope to ask for; may be repeated.", show_default=False
    ),
]


def login(
    client_id: ClientId = "",
    client_credentials: AsClient = False,
    secret_stdin: SecretStdin = False,
    scope: Scopes = None,
) -> None:
    """Sign in at the platform of the context: by a code in a browser, or as a client.

    What is kept is readable by you only: tokens of a person, which are renewed while the provider
    allows it, or the secret of a client.

    Examples:
      kapi login --client-id kapi-cli
      kapi login --client-id deployer --client-credentials --secret-stdin < secret
    """
    from kapi.front.cli.server import signing_in

    server = _remote()
    client = client_id or server.context.client
    if not client:
        raise KapiError(
            "login",
            "which client signs in?",
            hint="Name one that is registered at the provider: --client-id ID. At the inbuilt one,"
            " `kapi client create kapi-cli --method none --grant"
            f" {DEVICE_CODE} --grant refresh_token --scope apk:api_create` makes one.",
        )
    secret = _secret(from_stdin=secret_stdin, asked=client_credentials)
    scopes = signing_in.chosen_scopes(scope or (), ())
    if client_credentials:
        made = signing_in.as_client(server, signing_in.Wish(client, secret, scopes))
    else:
        supported = signing_in.chosen_scopes(scopes, server.scopes())
        wish = signing_in.Wish(client, secret, supported)
        made = signing_in.as_person(server, wish, _tell)
    with locked():
        keep(server.name, made)
    say(f"signed in at {server.name}; see `kapi whoami`")


def logout() -> None:
    """Forget the sign-in of the context, and revoke its refresh token where that is possible.

    Examples:
      kapi logout
    """
    server = _remote()
    known = credential_of(server.name)
    if known is None:
        say(f"no user was signed in at {server.name}")
        return
    with locked():
        keep(server.name, None)
    token = known.refresh_token or known.access_token
    if token:
        _revoke(server, known.client, known.secret, token)
    say(f"signed out of {server.name}")


def whoami(
    output: Output = Format.TABLE, data_dir: DataDir = None, config: Config = None
) -> None:
    """Show as whom commands call the platform: its URL, subject, client, organization, scopes.

    Examples:
      kapi whoami
      kapi whoami -o json
    """
    client = Client(settings_of(data_dir, config))
    token = client.token()
    answer = client.request(client.server.api_host, "GET", PATH, token=token)
    value = succeeded(answer).members
    shown = {"server": client.api_url, **value}
    if output is not Format.TABLE:
        show(shown, output)
        return
    expires = dt.datetime.fromtimestamp(int(value["expires_at"]), dt.UTC).isoformat()
    rows = {**shown, "scopes": " ".join(value["scopes"]), "expires_at": expires}
    show(shown, output, [{"name": name, "value": text} for name, text in rows.items()])


def _remote() -> RemoteServer:
    server = remote()
    if server is None:
        raise KapiError(
            "login",
            "commands call the platform of this machine, which needs no sign-in",
            hint="Name another: kapi context add NAME URL, or --server URL.",
        )
    return server


def _secret(*, from_stdin: bool, asked: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    given = os.environ.get("KAPI_CLIENT_SECRET", "")
    if given or not asked:
        return given
    typed: str = typer.prompt("Client secret", hide_input=True, err=True)
    return typed


def _tell(address: str, code: str) -> None:
    say(f"Open {address} in a browser, and check that it shows the code {code}.")


def _revoke(server: RemoteServer, client: str, secret: str, token: str) -> None:
    """Revoke at the provider (RFC 7009). It was forgotten here anyway."""
    try:
        endpoint = server.provider().revocation_endpoint
        if endpoint:
            server.post(endpoint, authenticated({"token": token}, client, secret))
    except KapiError as error:
        say(f"warning: the token was not revoked at the provider: {error.title}")
