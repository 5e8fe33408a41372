"""Commands about contexts: `kapi context add|list|use|remove`. They call no platform."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from kapi.errors import KapiError
from kapi.front.cli.options import Output
from kapi.front.cli.output import Format, say, show
from kapi.front.cli.root import subcommands
from kapi.front.cli.server.contexts import (
    Context,
    checked,
    read_contexts,
    with_context,
    write_contexts,
)
from kapi.front.cli.server.credentials import keep, locked

HERE = "-"
Name = Annotated[str, typer.Argument(metavar="NAME", help="The name of the context.")]


def _text(name: str, help_text: str) -> typer.models.OptionInfo:
    made: typer.models.OptionInfo = typer.Option(
        name, help=help_text, show_default=False
    )
    return made


def add(
    name: Name,
    url: Annotated[str, typer.Argument(metavar="URL", help="Of the system APIs.")],
    ca: Annotated[
        Path | None,
        typer.Option(
            "--ca", help="A file of certificates to trust as well.", show_default=False
        ),
    ] = None,
    address: Annotated[
        str,
        _text(
            "--address", "Where to connect, whatever the names of the hosts resolve to."
        ),
    ] = "",
    client_id: Annotated[str, _text("--client-id", "The client of `kapi login`.")] = "",
    issuer: Annotated[
        str,
        _text("--issuer", "The provider of tokens, if the platform trusts several."),
    ] = "",
) -> None:
    """Keep a platform under a name, and use it; the same name replaces it.

    Examples:
      kapi context add prod https://api.example.com
      kapi context add test https://api.am.wso2.com:9095 --ca ca.pem --address 192.0.2.7
    """
    file = str(ca.resolve()) if ca else ""
    made = checked(Context(url, file, address, issuer, client_id))
    contexts = with_context(read_contexts(), name, made)
    if contexts.named[name] != read_contexts().named.get(name):
        _forget_sign_in(name)
    write_contexts(replace(contexts, current=name))
    say(f"commands call {made.server} now; sign in with `kapi login`")


def list_contexts(output: Output = Format.TABLE) -> None:
    """List the contexts; a star marks the one in use.

    Examples:
      kapi context list
    """
    contexts = read_contexts()
    rows = [
        {
            "current": "*" * (name == contexts.current),
            "name": name,
            "server": item.server,
        }
        for name, item in sorted(contexts.named.items())
    ]
    if not rows and output is Format.TABLE:
        say("no contexts; commands call the platform of this machine")
    show({"current": contexts.current, "contexts": rows}, output, rows)


def use(name: Name) -> None:
    """Let commands call this platform; - is that of this machine.

    Examples:
      kapi context use prod
      kapi context use -
    """
    contexts = read_contexts()
    if name == HERE:
        write_contexts(replace(contexts, current=""))
        say("commands call the platform of this machine now")
        return
    _check_known(name)
    write_contexts(replace(contexts, current=name))
    say(f"commands call {contexts.named[name].server} now")


def remove(name: Name) -> None:
    """Forget a context, and what `kapi login` kept for it.

    Examples:
      kapi context remove prod
    """
    contexts = read_contexts()
    _check_known(name)
    _forget_sign_in(name)
    left = dict(contexts.named)
    del left[name]
    current = "" if contexts.current == name else contexts.current
    write_contexts(replace(contexts, named=left, current=current))
    say(f"removed {name}")


def _check_known(name: str) -> None:
    if name not in read_contexts().named:
        raise KapiError(
            "404", f"there is no context {name!r}", hint="See `kapi context list`."
        )


def _forget_sign_in(name: str) -> None:
    with locked():
        keep(name, None)


app = subcommands()
for _name, _command in (
    ("add", add),
    ("list", list_contexts),
    ("use", use),
    ("remove", remove),
):
    app.command(_name)(_command)

__all__ = ["app"]
