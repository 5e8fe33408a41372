"""Commands about people: `kapi user …`, over the users API."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import quote

import typer

from kapi.front.cli.client import Client
from kapi.front.cli.kinds.changing import ListChange, changed, many
from kapi.front.cli.kinds.completion import completing
from kapi.front.cli.kinds.objects import found, show_all
from kapi.front.cli.kinds.table import kind_of
from kapi.front.cli.options import Config, DataDir, Output, settings_of
from kapi.front.cli.output import Format, say, usage
from kapi.front.cli.root import subcommands

PATH = "/api/users"
SCOPE = "kapi:users"
Name = Annotated[str, typer.Argument(metavar="NAME", help="The name to sign in with.")]
Stdin = Annotated[
    bool,
    typer.Option(
        "--password-stdin",
        help="Read the password from standard input instead of asking.",
    ),
]
Known = Annotated[
    str,
    typer.Argument(metavar="NAME", help="Who.", autocompletion=completing("user")),
]
SuperAdmin = Annotated[
    bool | None,
    typer.Option(
        "--super-admin/--no-super-admin",
        help="May sign in without naming an organization.",
        show_default=False,
    ),
]
Texts = list[str] | None
NewName = Annotated[
    str,
    typer.Option("--name", help="Another name to sign in with.", show_default=False),
]
AllOrganizations = Annotated[
    Texts, many("--organization", "All organizations of the person.")
]
AddOrganization = Annotated[Texts, many("--add-organization", "One more.")]
RemoveOrganization = Annotated[Texts, many("--remove-organization", "One less.")]
AllGroups = Annotated[Texts, many("--group", "All groups of the person.")]
AddGroup = Annotated[Texts, many("--add-group", "One more.")]
RemoveGroup = Annotated[Texts, many("--remove-group", "One less.")]
SetClaim = Annotated[Texts, many("--claim", "NAME=VALUE to set.")]
RemoveClaim = Annotated[Texts, many("--remove-claim", "The name of a claim.")]


def add(
    name: Name,
    organization: Annotated[
        list[str] | None,
        many("--organization", "An organization the person belongs to."),
    ] = None,
    group: Annotated[
        list[str] | None, many("--group", "A group the person is in.")
    ] = None,
    claim: Annotated[
        list[str] | None, many("--claim", "NAME=VALUE, such as email=ada@example.com.")
    ] = None,
    super_admin: Annotated[
        bool,
        typer.Option(
            "--super-admin", help="May sign in without naming an organization."
        ),
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
    show_all(kind_of("user"), Client(settings_of(data_dir, config)), output)


def update(
    name: Known,
    new_name: NewName = "",
    organization: AllOrganizations = None,
    add_organization: AddOrganization = None,
    remove_organization: RemoveOrganization = None,
    group: AllGroups = None,
    add_group: AddGroup = None,
    remove_group: RemoveGroup = None,
    claim: SetClaim = None,
    remove_claim: RemoveClaim = None,
    super_admin: SuperAdmin = None,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Change a person. Sessions go on, but for those of organizations that the person leaves.

    Examples:
      kapi user update ada --add-group staff --claim email=ada@example.org
      kapi user update ada --remove-organization org1
    """
    value: dict[str, Any] = {}
    if claims := _claims(claim, remove_claim):
        value["claims"] = claims
    if super_admin is not None:
        value["super_admin"] = super_admin
    if new_name:
        value["username"] = new_name
    organizations = ListChange(organization, add_organization, remove_organization)
    groups = ListChange(group, add_group, remove_group)
    lists = {"organizations": organizations, "groups": groups}
    _change(Client(settings_of(data_dir, config)), name, value, lists)


def _change(
    client: Client, name: str, value: dict[str, Any], lists: Mapping[str, ListChange]
) -> None:
    wanted = {member: change for member, change in lists.items() if change.wanted}
    if not (value or wanted):
        usage("nothing to change", "Name an option, such as --add-group staff.")
    known = found(kind_of("user"), client, name)["username"]

    def patch(before: Mapping[str, Any]) -> dict[str, Any]:
        return value | {
            name: change.applied(before[name]) for name, change in wanted.items()
        }

    changed(client, f"{PATH}/{quote(known, safe='')}", SCOPE, patch)
    say(f"changed {value.get('username', known)}")


def _claims(given: Texts, removed: Texts) -> dict[str, str | None]:
    """The claims of a merge patch: null removes one."""
    return {**dict.fromkeys(removed or ()), **dict(map(_pair, given or ()))}


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
    name: Name,
    password_stdin: Stdin = False,
    data_dir: DataDir = None,
    config: Config = None,
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
        "PUT",
        f"{PATH}/{quote(name, safe='')}/disabled",
        {"disabled": disabled},
        scope=SCOPE,
    )


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        usage(
            f"{text!r} is not NAME=VALUE",
            "Write it like --claim email=ada@example.com.",
        )
    return name, value


def _password(*, from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    asked: str = typer.prompt(
        "Password", hide_input=True, confirmation_prompt=True, err=True
    )
    return asked


app = subcommands()
for _name, _command in (("add", add), ("list", list_users), ("update", update)):
    app.command(_name)(_command)
app.command("remove")(remove)
app.command("passwd")(passwd)
for _name, _set in (("disable", disable), ("enable", enable)):
    app.command(_name)(_set)

__all__ = ["app"]
