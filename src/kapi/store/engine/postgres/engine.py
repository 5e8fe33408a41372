"""One PostgreSQL database: transactions and reads, for all nodes that use it.

Who writes takes an advisory lock until the end of the transaction: alone, as in SQLite, or shared
with others whose transactions are `parallel`. A parallel transaction relies on the locks of rows
and on unique keys. Every transaction is on disk when the call returns, unless the server or the URL
sets `synchronous_commit` otherwise.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final

import psycopg

from kapi.errors import KapiError, StorageNewer
from kapi.store.engine.interface import (
    CHANGED,
    Changes,
    Connection,
    Cursor,
    StoreClosed,
)
from kapi.store.engine.migrations import COMPATIBLE, incompatible_step, unknown_steps
from kapi.store.engine.postgres.address import parameters
from kapi.store.engine.postgres.changes import PostgresChanges
from kapi.store.engine.postgres.connections import Connections, Raw, meaning
from kapi.store.engine.postgres.dialect import (
    CHANNEL,
    FUNCTIONS,
    LOCK,
    migrated,
    translated,
)

_ALONE: Final = f"BEGIN; SELECT pg_advisory_xact_lock({LOCK})"
_PARALLEL: Final = f"BEGIN; SELECT pg_advisory_xact_lock_shared({LOCK})"
_TOLD: Final = f"NOTIFY {CHANNEL}; COMMIT"


class PostgresEngine:
    """A database that threads, processes and nodes share."""

    has_nodes = True

    def __init__(self, connections: Connections) -> None:
        self.where = connections.where
        self._connections = connections
        self._own = threading.local()

    @classmethod
    def open(cls, url: str) -> PostgresEngine:
        """Connect. Raises StorageUnavailable, StorageNewer, and KapiError for another encoding."""
        engine = cls(Connections(parameters(url)))
        with engine.reading() as db:
            encoding = db.execute("SHOW server_encoding").fetchone()[0]
            if encoding != "UTF8":
                raise KapiError(
                    "environment",
                    f"The database has the encoding {encoding}",
                    engine.where,
                    "Make one: createdb --encoding UTF8 --template template0 NAME.",
                )
            exists = db.execute(
                "SELECT to_regclass('migrations') IS NOT NULL"
            ).fetchone()[0]
            done = (
                db.execute("SELECT name FROM migrations").fetchall() if exists else []
            )
            unknown = unknown_steps(row[0] for row in done)
            step = incompatible_step(unknown, db.execute(COMPATIBLE)) if unknown else ""
        if step:
            raise StorageNewer(engine.where, step)
        return engine

    def close(self) -> None:
        """Close the connections."""
        self._connections.close()

    @contextmanager
    def transaction(
        self, topics: Sequence[str], *, parallel: bool
    ) -> Iterator[Connection]:
        """One transaction, alone or beside parallel ones."""
        with meaning(self.where):
            connection = self._connections.begun(_PARALLEL if parallel else _ALONE)
            self._own.connection = made = _Statements(connection)
            try:
                yield made
                # In one order: two transactions with the same topics must not wait for each other.
                for topic in sorted(topics):
                    made.execute(CHANGED, (topic,))
                connection.execute(_TOLD if topics else "COMMIT", prepare=False)
            except BaseException:
                _roll_back(connection)
                raise
            finally:
                self._own.connection = None
                self._connections.give(connection)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection to read with."""
        own: Connection | None = getattr(self._own, "connection", None)
        if own is not None:
            yield own
            return
        with meaning(self.where):
            connection = self._connections.take()
            try:
                yield _Statements(connection)
            finally:
                self._connections.give(connection)

    def rows(self, sql: str, parameters: Sequence[Any]) -> list[Any]:
        """All rows of a query."""
        return self._read(sql, parameters).fetchall()

    def row(self, sql: str, parameters: Sequence[Any]) -> Any | None:
        """The first row of a query, or None."""
        return self._read(sql, parameters).fetchone()

    def changes(self, poll: float) -> Changes:  # noqa: ARG002 - the server tells of changes
        """A source of changes, by LISTEN."""
        return PostgresChanges(self._connections)

    def migrated(self, script: str) -> Iterator[str]:
        """The statements of a migration in PostgreSQL's words."""
        return migrated(script)

    def prepare(self, db: Connection) -> None:
        """Make the functions that the migrations use."""
        for function in FUNCTIONS:
            db.execute(function)

    def give_space_back(self, pause: Callable[[float], object]) -> None:
        """Nothing: the server's autovacuum does it."""

    def _read(self, sql: str, parameters: Sequence[Any]) -> Cursor:
        """Run a query; once more when the server had closed an idle connection."""
        own: Connection | None = getattr(self._own, "connection", None)
        if own is not None:
            return own.execute(sql, parameters)
        with meaning(self.where):
            connection = self._connections.take()
            try:
                return _Statements(connection).execute(sql, parameters)
            except psycopg.OperationalError:
                if not connection.closed:
                    raise
                connection = self._replaced(connection)
                return _Statements(connection).execute(sql, parameters)
            finally:
                self._connections.give(connection)

    def _replaced(self, connection: Raw) -> Raw:
        try:
            return self._connections.replaced(connection)
        except StoreClosed:
            return connection


class _Statements:
    """Runs the statements of the tables on a connection, prepared."""

    def __init__(self, connection: Raw) -> None:
        self._connection = connection

    def execute(self, sql: str, parameters: Sequence[Any] = (), /) -> Cursor:
        """Run one statement."""
        query: Any = translated(sql)
        return self._connection.execute(query, parameters or None)

    def executemany(self, sql: str, parameters: Iterable[Sequence[Any]], /) -> None:
        """Run one statement for each of these values, without waiting for each answer."""
        query: Any = translated(sql)
        with self._connection.cursor() as cursor:
            cursor.executemany(query, list(parameters))


def _roll_back(connection: Raw) -> None:
    """End the transaction; without an answer, its connection is closed."""
    with suppress(psycopg.Error):
        connection.execute("ROLLBACK", prepare=False)
        return
    connection.close()
