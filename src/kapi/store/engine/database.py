"""One SQLite database in WAL mode: opening, migrations, transactions.

Every write is one transaction, which is on disk (synchronous=FULL) when the call returns. A
transaction names the topics that it changes, so that other processes notice (`watch.py`). One
connection writes. Reads have their own connections, so that no read waits for a write.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import resources
from pathlib import Path
from typing import Any

from kapi.errors import StorageBusy, StorageNewer
from kapi.store.engine.connections import BUSY_SECONDS, is_busy, meaning, reader, writer

_CHANGED = (
    "INSERT INTO changes (topic, version) VALUES (?, 1)"
    " ON CONFLICT (topic) DO UPDATE SET version = changes.version + 1"
)
_LONGEST_PAUSE = 0.05


class StoreClosed(Exception):
    """The process is stopping; background threads end."""


class Database:
    """A database that threads share: one writer at a time, any number of readers."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self.path = path
        self._connection = connection
        self._lock = threading.Lock()
        self._owner = 0
        """The thread that is in a transaction; 0: none."""
        self._readers: list[sqlite3.Connection] = []
        self._closed = False

    @classmethod
    def open(cls, path: Path) -> Database:
        """Open the database at `path`, and run its missing migrations. A new file has mode 0600.

        Raises StorageNewer for a database of a newer version, StorageBusy, StorageFull.
        """
        if not path.exists():
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
        with meaning(path):
            if step := newer_step(path):
                raise StorageNewer(str(path), step)
            database = cls(writer(path), path)
            try:
                database._migrate()
            except BaseException:
                database.close()
                raise
        return database

    def close(self) -> None:
        """Close the connections. The database cannot be used afterwards."""
        with self._lock:
            self._closed = True
            self._connection.close()
        while self._readers:
            self._readers.pop().close()

    @contextmanager
    def transaction(self, *topics: str) -> Iterator[sqlite3.Connection]:
        """One transaction, one writer at a time. Processes that watch `topics` are notified.

        Raises StorageBusy if other processes hold the lock for too long, and StorageFull. Nothing
        has changed then.
        """
        with meaning(self.path):
            self._begin()
            try:
                yield self._connection
                for topic in topics:
                    self._connection.execute(_CHANGED, (topic,))
                self._connection.execute("COMMIT")
            except BaseException:
                # SQLite may have ended the transaction itself, such as when the disk is full.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
            finally:
                self._owner = 0
                self._lock.release()

    @contextmanager
    def alone(self) -> Iterator[sqlite3.Connection]:
        """The writing connection outside a transaction, for housekeeping.

        Statements raise sqlite3.OperationalError if the database is busy.
        """
        with self._lock:
            self._refuse_when_closed()
            yield self._connection

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """All rows of a query. In a transaction of this thread, the query sees its changes."""
        with self._reading() as connection:
            return connection.execute(sql, parameters).fetchall()

    def row(self, sql: str, parameters: Sequence[Any] = ()) -> Any | None:
        """The first row of a query, or None."""
        with self._reading() as connection:
            return connection.execute(sql, parameters).fetchone()

    def version(self, topic: str) -> int:
        """The number of changes of a topic, by any process; 0 before the first."""
        row = self.row("SELECT version FROM changes WHERE topic = ?", (topic,))
        return 0 if row is None else int(row[0])

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        if self._owner == threading.get_ident():
            yield self._connection
            return
        self._refuse_when_closed()
        with meaning(self.path):
            try:
                connection = self._readers.pop()
            except IndexError:
                connection = reader(self.path)
            try:
                yield connection
            finally:
                self._readers.append(connection)
                if self._closed:
                    connection.close()

    def _begin(self) -> None:
        """Begin to write. No lock of this process is held while another process writes."""
        deadline, pause = time.monotonic() + BUSY_SECONDS, 0.001
        while True:
            self._lock.acquire()
            try:
                self._refuse_when_closed()
                self._connection.execute("BEGIN IMMEDIATE")
            except BaseException as error:
                self._lock.release()
                if not isinstance(error, sqlite3.OperationalError) or not is_busy(error):
                    raise
                if time.monotonic() > deadline:
                    raise StorageBusy from error
            else:
                self._owner = threading.get_ident()
                return
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _refuse_when_closed(self) -> None:
        if self._closed:
            raise StoreClosed

    def _migrate(self) -> None:
        steps = sorted(
            (
                entry
                for entry in resources.files("kapi.store").joinpath("migrations").iterdir()
                if entry.name.endswith(".sql")
            ),
            key=lambda entry: entry.name,
        )
        with self.transaction() as db:
            db.execute("CREATE TABLE IF NOT EXISTS migrations (name TEXT PRIMARY KEY)")
            done = {row[0] for row in db.execute("SELECT name FROM migrations")}
            if unknown := sorted(done - {step.name for step in steps}):
                raise StorageNewer(str(self.path), unknown[-1])
            for step in steps:
                if step.name in done:
                    continue
                # executescript would commit the transaction, so statements run one by one.
                for statement in _statements(step.read_text("utf-8")):
                    db.execute(statement)
                db.execute("INSERT INTO migrations (name) VALUES (?)", (step.name,))


def newer_step(path: Path) -> str:
    """The newest migration of a database that this version does not have, or an empty text."""
    if not path.exists():
        return ""
    known = {entry.name for entry in resources.files("kapi.store").joinpath("migrations").iterdir()}
    connection = reader(path)
    try:
        with suppress(sqlite3.Error):
            return max(
                (
                    row[0]
                    for row in connection.execute("SELECT name FROM migrations")
                    if row[0] not in known
                ),
                default="",
            )
    finally:
        connection.close()
    return ""


def _statements(script: str) -> Iterator[str]:
    buffer = ""
    for line in script.splitlines(keepends=True):
        buffer += line
        if sqlite3.complete_statement(buffer):
            yield buffer
            buffer = ""
