"""Commands about OAuth clients of the inbuilt provider: `kapi client …`, by the clients API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import quote

import typer

from kapi.front.cli.client import Client
from kapi.front.cli.kinds.changing import ListChange, changed, many
from kapi.front.cli.kinds.completion import completing
from kapi.front.cli.kinds.objects import found, show_all
from kapi.front.cli.kinds.table import kind_of
from kapi.front.cli.options import Config, DataDir, Output, read_input, settings_of
from kapi.front.cli.output import Format, say, show, usage
from kapi.front.cli.root import subcommands
from kapi.json_reading import NotJson, read_object

PATH = "/api/clients"
SCOPE = "kapi:clients"
Id = Annotated[
    str, typer.Argument(metavar="CLIENT_ID", help="As `kapi client list` shows it.")
]


NewName = Annotated[
    str,
    typer.Argument(metavar="NAME", help="For people: what the consent page calls it."),
]
Grants = Annotated[
    list[str] | None,
    many("--grant", "A grant it may use; client_credentials without one."),
]
RedirectUris = Annotated[
    list[str] | None, many("--redirect-uri", "Where codes are sent.")
]
Scopes = Annotated[
    list[str] | None, many("--scope", "A scope it may ask for; any without one.")
]
Method = Annotated[
    str,
    typer.Option(
        "--method",
        help="How it proves who it is; client_secret_basic without one, none for a public client.",
        show_default=False,
    ),
]
Metadata = Annotated[
    str | None,
    typer.Option(
        "--metadata",
        help="A JSON file with more metadata (RFC 7591).",
        show_default=False,
    ),
]


Known = Annotated[
    str,
    typer.Argument(
        metavar="CLIENT",
        help="Its id or its name, as `kapi client list` shows them.",
        autocompletion=completing("client"),
    ),
]
Texts = list[str] | None
OtherName = Annotated[
    str, typer.Option("--name", help="Another name.", show_default=False)
]
AllGrants = Annotated[Texts, many("--grant", "The grants it may use from now on.")]
AddGrant = Annotated[Texts, many("--add-grant", "A grant besides those it has.")]
RemoveGrant = Annotated[Texts, many("--remove-grant", "A grant to take away.")]
AllRedirectUris = Annotated[Texts, many("--redirect-uri", "All its redirect URIs.")]
AddRedirectUri = Annotated[Texts, many("--add-redirect-uri", "One more.")]
RemoveRedirectUri = Annotated[Texts, many("--remove-redirect-uri", "One less.")]
AllScopes = Annotated[Texts, many("--scope", "All scopes it may ask for.")]
AddScope = Annotated[Texts, many("--add-scope", "One more.")]
RemoveScope = Annotated[Texts, many("--remove-scope", "One less.")]
OtherMethod = Annotated[
    str,
    typer.Option("--method", help="How it proves who it is.", show_default=False),
]


def create(
    name: NewName,
    grant: Grants = None,
    redirect_uri: RedirectUris = None,
    scope: Scopes = None,
    method: Method = "",
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
    value = _metadata(metadata) | {"client_name": name}
    if method:
        value["token_endpoint_auth_method"] = method
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
    show_all(kind_of("client"), Client(settings_of(data_dir, config)), output)


def show_client(
    client_id: Id,
    output: Output = Format.JSON,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Show one client, without its secret.

    Examples:
      kapi client show 0199f3c2-0000-7000-8000-000000000000
    """
    value = Client(settings_of(data_dir, config)).call(
        "GET", f"{PATH}/{quote(client_id, safe='')}", scope=SCOPE
    )
    show(value, output, [value])


def update(
    client: Known,
    name: OtherName = "",
    grant: AllGrants = None,
    add_grant: AddGrant = None,
    remove_grant: RemoveGrant = None,
    redirect_uri: AllRedirectUris = None,
    add_redirect_uri: AddRedirectUri = None,
    remove_redirect_uri: RemoveRedirectUri = None,
    scope: AllScopes = None,
    add_scope: AddScope = None,
    remove_scope: RemoveScope = None,
    method: OtherMethod = "",
    metadata: Metadata = None,
    output: Output = Format.TABLE,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Change a client. What is taken away is taken from its codes and refresh tokens too.

    Examples:
      kapi client update shop --add-redirect-uri https://shop.example/back
      kapi client update reports --scope items:read --name "Monthly reports"
    """
    texts = {"client_name": name, "token_endpoint_auth_method": method}
    uris = ListChange(redirect_uri, add_redirect_uri, remove_redirect_uri)
    lists = {
        "grant_types": ListChange(grant, add_grant, remove_grant),
        "redirect_uris": uris,
        "scope": ListChange(scope, add_scope, remove_scope),
    }
    value = _metadata(metadata) | _given(texts)
    made = _changed(Client(settings_of(data_dir, config)), client, value, lists)
    columns = ("client_id", "client_secret", "client_name", "grant_types", "scope")
    show(made, output, [{name: made[name] for name in columns if name in made}])
    if "client_secret" in made:
        say("the secret is not shown again: keep it now")


def _given(texts: Mapping[str, str]) -> dict[str, object]:
    return {member: text for member, text in texts.items() if text}


def _changed(
    caller: Client,
    client: str,
    value: dict[str, object],
    lists: Mapping[str, ListChange],
) -> dict[str, Any]:
    wanted = {member: change for member, change in lists.items() if change.wanted}
    if not (value or wanted):
        usage("nothing to change", "Name an option, such as --add-scope items:read.")
    scope = lists["scope"]

    def patch(before: Mapping[str, Any]) -> dict[str, object]:
        if "scope" not in before and scope.wanted and not scope.whole:
            usage(f"{client} may ask for any scope", "Name the only ones with --scope.")
        made = {
            name: change.applied(_list_of(before, name))
            for name, change in wanted.items()
        }
        return value | made

    known = found(kind_of("client"), caller, client)["client_id"]
    return changed(caller, f"{PATH}/{quote(known, safe='')}", SCOPE, patch)


def _list_of(client: Mapping[str, Any], member: str) -> list[str]:
    value = client.get(member, [])
    if isinstance(value, str):
        return value.split()
    return list(value)


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
    client_id: Id,
    output: Output = Format.TABLE,
    data_dir: DataDir = None,
    config: Config = None,
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
    ("update", update),
    ("remove", remove),
    ("rotate-secret", rotate_secret),
):
    app.command(_name)(_command)

__all__ = ["app"]
