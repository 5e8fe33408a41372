"""One SQLite database in WAL mode: transactions and reads.

Every write is one transaction, which is on disk (synchronous=FULL) when the call returns. One
connection writes. Reads have their own connections, so that no read waits for a write.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kapi.errors import StorageBusy, StorageNewer
from kapi.store.engine.interface import CHANGED, Changes, Connection, StoreClosed
from kapi.store.engine.migrations import COMPATIBLE, incompatible_step, statements, unknown_steps
from kapi.store.engine.sqlite.changes import SqliteChanges
from kapi.store.engine.sqlite.connections import BUSY_SECONDS, is_busy, meaning, reader, writer
from kapi.store.engine.sqlite.space import give_space_back

_LONGEST_PAUSE = 0.05


class SqliteEngine:
    """A database that threads share: one writer at a time, any number of readers."""

    has_nodes = False

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self.where = str(path)
        self._path = path
        self._connection = connection
        self._lock = threading.Lock()
        self._owner = 0
        """The thread that is in a transaction; 0: none."""
        self._readers: list[sqlite3.Connection] = []
        self._closed = False

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
        with self._lock:
            self._closed = True
            self._connection.close()
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
        with meaning(self._path):
            self._begin()
            try:
                yield self._connection
                for topic in topics:
                    self._connection.execute(CHANGED, (topic,))
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

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection to read with. In a transaction of this thread, it sees its changes."""
        if self._owner == threading.get_ident():
            yield self._connection
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
                if self._closed:
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
    except sqlite3.Error:  # An older version has written the database: there is no such table.
        return []
