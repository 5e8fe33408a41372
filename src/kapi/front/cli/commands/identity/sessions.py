"""Commands about who is signed in and what was allowed: `kapi session …`, `kapi consent …`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kapi.front.cli.client import Client
from kapi.front.cli.kinds.completion import completing
from kapi.front.cli.kinds.objects import each, found, pages, removed, show_answer
from kapi.front.cli.kinds.table import kind_of
from kapi.front.cli.options import Config, DataDir, Output, settings_of
from kapi.front.cli.output import Format, say, usage
from kapi.front.cli.root import subcommands

if TYPE_CHECKING:
    from kapi.front.cli.kinds.table import Kind


def _ids(kind: str) -> typer.models.ArgumentInfo:
    made: typer.models.ArgumentInfo = typer.Argument(
        metavar="ID…",
        help=f"As `kapi {kind} list` shows them.",
        show_default=False,
        autocompletion=completing(kind),
    )
    return made


def _option(name: str, help_text: str) -> typer.models.OptionInfo:
    made: typer.models.OptionInfo = typer.Option(
        name, help=help_text, show_default=False
    )
    return made


User = Annotated[str, _option("--user", "Only of this person: a user name.")]
ClientId = Annotated[str, _option("--client", "Only of this client: its id.")]
Organization = Annotated[str, _option("--organization", "Only of this organization.")]
Limit = Annotated[
    int, typer.Option("--limit", min=1, max=10_000, help="How many at most.")
]
SessionIds = Annotated[list[str] | None, _ids("session")]
ConsentIds = Annotated[list[str] | None, _ids("consent")]


def list_sessions(
    user: User = "",
    client: ClientId = "",
    organization: Organization = "",
    limit: Limit = 100,
    output: Output = Format.TABLE,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """List who is signed in at the inbuilt provider, and to which clients.

    Examples:
      kapi session list --user ada
    """
    sought = {"user": user, "client": client, "organization": organization}
    _list(
        kind_of("session"), Client(settings_of(data_dir, config)), sought, limit, output
    )


def revoke_sessions(
    ids: SessionIds = None,
    user: User = "",
    client: ClientId = "",
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """End sessions as a logout does: their tokens end, and their clients are told.

    Refresh tokens with the scope offline_access go on; `kapi consent revoke` ends these.

    Examples:
      kapi session revoke 0199f3c2-0000-7000-8000-000000000000
      kapi session revoke --user ada
    """
    _revoke("session", ids, {"user": user, "client": client}, data_dir, config)


def list_consents(
    user: User = "",
    client: ClientId = "",
    organization: Organization = "",
    limit: Limit = 100,
    output: Output = Format.TABLE,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """List which clients people allowed what.

    Examples:
      kapi consent list --client 0199f3c2-0000-7000-8000-000000000000
    """
    sought = {"user": user, "client": client, "organization": organization}
    _list(
        kind_of("consent"), Client(settings_of(data_dir, config)), sought, limit, output
    )


def revoke_consents(
    ids: ConsentIds = None,
    user: User = "",
    client: ClientId = "",
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """End consents, and all tokens that they allowed. The client must ask the person again.

    Examples:
      kapi consent revoke --user ada --client 0199f3c2-0000-7000-8000-000000000000
    """
    _revoke("consent", ids, {"user": user, "client": client}, data_dir, config)


def _list(
    kind: Kind, client: Client, sought: dict[str, str], limit: int, output: Format
) -> None:
    show_answer(kind, pages(kind, client, _given(sought), limit), output)


def _revoke(
    name: str,
    ids: list[str] | None,
    sought: dict[str, str],
    data_dir: DataDir,
    config: Config,
) -> None:
    kind, given = kind_of(name), _given(sought)
    if bool(ids) == bool(given):
        usage(
            f"which {kind.plural}?",
            f"Name their ids, or --user, --client or both; see them with: kapi {name} list.",
        )
    client = Client(settings_of(data_dir, config))
    revoked = ""
    for item in _items(kind, client, ids, given):
        revoked = removed(kind, client, item)
        say(f"revoked {name} {revoked}")
    if not revoked:
        say(kind.none)


def _items(
    kind: Kind, client: Client, ids: list[str] | None, given: dict[str, str]
) -> Iterator[dict[str, Any]]:
    """The objects of these ids; or without ids, those that the options name."""
    if not ids:
        return each(kind, client, given)
    return (found(kind, client, item) for item in ids)


def _given(sought: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in sought.items() if value}


session, consent = subcommands(), subcommands()
session.command("list")(list_sessions)
session.command("revoke")(revoke_sessions)
consent.command("list")(list_consents)
consent.command("revoke")(revoke_consents)

__all__ = ["consent", "session"]
