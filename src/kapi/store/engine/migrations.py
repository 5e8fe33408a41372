"""The numbered migrations, which are the same for every engine. Called when a store is opened."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from importlib import resources

from kapi.errors import StorageNewer
from kapi.store.engine.interface import Engine

_TABLE = "CREATE TABLE IF NOT EXISTS migrations (name TEXT PRIMARY KEY)"


def scripts() -> Mapping[str, str]:
    """The text of each migration by its name, in their order."""
    files = resources.files("kapi.store").joinpath("migrations").iterdir()
    found = {}
    for file in files:
        if file.name.endswith(".sql"):
            found[file.name] = file.read_text("utf-8")
    return dict(sorted(found.items()))


def unknown_step(done: Iterable[str]) -> str:
    """The newest of these migrations that this version does not have, or an empty text."""
    return max(set(done) - scripts().keys(), default="")


def migrate(engine: Engine) -> None:
    """Run the missing migrations in one transaction. Raises StorageNewer."""
    with engine.transaction((), parallel=False) as db:
        for statement in engine.migrated(_TABLE + ";\n"):
            db.execute(statement)
        done = {row[0] for row in db.execute("SELECT name FROM migrations")}
        unknown = unknown_step(done)
        if unknown:
            raise StorageNewer(engine.where, unknown)
        missing = {name: text for name, text in scripts().items() if name not in done}
        if missing:
            engine.prepare(db)
        for name, text in missing.items():
            for statement in engine.migrated(text):
                db.execute(statement)
            db.execute("INSERT INTO migrations (name) VALUES (?)", (name,))


def statements(script: str) -> Iterator[str]:
    """The statements of a script, one by one."""
    buffer = ""
    for line in script.splitlines(keepends=True):
        buffer += line
        if sqlite3.complete_statement(buffer):
            yield buffer
            buffer = ""
