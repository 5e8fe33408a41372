"""What the tables ask of an engine, and what an engine raises. SQLite and PostgreSQL have it.

The SQL of the tables is one dialect that both engines read: upserts with ON CONFLICT, RETURNING,
`?` for a value. An engine translates a statement once and remembers the result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

CHANGED = (
    "INSERT INTO changes (topic, version) VALUES (?, 1)"
    " ON CONFLICT (topic) DO UPDATE SET version = changes.version + 1"
)
VERSIONS = "SELECT topic, version FROM changes"


class StoreClosed(Exception):
    """The process is stopping; background threads end."""


class ConstraintViolated(Exception):
    """A row has a key that another row has, or refers to a row that does not exist."""


class Cursor(Protocol):
    """The result of a statement."""

    @property
    def rowcount(self) -> int:
        """The number of rows that the statement changed."""

    def fetchone(self) -> Any:
        """The next row as a tuple, or None."""

    def fetchall(self) -> list[Any]:
        """The remaining rows."""

    def __iter__(self) -> Iterator[Any]: ...


class Connection(Protocol):
    """A connection inside a transaction."""

    def execute(self, sql: str, parameters: Sequence[Any] = ..., /) -> Cursor:
        """Run one statement."""

    def executemany(self, sql: str, parameters: Iterable[Sequence[Any]], /) -> object:
        """Run one statement for each of these values."""


class Changes(Protocol):
    """Where one thread learns what was written, by any process."""

    def open(self) -> Mapping[str, int]:
        """Begin; the current version of each topic."""

    def wait(self) -> Mapping[str, int] | None:
        """The versions after a change, or None after a while without one.

        Raises StorageError while the database cannot be reached.
        """

    def close(self) -> None:
        """End, from the same thread."""


class Engine(Protocol):
    """A database that threads share."""

    where: str
    """The database in messages: a path, or a URL without a password."""
    has_nodes: bool
    """Whether platforms on other machines may use it too."""

    def close(self) -> None:
        """Close the connections."""

    def transaction(
        self, topics: Sequence[str], *, parallel: bool
    ) -> AbstractContextManager[Connection]:
        """One transaction; see `Database.transaction`."""

    def reading(self) -> AbstractContextManager[Connection]:
        """A connection to read with: that of the transaction of this thread, if it is in one."""

    def rows(self, sql: str, parameters: Sequence[Any]) -> list[Any]:
        """All rows of a query."""

    def row(self, sql: str, parameters: Sequence[Any]) -> Any | None:
        """The first row of a query, or None."""

    def changes(self, poll: float) -> Changes:
        """A source of changes that looks every `poll` seconds, where nothing tells it."""

    def migrated(self, script: str) -> Iterator[str]:
        """The statements of a migration in the engine's own words."""

    def prepare(self, db: Connection) -> None:
        """Make what migrations need, inside their transaction."""

    def give_space_back(self, pause: Callable[[float], object]) -> None:
        """Return the space of deleted rows to the file system."""
