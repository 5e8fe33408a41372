"""Commands about the database. They read the databases themselves."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from kapi.errors import KapiError
from kapi.front.cli.options import Config, DataDir, Output, settings_of
from kapi.front.cli.output import Format, say, show
from kapi.front.cli.root import subcommands

_URL = "://"
_PLACE = "a data directory, or a postgresql:// URL."


def copy(
    source: Annotated[str, typer.Option("--from", help=f"What is copied: {_PLACE}")],
    target: Annotated[str, typer.Option("--to", help=f"An empty place: {_PLACE}")],
    output: Output = Format.TABLE,
) -> None:
    """Copy all data from one database to another, and compare the digest of every table.

    No platform may run on either. The source stays as it is.

    Examples:
      kapi store copy --from ~/.local/share/kapi --to postgresql://kapi@db.example/kapi
    """
    from kapi.store.engine.database import Database
    from kapi.store.whole import copying

    before, after = _place(source, new=False), _place(target, new=True)
    with closing(Database.open(before)) as old, closing(Database.open(after)) as new:
        copied = copying.copy(old, new)
    rows = [
        {"table": item.name, "rows": item.rows, "digest": item.digest}
        for item in copied
    ]
    show({"tables": rows}, output, rows)
    say(f"copied {sum(item.rows for item in copied)} rows of {len(copied)} tables")


def migrate(data_dir: DataDir = None, config: Config = None) -> None:
    """Make the tables of the database, or update those of an earlier version.

    `kapi up` does it too; this is for a step of its own before new nodes start. What is there
    already stays. The database is that of the settings.

    Examples:
      KAPI_STORE__DATABASE=postgresql://kapi@db.example/kapi kapi store migrate
    """
    from kapi.run_files import database_of, prepare_data_dir
    from kapi.store.engine.database import Database

    settings = settings_of(data_dir, config)
    if not settings.store.database:
        prepare_data_dir(settings.data_dir)
    with closing(Database.open(database_of(settings))):
        say("the tables are those of this version")


def _place(place: str, *, new: bool) -> Path | str:
    """A URL, or the path of the database in a data directory, where nothing runs."""
    from kapi.run_files import lock_holder, prepare_data_dir

    if _URL in place:
        return place
    folder = Path(place).expanduser()
    if lock_holder(folder) is not None:
        raise KapiError(
            "store",
            f"a platform runs in {folder}",
            hint=f"Stop it first: kapi down --data-dir {folder}.",
        )
    path = folder / "kapi.db"
    if new:
        prepare_data_dir(folder)
    elif not path.exists():
        raise KapiError(
            "store", f"{folder} has no database", hint="Name a data directory of kapi."
        )
    return path


app = subcommands()
app.command("copy")(copy)
app.command("migrate")(migrate)

__all__ = ["app"]
