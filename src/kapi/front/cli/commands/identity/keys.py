"""Commands about signing keys: `kapi key list|stage|activate|retire|rotate`, over the keys API."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

import typer

from kapi.front.cli.client import Client
from kapi.front.cli.kinds.objects import show_all
from kapi.front.cli.kinds.rows import moment
from kapi.front.cli.kinds.table import kind_of
from kapi.front.cli.options import Config, DataDir, Output, settings_of
from kapi.front.cli.output import Format, put, say
from kapi.front.cli.root import subcommands
from kapi.settings import DEFAULT_ALGORITHM

PATH = "/api/keys"
SCOPE = "kapi:keys"
Kid = Annotated[
    str, typer.Argument(metavar="KID", help="The kid that `kapi key list` shows.")
]
Algorithm = Annotated[
    str, typer.Option("--algorithm", help="RS256, PS256, ES256, EdDSA, …")
]


def list_keys(
    output: Output = Format.TABLE, data_dir: DataDir = None, config: Config = None
) -> None:
    """List the signing keys: state, and when it changes next.

    Examples:
      kapi key list
    """
    show_all(kind_of("key"), Client(settings_of(data_dir, config)), output)


def stage(
    algorithm: Algorithm = DEFAULT_ALGORITHM,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Make a key and show it to verifiers; it signs once it is activated. Prints its kid.

    Examples:
      kapi key stage --algorithm ES256
    """
    key = Client(settings_of(data_dir, config)).call(
        "POST", PATH, {"algorithm": algorithm}, scope=SCOPE
    )
    put(key["kid"])
    say(f"{key['kid']} is published; it signs after: kapi key activate {key['kid']}")


def activate(kid: Kid, data_dir: DataDir = None, config: Config = None) -> None:
    """Let a published key sign; the one before it retires.

    Examples:
      kapi key activate rs256-0123456789abcdef
    """
    Client(settings_of(data_dir, config)).call(
        "POST", f"{PATH}/{quote(kid, safe='')}/activate", scope=SCOPE
    )
    say(f"{kid} signs from now on")


def retire(kid: Kid, data_dir: DataDir = None, config: Config = None) -> None:
    """Take a key that does not sign away at once; tokens that it signed are refused.

    Examples:
      kapi key retire gateway_certificate_alias
    """
    Client(settings_of(data_dir, config)).call(
        "DELETE", f"{PATH}/{quote(kid, safe='')}", scope=SCOPE
    )
    say(f"{kid} is gone; its tokens are refused")


def rotate(
    algorithm: Algorithm = DEFAULT_ALGORITHM,
    now: Annotated[
        bool,
        typer.Option(
            "--now",
            help="Sign with it as soon as the gateway and every worker know it.",
        ),
    ] = False,
    emergency: Annotated[
        bool,
        typer.Option(
            "--emergency",
            help="The old keys are compromised: refuse their tokens at once.",
        ),
    ] = False,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Put a new key in place of the active one. Prints its kid.

    Examples:
      kapi key rotate
      kapi key rotate --emergency
    """
    wanted = {"algorithm": algorithm, "now": now, "emergency": emergency}
    key = Client(settings_of(data_dir, config)).call(
        "POST", f"{PATH}/rotate", wanted, scope=SCOPE
    )
    put(key["kid"])
    if emergency:
        say(f"{key['kid']} signs from now on; tokens of the keys before it are refused")
    elif now:
        say(
            f"{key['kid']} signs from now on; the key before it stays until its tokens have expired"
        )
    else:
        say(f"{key['kid']} is published and signs from {moment(key['dueAt'])} on")


app = subcommands()
for _name, _command in (
    ("list", list_keys),
    ("stage", stage),
    ("activate", activate),
    ("retire", retire),
    ("rotate", rotate),
):
    app.command(_name)(_command)

__all__ = ["app"]
