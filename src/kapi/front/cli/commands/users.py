"""Commands about people: `kapi user add|list|remove|passwd|disable|enable`, over the users API."""

from __future__ import annotations

import sys
from typing import Annotated
from urllib.parse import quote

import typer

from kapi.front.cli.client import Client
from kapi.front.cli.options import Config, DataDir, Output, settings_of
from kapi.front.cli.output import Format, say, show, usage
from kapi.front.cli.root import subcommands

PATH = "/api/users"
SCOPE = "kapi:users"
Name = Annotated[str, typer.Argument(metavar="NAME", help="The name to sign in with.")]
Stdin = Annotated[
    bool,
    typer.Option(
        "--password-stdin", help="Read the password from standard input instead of asking."
    ),
]


def _many(name: str, help_text: str) -> typer.models.OptionInfo:
    made: typer.models.OptionInfo = typer.Option(
        name, help=f"{help_text} May be repeated.", show_default=False
    )
    return made


def add(
    name: Name,
    organization: Annotated[
        list[str] | None, _many("--organization", "An organization the person belongs to.")
    ] = None,
    group: Annotated[list[str] | None, _many("--group", "A group the person is in.")] = None,
    claim: Annotated[
        list[str] | None, _many("--claim", "NAME=VALUE, such as email=ada@example.com.")
    ] = None,
    super_admin: Annotated[
        bool, typer.Option("--super-admin", help="May sign in without naming an organization.")
    ] = False,
    password_stdin: Stdin = False,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Add a person who can sign in.

    Examples:
      kapi user add ada --organization org1 --claim email=ada@example.com
    """
    claims = dict(map(_pair, claim or ()))
    value = {
        "username": name,
        "password": _password(from_stdin=password_stdin),
        "organizations": organization or [],
        "groups": group or [],
        "claims": claims,
        "super_admin": super_admin,
    }
    Client(settings_of(data_dir, config)).call("POST", PATH, value, scope=SCOPE)
    say(f"added {name}")


def list_users(
    output: Output = Format.TABLE, data_dir: DataDir = None, config: Config = None
) -> None:
    """List the people who can sign in.

    Examples:
      kapi user list -o json
    """
    value = Client(settings_of(data_dir, config)).call("GET", PATH, scope=SCOPE)
    columns = ("username", "organizations", "groups", "super_admin", "source")
    show(value, output, [{name: user[name] for name in columns} for user in value["users"]])


def remove(name: Name, data_dir: DataDir = None, config: Config = None) -> None:
    """Remove a person, and end all that they signed in to.

    Examples:
      kapi user remove ada
    """
    Client(settings_of(data_dir, config)).call(
        "DELETE", f"{PATH}/{quote(name, safe='')}", scope=SCOPE
    )
    say(f"removed {name}")


def passwd(
    name: Name, password_stdin: Stdin = False, data_dir: DataDir = None, config: Config = None
) -> None:
    """Change a person's password, and end what they signed in to with the old one.

    Examples:
      kapi user passwd ada
    """
    value = {"password": _password(from_stdin=password_stdin)}
    Client(settings_of(data_dir, config)).call(
        "PUT", f"{PATH}/{quote(name, safe='')}/password", value, scope=SCOPE
    )
    say(f"changed the password of {name}")


def disable(name: Name, data_dir: DataDir = None, config: Config = None) -> None:
    """Let a person sign in no more, and end all that they signed in to.

    Examples:
      kapi user disable ada
    """
    _set_disabled(name, disabled=True, client=Client(settings_of(data_dir, config)))
    say(f"disabled {name}")


def enable(name: Name, data_dir: DataDir = None, config: Config = None) -> None:
    """Let a person whose account was disabled sign in again.

    Examples:
      kapi user enable ada
    """
    _set_disabled(name, disabled=False, client=Client(settings_of(data_dir, config)))
    say(f"enabled {name}")


def _set_disabled(name: str, *, disabled: bool, client: Client) -> None:
    client.call(
        "PUT", f"{PATH}/{quote(name, safe='')}/disabled", {"disabled": disabled}, scope=SCOPE
    )


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        usage(f"{text!r} is not NAME=VALUE", "Write it like --claim email=ada@example.com.")
    return name, value


def _password(*, from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    asked: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    return asked


app = subcommands()
for _name, _command in (("add", add), ("list", list_users), ("remove", remove), ("passwd", passwd)):
    app.command(_name)(_command)
for _name, _set in (("disable", disable), ("enable", enable)):
    app.command(_name)(_set)

__all__ = ["app"]
