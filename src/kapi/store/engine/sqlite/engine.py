"""One SQLite database in WAL mode: transactions and reads.

Every write is one transaction, which is on disk (synchronous=FULL) when the call returns. One
connection writes; transactions that arrive together are committed together (`turns.py`). Reads have
their own connections, so that no read waits for a write.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kapi.errors import StorageNewer
from kapi.store.engine.interface import CHANGED, Changes, Connection, StoreClosed
from kapi.store.engine.migrations import (
    COMPATIBLE,
    incompatible_step,
    statements,
    unknown_steps,
)
from kapi.store.engine.sqlite.changes import SqliteChanges
from kapi.store.engine.sqlite.connections import meaning, reader, writer
from kapi.store.engine.sqlite.space import give_space_back
from kapi.store.engine.sqlite.turns import Turns


class SqliteEngine:
    """A database that threads share: one writer at a time, any number of readers."""

    has_nodes = False

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self.where = str(path)
        self._path = path
        self._turns = Turns(connection)
        self._readers: list[sqlite3.Connection] = []

    @classmethod
    def open(cls, path: Path) -> SqliteEngine:
        """Open the database at `path`. A new file has mode 0600.

        Raises StorageNewer for a database of a newer version, StorageBusy, StorageFull.
        """
        if not path.exists():
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
        with meaning(path):
            if step := newer_step(path):
                raise StorageNewer(str(path), step)
            return cls(writer(path), path)

    def close(self) -> None:
        """Close the connections. The database cannot be used afterwards."""
        self._turns.close()
        while self._readers:
            self._readers.pop().close()

    @contextmanager
    def transaction(
        self,
        topics: Sequence[str],
        *,
        parallel: bool,  # noqa: ARG002 - SQLite has one writer
    ) -> Iterator[Connection]:
        """One transaction, one writer at a time."""
        # What other processes watch is committed alone: it may be a long transaction.
        alone = bool(topics)
        with meaning(self._path):
            group = self._turns.begin(alone=alone)
            try:
                yield self._turns.connection
                for topic in topics:
                    self._turns.connection.execute(CHANGED, (topic,))
            except BaseException as error:
                self._turns.undo(group, error)
                raise
            self._turns.finish(group, alone=alone)
            group.wait()

    @contextmanager
    def alone(self) -> Iterator[sqlite3.Connection]:
        """The writing connection outside a transaction, for housekeeping.

        Statements raise sqlite3.OperationalError if the database is busy.
        """
        self._turns.acquire(settled=True)
        try:
            self._refuse_when_closed()
            yield self._turns.connection
        finally:
            self._turns.release()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection to read with. In a transaction of this thread, it sees its changes."""
        if self._turns.owner == threading.get_ident():
            yield self._turns.connection
            return
        self._refuse_when_closed()
        with meaning(self._path):
            try:
                connection = self._readers.pop()
            except IndexError:
                connection = reader(self._path)
            try:
                yield connection
            finally:
                self._readers.append(connection)
                if self._turns.closed:
                    connection.close()

    def rows(self, sql: str, parameters: Sequence[Any]) -> list[Any]:
        """All rows of a query."""
        with self.reading() as connection:
            return connection.execute(sql, parameters).fetchall()

    def row(self, sql: str, parameters: Sequence[Any]) -> Any | None:
        """The first row of a query, or None."""
        with self.reading() as connection:
            return connection.execute(sql, parameters).fetchone()

    def changes(self, poll: float) -> Changes:
        """A source of changes, by polling: it takes microseconds."""
        return SqliteChanges(self._path, poll)

    def migrated(self, script: str) -> Iterator[str]:
        """The statements of a migration. `executescript` would commit the transaction."""
        return statements(script)

    def prepare(self, db: Connection) -> None:
        """Nothing: SQLite has all functions that the migrations use."""

    def give_space_back(self, pause: Callable[[float], object]) -> None:
        """Shorten the file, and the write-ahead log."""
        give_space_back(self.alone, pause)

    def _refuse_when_closed(self) -> None:
        if self._turns.closed:
            raise StoreClosed


def newer_step(path: Path) -> str:
    """The newest migration that this version cannot work with, or an empty text."""
    if not path.exists():
        return ""
    connection = reader(path)
    try:
        done = connection.execute("SELECT name FROM migrations").fetchall()
        unknown = unknown_steps(row[0] for row in done)
        return incompatible_step(unknown, _compatible(connection)) if unknown else ""
    except sqlite3.Error:
        return ""
    finally:
        connection.close()


def _compatible(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    try:
        return connection.execute(COMPATIBLE).fetchall()
    except (
        sqlite3.Error
    ):  # An older version has written the database: there is no such table.
        return []
