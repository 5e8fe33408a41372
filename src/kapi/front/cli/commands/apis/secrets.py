"""Commands about named secrets and certificates: `kapi secret set`, `list`, `remove`."""

from __future__ import annotations

import sys
from typing import Annotated
from urllib.parse import quote

import typer

from kapi.front.cli.client import Client
from kapi.front.cli.kinds.objects import show_all
from kapi.front.cli.kinds.table import kind_of
from kapi.front.cli.options import Config, DataDir, Output, read_input, settings_of
from kapi.front.cli.output import Format, say, usage
from kapi.front.cli.root import subcommands

app = subcommands()
Name = Annotated[
    str, typer.Argument(metavar="NAME", help="What a conf writes as secretName.")
]
Key = Annotated[str, typer.Argument(metavar="KEY", help="The key within it.")]
_PATH = "/api/secrets/1.2.0"


@app.command("set")
def set_(
    name: Name,
    key: Key,
    file: Annotated[
        str | None,
        typer.Option("--file", help="Read the value from a file.", show_default=False),
    ] = None,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Set a value, from a prompt, standard input or a file. APIs that name it use it at once.

    Examples:
      kapi secret set backend-login password
      kapi secret set backend-ca ca.crt --file ca.pem
      printf %s "$PASSWORD" | kapi secret set backend-login password
    """
    if file is not None:
        value = read_input(file)
    elif sys.stdin.isatty():
        value = typer.prompt("Value", hide_input=True).encode()
    else:
        value = sys.stdin.buffer.read()
    if not value:
        usage(
            "the value is empty",
            "Give it on standard input, or name a file: --file PATH.",
        )
    Client(settings_of(data_dir, config)).system("PUT", _path(name, key), value)
    say(f"set {name} {key}")


@app.command("list")
def list_(
    output: Output = Format.TABLE, data_dir: DataDir = None, config: Config = None
) -> None:
    """List names and keys; values are never shown.

    Examples:
      kapi secret list
    """
    show_all(kind_of("secret"), Client(settings_of(data_dir, config)), output)


@app.command("remove")
def remove(
    name: Name, key: Key, data_dir: DataDir = None, config: Config = None
) -> None:
    """Remove a value that no deployed API uses.

    Examples:
      kapi secret remove backend-login password
    """
    Client(settings_of(data_dir, config)).system("DELETE", _path(name, key))
    say(f"removed {name} {key}")


def _path(name: str, key: str) -> str:
    return f"{_PATH}/{quote(name, safe='')}/{quote(key, safe='')}"
