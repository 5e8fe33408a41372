"""One SQLite database in WAL mode: opening, migrations, transactions. Every class of this room is made from a Database.

Every write is one transaction and is on disk (synchronous=FULL) before the call returns. A transaction names the topics
it changes, so that other processes notice (`watch.py`).
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any

BUSY_SECONDS = 10.0
_CHANGED = "INSERT INTO changes (topic, version) VALUES (?, 1) ON CONFLICT (topic) DO UPDATE SET version = changes.version + 1"


class StoreClosed(Exception):
    """The process is stopping: whoever works in the background ends."""


class Database:
    """A connection that threads share; a lock makes each call one at a time."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self.path = path
        self._connection = connection
        self._lock = threading.RLock()
        self._closed = False

    @classmethod
    def open(cls, path: Path) -> Database:
        """Open the database at `path` (made 0600), bringing its tables up to date first."""
        if not path.exists():
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
        connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        _use_wal(connection)
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        database = cls(connection, path)
        database._migrate()
        return database

    def close(self) -> None:
        """Close the connection; it is of no use afterwards."""
        with self._lock:
            self._closed = True
            self._connection.close()

    @property
    def idle(self) -> bool:
        """Whether nobody is at it now, so that a short look need not wait for somebody's write to reach the disk."""
        free = self._lock.acquire(blocking=False)
        if free:
            self._lock.release()
        return free

    @contextmanager
    def transaction(self, *topics: str) -> Iterator[sqlite3.Connection]:
        """One transaction, all or nothing, one writer at a time; `topics` are told to whoever watches them."""
        with self._lock:
            self._refuse_when_closed()
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                for topic in topics:
                    self._connection.execute(_CHANGED, (topic,))
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """All rows of a query."""
        with self._lock:
            self._refuse_when_closed()
            return self._connection.execute(sql, parameters).fetchall()

    def row(self, sql: str, parameters: Sequence[Any] = ()) -> Any | None:
        """The first row of a query, or None."""
        with self._lock:
            self._refuse_when_closed()
            return self._connection.execute(sql, parameters).fetchone()

    def _refuse_when_closed(self) -> None:
        if self._closed:
            raise StoreClosed

    def _migrate(self) -> None:
        steps = sorted(
            (entry for entry in resources.files("kapi.store").joinpath("migrations").iterdir() if entry.name.endswith(".sql")),
            key=lambda entry: entry.name,
        )
        with self.transaction() as db:
            db.execute("CREATE TABLE IF NOT EXISTS migrations (name TEXT PRIMARY KEY)")
            done = {row[0] for row in db.execute("SELECT name FROM migrations")}
            for step in steps:
                if step.name in done:
                    continue
                # executescript would commit the transaction under our feet, so statements run one by one.
                for statement in _statements(step.read_text("utf-8")):
                    db.execute(statement)
                db.execute("INSERT INTO migrations (name) VALUES (?)", (step.name,))


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switching to WAL fails at once, whatever the timeout, while another process opens the new file too."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


def _statements(script: str) -> Iterator[str]:
    buffer = ""
    for line in script.splitlines(keepends=True):
        buffer += line
        if sqlite3.complete_statement(buffer):
            yield buffer
            buffer = ""
