"""Commands about OAuth clients of the inbuilt provider: `kapi client …`, by the clients API."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

import typer

from kapi.front.cli.client import Client
from kapi.front.cli.options import Config, DataDir, Output, read_input, settings_of
from kapi.front.cli.output import Format, say, show, usage
from kapi.front.cli.root import subcommands
from kapi.json_reading import NotJson, read_object

PATH = "/api/clients"
SCOPE = "kapi:clients"
Id = Annotated[str, typer.Argument(metavar="CLIENT_ID", help="As `kapi client list` shows it.")]


def _many(name: str, help_text: str) -> typer.models.OptionInfo:
    made: typer.models.OptionInfo = typer.Option(
        name, help=f"{help_text} May be repeated.", show_default=False
    )
    return made


NewName = Annotated[
    str, typer.Argument(metavar="NAME", help="For people: what the consent page calls it.")
]
Grants = Annotated[
    list[str] | None, _many("--grant", "A grant it may use; client_credentials without one.")
]
RedirectUris = Annotated[list[str] | None, _many("--redirect-uri", "Where codes are sent.")]
Scopes = Annotated[list[str] | None, _many("--scope", "A scope it may ask for; any without one.")]
Method = Annotated[str, typer.Option("--method", help="How it proves who it is.")]
Metadata = Annotated[
    str | None,
    typer.Option(
        "--metadata", help="A JSON file with more metadata (RFC 7591).", show_default=False
    ),
]


def create(
    name: NewName,
    grant: Grants = None,
    redirect_uri: RedirectUris = None,
    scope: Scopes = None,
    method: Method = "client_secret_basic",
    metadata: Metadata = None,
    output: Output = Format.TABLE,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Create a client; its secret is shown this once.

    Examples:
      kapi client create reports --scope items:read
      kapi client create shop --grant authorization_code --redirect-uri https://shop.example/back
    """
    value = _metadata(metadata) | {"client_name": name, "token_endpoint_auth_method": method}
    value["grant_types"] = grant or value.get("grant_types", ["client_credentials"])
    if redirect_uri:
        value["redirect_uris"] = redirect_uri
    if scope:
        value["scope"] = " ".join(scope)
    made = Client(settings_of(data_dir, config)).call("POST", PATH, value, scope=SCOPE)
    columns = ("client_id", "client_secret", "client_name", "grant_types")
    show(made, output, [{name: made[name] for name in columns if name in made}])
    if "client_secret" in made:
        say("the secret is not shown again: keep it now")


def list_clients(
    output: Output = Format.TABLE, data_dir: DataDir = None, config: Config = None
) -> None:
    """List the clients, without their secrets.

    Examples:
      kapi client list -o json
    """
    value = Client(settings_of(data_dir, config)).call("GET", PATH, scope=SCOPE)
    columns = ("client_id", "client_name", "grant_types", "source")
    show(
        value,
        output,
        [{name: client.get(name, "") for name in columns} for client in value["clients"]],
    )


def show_client(
    client_id: Id, output: Output = Format.JSON, data_dir: DataDir = None, config: Config = None
) -> None:
    """Show one client, without its secret.

    Examples:
      kapi client show 0199f3c2-0000-7000-8000-000000000000
    """
    value = Client(settings_of(data_dir, config)).call(
        "GET", f"{PATH}/{quote(client_id, safe='')}", scope=SCOPE
    )
    show(value, output, [value])


def remove(client_id: Id, data_dir: DataDir = None, config: Config = None) -> None:
    """Remove a client, which then gets no more tokens.

    Examples:
      kapi client remove 0199f3c2-0000-7000-8000-000000000000
    """
    Client(settings_of(data_dir, config)).call(
        "DELETE", f"{PATH}/{quote(client_id, safe='')}", scope=SCOPE
    )
    say(f"removed {client_id}")


def rotate_secret(
    client_id: Id, output: Output = Format.TABLE, data_dir: DataDir = None, config: Config = None
) -> None:
    """Give a client another secret, shown this once. The one before is refused at once.

    Tokens that the client has are valid until they expire.

    Examples:
      kapi client rotate-secret 0199f3c2-0000-7000-8000-000000000000
    """
    made = Client(settings_of(data_dir, config)).call(
        "POST", f"{PATH}/{quote(client_id, safe='')}/secret", scope=SCOPE
    )
    show(made, output, [{name: made[name] for name in ("client_id", "client_secret")}])
    say("the secret is not shown again: keep it now")


def _metadata(file: str | None) -> dict[str, object]:
    if file is None:
        return {}
    try:
        return read_object(read_input(file))
    except NotJson as error:
        usage(
            f"{file} is not a JSON object: {error}",
            'Write metadata as in RFC 7591, such as {"client_name": "reports"}.',
        )


app = subcommands()
for _name, _command in (
    ("create", create),
    ("list", list_clients),
    ("show", show_client),
    ("remove", remove),
    ("rotate-secret", rotate_secret),
):
    app.command(_name)(_command)

__all__ = ["app"]
