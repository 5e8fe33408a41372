"""Connections to one SQLite file in WAL mode, and the meaning of its errors."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from kapi.errors import KapiError, StorageBusy, StorageFull
from kapi.store.engine.interface import ConstraintViolated

BUSY_SECONDS: Final = 30.0
"""How long a write waits for other processes before it is refused."""
LARGEST_WAL: Final = 4 * 1024**2
"""Bytes of the write-ahead log after a checkpoint. Between checkpoints it may be larger."""
_READER_CACHE: Final = "PRAGMA cache_size=-512"
_PRIMARY: Final = 0xFF
"""The bits of an extended result code that are the primary one (SQLite, Result and Error Codes)."""


def writer(path: Path) -> sqlite3.Connection:
    """The connection that writes. It does not wait for other processes: `engine.py` retries."""
    connection = sqlite3.connect(
        path, timeout=0, isolation_level=None, check_same_thread=False
    )
    _use_wal(connection)
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute(f"PRAGMA journal_size_limit={LARGEST_WAL}")
    return connection


def reader(path: Path) -> sqlite3.Connection:
    """A connection that only reads. In WAL mode no writer keeps it waiting."""
    connection = sqlite3.connect(
        path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    connection.execute("PRAGMA query_only=ON")
    connection.execute(_READER_CACHE)
    return connection


def is_busy(error: sqlite3.Error) -> bool:
    """Whether another connection was in the way."""
    return _code(error) in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


@contextmanager
def meaning(path: Path) -> Iterator[None]:
    """Raise StorageBusy, StorageFull or ConstraintViolated for the errors that mean it."""
    try:
        yield
    except sqlite3.IntegrityError as error:
        raise ConstraintViolated(str(error)) from error
    except sqlite3.Error as error:
        known = _known(error, path)
        if known is None:
            raise
        raise known from error


def _known(error: sqlite3.Error, path: Path) -> KapiError | None:
    if _code(error) == sqlite3.SQLITE_FULL:
        return StorageFull(str(path.parent))
    if is_busy(error):
        return StorageBusy()
    return None


def _code(error: sqlite3.Error) -> int:
    code = getattr(error, "sqlite_errorcode", None)
    if isinstance(code, int):
        return code & _PRIMARY
    return 0


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switch to WAL mode. It fails at once while another process opens the new file too."""
    # Counts for a database without tables; others get it from `give_space_back`.
    with suppress(sqlite3.OperationalError):
        connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if not is_busy(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return
