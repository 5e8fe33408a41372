"""Commands for objects of every kind: `kapi get`, `kapi describe`, `kapi delete`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from kapi.front.cli.client import Client
from kapi.front.cli.kinds.completion import complete_kinds, complete_names
from kapi.front.cli.kinds.objects import (
    Form,
    deleted,
    described_lines,
    found,
    show_all,
    show_one,
)
from kapi.front.cli.kinds.table import kind_named, plurals
from kapi.front.cli.options import Config, DataDir, Output, settings_of
from kapi.front.cli.output import Format, put, say, show, usage

if TYPE_CHECKING:
    from kapi.front.cli.kinds.table import Kind

KindName = Annotated[
    str,
    typer.Argument(
        metavar="KIND",
        help="apis, client, user, …; KIND/NAME too.",
        autocompletion=complete_kinds,
    ),
]
Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        help="Its name or id.",
        show_default=False,
        autocompletion=complete_names,
    ),
]
Names = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="NAME",
        help="Their names or ids.",
        show_default=False,
        autocompletion=complete_names,
    ),
]
FormOption = Annotated[
    Form, typer.Option("-o", "--output", help="Output format; wide has more columns.")
]


def get(
    kind: KindName,
    name: Name = "",
    output: FormOption = Form.TABLE,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """List the objects of a kind, or show one by its name.

    Kinds: apis, clients, users, sessions, consents, applications, subscriptions, issuers, secrets
    (never their values), keys, api-keys, nodes.

    Examples:
      kapi get apis
      kapi get api petstore -o yaml
      kapi get users -o name
    """
    chosen, named = _chosen(kind, name)
    client = Client(settings_of(data_dir, config))
    if named:
        show_one(chosen, client, named, output)
    else:
        show_all(chosen, client, output)


def describe(
    kind: KindName,
    name: Name = "",
    output: Output = Format.TABLE,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Show all that is known about an object: as text, or as JSON or YAML.

    Examples:
      kapi describe client reports
    """
    chosen, named = _chosen(kind, name)
    if not named:
        usage(
            f"which {chosen.name}?",
            f"Name it; see them with: kapi get {chosen.plural}.",
        )
    item = found(chosen, Client(settings_of(data_dir, config)), named)
    if output is not Format.TABLE:
        show(item, output)
        return
    for line in described_lines(item):
        put(line)


def delete(
    kind: KindName, names: Names = None, data_dir: DataDir = None, config: Config = None
) -> None:
    """Delete objects by their names. Deleting a user ends what they signed in to.

    Examples:
      kapi delete user joe
      kapi delete api petstore:1.0.0
    """
    chosen, first = _chosen(kind, "")
    wanted = [*filter(None, (first,)), *(names or ())]
    if not wanted:
        usage(
            f"which {chosen.name}?",
            f"Name it; see them with: kapi get {chosen.plural}.",
        )
    client = Client(settings_of(data_dir, config))
    for name in wanted:
        say(f"deleted {chosen.name}/{deleted(chosen, client, name)}")


def _chosen(word: str, name: str) -> tuple[Kind, str]:
    """The kind, and the name, which may be behind a slash in the word of the kind."""
    before, slash, behind = word.partition("/")
    chosen = kind_named(before)
    if chosen is None:
        usage(f"there is no kind {before[:60]!r}", f"Kinds: {', '.join(plurals())}.")
    if slash and not name:
        return chosen, behind
    return chosen, name
