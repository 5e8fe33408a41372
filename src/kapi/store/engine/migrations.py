"""The numbered migrations, which are the same for every engine. Called when a store is opened.

A migration whose first line is `-- compatible from NAME` leaves the tables usable by programs that
have the migration NAME: it adds tables, or columns with a default value. While nodes are upgraded
one after the other, the older ones go on. Any other migration needs all nodes to be stopped.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Container, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Final

from kapi.errors import KapiError, StorageNewer
from kapi.store.engine.interface import Connection, Engine

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS migrations (name TEXT PRIMARY KEY);
CREATE TABLE IF NOT EXISTS compatible_migrations (name TEXT PRIMARY KEY, since TEXT NOT NULL);
"""
_COMPATIBLE: Final = re.compile(r"-- compatible from (\S+)")
_FOLDER: Final = Path(__file__).parents[1] / "migrations"
_NEVER: Final = "~"
"""After every name."""
_NODES: Final = "0090_nodes.sql"
_RUNNING: Final = (
    "SELECT name FROM nodes WHERE seen_at >= unixepoch() - 10 ORDER BY name"
)
COMPATIBLE: Final = "SELECT name, since FROM compatible_migrations"


@cache
def scripts() -> Mapping[str, str]:
    """The text of each migration by its name, in their order."""
    files = sorted(_FOLDER.glob("*.sql"))
    return {file.name: file.read_text("utf-8") for file in files}


def unknown_steps(done: Iterable[str]) -> frozenset[str]:
    """Those of these migrations that this version does not have."""
    return frozenset(done) - scripts().keys()


def incompatible_step(
    unknown: Iterable[str], compatible: Iterable[tuple[str, str]]
) -> str:
    """The newest of these migrations that this version cannot work with, or an empty text.

    `compatible`: names of migrations, and since which one programs can work with each.
    """
    newest, since = max(scripts()), dict(compatible)
    return max(
        (name for name in unknown if since.get(name, _NEVER) > newest), default=""
    )


def migrate(engine: Engine) -> None:
    """Run the missing migrations in one transaction. Raises StorageNewer."""
    with engine.transaction((), parallel=False) as db:
        for statement in engine.migrated(_TABLES):
            db.execute(statement)
        done = {row[0] for row in db.execute("SELECT name FROM migrations")}
        if unknown := unknown_steps(done):
            if step := incompatible_step(unknown, db.execute(COMPATIBLE)):
                raise StorageNewer(engine.where, step)
            return
        missing = {name: text for name, text in scripts().items() if name not in done}
        if missing:
            _refuse_running_nodes(missing, done, engine, db)
            engine.prepare(db)
        for name, text in missing.items():
            _run(name, text, engine, db)


def _refuse_running_nodes(
    missing: Mapping[str, str], done: Container[str], engine: Engine, db: Connection
) -> None:
    """Raise KapiError if a migration would change what running nodes of an older version use."""
    needed = [name for name, text in missing.items() if not _COMPATIBLE.match(text)]
    if not engine.has_nodes or not needed or _NODES not in done:
        return
    running = [row[0] for row in db.execute(_RUNNING)]
    if running:
        raise KapiError(
            "store",
            "Nodes of an older version use the database",
            f"{engine.where} needs the migration {needed[0]}, with which they cannot work."
            f" They run on {', '.join(running)}.",
            "Stop them first. One that was killed counts as running for ten seconds.",
        )


def _run(name: str, text: str, engine: Engine, db: Connection) -> None:
    for statement in engine.migrated(text):
        db.execute(statement)
    db.execute("INSERT INTO migrations (name) VALUES (?)", (name,))
    if found := _COMPATIBLE.match(text):
        insert = "INSERT INTO compatible_migrations (name, since) VALUES (?, ?)"
        db.execute(insert, (name, found[1]))


def statements(script: str) -> Iterator[str]:
    """The statements of a script, one by one."""
    buffer = ""
    for line in script.splitlines(keepends=True):
        buffer += line
        if sqlite3.complete_statement(buffer):
            yield buffer
            buffer = ""
