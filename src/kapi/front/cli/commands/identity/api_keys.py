"""Commands about API keys: `kapi api-key create`, `list`, `revoke`."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

import typer

from kapi.front.cli.client import DEPLOY_SCOPE, Client, say_warnings
from kapi.front.cli.kinds.objects import show_all
from kapi.front.cli.kinds.table import kind_of
from kapi.front.cli.options import Config, DataDir, Output, settings_of
from kapi.front.cli.output import Format, put, say, show
from kapi.front.cli.root import subcommands

app = subcommands()
_PATH = "/api/api-keys/1.2.0"


Apis = Annotated[
    list[str],
    typer.Argument(
        metavar="NAME[:VERSION]...",
        help="The APIs it is for; '*' means all of the organization.",
    ),
]
Application = Annotated[str, typer.Option("--application", help="Whose key it is.")]
Opaque = Annotated[
    bool, typer.Option("--opaque", help="A short random key instead of a JWT.")
]
Sandbox = Annotated[
    bool, typer.Option("--sandbox", help="For the sandbox hosts instead of production.")
]
Lifetime = Annotated[
    int,
    typer.Option("--lifetime", help="Seconds it is good for; 0 means for ever.", min=0),
]
PermittedIp = Annotated[
    list[str] | None,
    typer.Option("--permitted-ip", help="A network it may be used from; repeatable."),
]
PermittedReferer = Annotated[
    list[str] | None,
    typer.Option(
        "--permitted-referer",
        help="A referer it may be used with, * for any text; repeatable.",
    ),
]
Tier = Annotated[str, typer.Option("--tier", help="The tier of its application.")]


@app.command()
def create(
    apis: Apis,
    application: Application = "default",
    opaque: Opaque = False,
    sandbox: Sandbox = False,
    lifetime: Lifetime = 0,
    permitted_ip: PermittedIp = None,
    permitted_referer: PermittedReferer = None,
    tier: Tier = "Unlimited",
    output: Output = Format.TABLE,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Create a key and print it; it is never shown again.

    Examples:
      kapi api-key create Petstore:1.0.0 --application shop
      KEY=$(kapi api-key create Petstore --opaque --lifetime 86400 --permitted-ip 192.0.2.0/24)
    """
    wanted = {
        "apis": list(map(_api, apis)),
        "application": application,
        "kind": "opaque" if opaque else "jwt",
        "keyType": "SANDBOX" if sandbox else "PRODUCTION",
        "lifetime": lifetime,
        "permittedIP": permitted_ip or [],
        "permittedReferer": permitted_referer or [],
        "tier": tier,
    }
    _create(wanted, Client(settings_of(data_dir, config)), output)


def _api(text: str) -> dict[str, str]:
    name, _, version = text.partition(":")
    return {"name": name, "version": version or "*"}


def _create(wanted: dict[str, Any], client: Client, output: Format) -> None:
    made = client.call("POST", _PATH, wanted, scope=DEPLOY_SCOPE)
    say_warnings(made)
    if output is Format.TABLE:
        say(f"created {made['id']}; send it as the header apikey")
        put(made["apiKey"] + "\n")
    else:
        show(made, output, [])


@app.command("list")
def list_(
    output: Output = Format.TABLE, data_dir: DataDir = None, config: Config = None
) -> None:
    """List the organization's keys, without their secrets.

    Examples:
      kapi api-key list -o json
    """
    show_all(kind_of("api-key"), Client(settings_of(data_dir, config)), output)


@app.command()
def revoke(
    key_id: Annotated[
        str, typer.Argument(metavar="ID", help="The key's id; see kapi api-key list.")
    ],
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Refuse a key from now on.

    Examples:
      kapi api-key revoke 3f2a9c0d11e4b7a8
    """
    Client(settings_of(data_dir, config)).system(
        "DELETE", f"{_PATH}/{quote(key_id, safe='')}"
    )
    say(f"revoked {key_id}")
