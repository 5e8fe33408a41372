"""A database: SQLite or PostgreSQL, opened with its tables up to date.

Every write is one transaction, which is on disk when the call returns. A transaction names the
topics that it changes, so that other processes and nodes notice (`watch.py`). No read waits for a
write.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kapi.errors import StorageNewer
from kapi.store.engine.conditions import check_condition, condition_met
from kapi.store.engine.interface import (
    Connection,
    ConstraintViolated,
    Engine,
    StoreClosed,
)
from kapi.store.engine.migrations import migrate
from kapi.store.engine.sqlite.engine import SqliteEngine, newer_step
from kapi.store.engine.watch import POLL_SECONDS, Watch

__all__ = ["Connection", "ConstraintViolated", "Database", "StoreClosed"]


class Database:
    """A database that threads share, on one of the engines."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @classmethod
    def open(cls, where: Path | str) -> Database:
        """Open a SQLite file or a `postgresql://` URL, and run the missing migrations.

        Raises StorageNewer for a database of a newer version, StorageBusy, StorageFull,
        StorageUnavailable.
        """
        engine = engine_of(where)
        try:
            migrate(engine)
        except BaseException:
            engine.close()
            raise
        return cls(engine)

    @property
    def has_nodes(self) -> bool:
        """Whether platforms on other machines may use it too."""
        return self.engine.has_nodes

    def close(self) -> None:
        """Close the connections. The database cannot be used afterwards."""
        self.engine.close()

    @contextmanager
    def transaction(self, *topics: str, parallel: bool = False) -> Iterator[Connection]:
        """One transaction. Processes and nodes that watch `topics` are notified.

        No other transaction runs at the same time, on any node, unless both are `parallel`. A
        parallel one must be correct beside others like it at the isolation level READ COMMITTED.
        Raises StorageBusy if others hold the lock for too long, StorageFull, StorageUnavailable,
        and the error of the caller's condition (`conditions.py`): nothing has changed then.
        """
        with self.engine.transaction(topics, parallel=parallel) as db:
            if not parallel:
                check_condition()
            yield db
        if not parallel:
            condition_met()

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """All rows of a query. In a transaction of this thread, the query sees its changes."""
        return self.engine.rows(sql, parameters)

    def row(self, sql: str, parameters: Sequence[Any] = ()) -> Any | None:
        """The first row of a query, or None."""
        return self.engine.row(sql, parameters)

    def version(self, topic: str) -> int:
        """The number of changes of a topic, by any process; 0 before the first."""
        row = self.row("SELECT version FROM changes WHERE topic = ?", (topic,))
        return 0 if row is None else int(row[0])

    def watch(self, poll: float = POLL_SECONDS) -> Watch:
        """A watch that notices what any process writes."""
        return Watch(self.engine.changes(poll))

    def give_space_back(self, pause: Callable[[float], object]) -> None:
        """Return the space of deleted rows to the file system."""
        self.engine.give_space_back(pause)


def refuse_newer(where: Path | str) -> None:
    """Raise StorageNewer for a database of a newer version. Nothing is written to it."""
    if not isinstance(where, Path):
        engine_of(where).close()
    elif step := newer_step(where):
        raise StorageNewer(str(where), step)


def engine_of(where: Path | str) -> Engine:
    """The engine of a path or a URL, opened. Raises KapiError if the driver is not installed."""
    if isinstance(where, Path):
        return SqliteEngine.open(where)
    # Only who uses PostgreSQL has its driver installed.
    from kapi.store.engine.postgres.address import driver

    driver()
    from kapi.store.engine.postgres.engine import PostgresEngine

    return PostgresEngine.open(where)
