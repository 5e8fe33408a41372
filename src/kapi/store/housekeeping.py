"""Deletes expired rows from every table that grows, and returns the space to the file system.

It works in small batches, so that no write waits for long.

The control process calls `keep_house` a few seconds after its start and every minute.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from kapi.store.engine.connections import is_busy
from kapi.store.engine.database import Database
from kapi.store.login_attempts import WINDOW
from kapi.store.revocations import GRACE_SECONDS

BATCH: Final = 500
"""Rows of one transaction."""
API_KEYS_KEPT: Final = 30 * 24 * 3600
"""Seconds that an expired API key stays in the list."""
REMOVED_KEPT: Final = 1000
"""Changes of clients that are kept, so that all workers learn of a removed client."""
_SPARE_PAGES: Final = 512
"""Free pages that the file keeps."""
_PAGES: Final = 256
_MOST_STEPS: Final = 10_000
_MOST_CHECKPOINTS: Final = 50
_SHORTEST_PAUSE: Final = 0.01

Pause = Callable[[float], object]


@dataclass(frozen=True, slots=True)
class _Expiring:
    """A table, its key, and the condition of rows to delete; `value` is its parameter at a time."""

    table: str
    key: str
    condition: str
    value: Callable[[int], Any]

    def remove(self, database: Database, now: int) -> bool:
        """Remove a batch; whether there may be more."""
        chosen = (
            f"SELECT {self.key} FROM {self.table} "  # noqa: S608 - constants
            f"WHERE {self.condition} LIMIT {BATCH}"
        )
        with database.transaction() as db:
            gone = db.execute(
                f"DELETE FROM {self.table} WHERE ({self.key}) IN ({chosen})",  # noqa: S608
                (self.value(now),),
            )
        return gone.rowcount >= BATCH


_TABLES: Final = (
    _Expiring("records", "kind, key", "expires_at <= ?", lambda now: now),
    _Expiring("revocations", "issuer, jti", "expires_at <= ?", lambda now: now - GRACE_SECONDS),
    _Expiring("tries", "name", "started_at <= ?", lambda now: now - WINDOW),
    _Expiring(
        "api_keys", "id", "expires_at > 0 AND expires_at <= ?", lambda now: now - API_KEYS_KEPT
    ),
    _Expiring(
        "registered_clients",
        "id",
        "removed = 1 AND revision <= (SELECT max(revision) FROM registered_clients) - ?",
        lambda _: REMOVED_KEPT,
    ),
)


def keep_house(database: Database, now: int, pause: Pause = time.sleep) -> None:
    """Delete what has expired, then return space. `now` is in seconds since the epoch."""
    for table in _TABLES:
        while _took(lambda: table.remove(database, now), pause):  # noqa: B023 - called at once
            pass
    give_space_back(database, pause)


def give_space_back(database: Database, pause: Pause = time.sleep) -> None:
    """Shorten the file by most of its free pages, and the write-ahead log to its usual size."""
    try:
        with database.alone() as db:
            if _number(db, "auto_vacuum") == 0 and _number(db, "freelist_count") > _SPARE_PAGES:
                # A file of an older version: written anew once, without what is free.
                db.execute("PRAGMA auto_vacuum=INCREMENTAL")
                db.execute("VACUUM")
        for _ in range(_MOST_STEPS):
            if not _took(lambda: _shortened(database), pause):
                break
        for _ in range(_MOST_CHECKPOINTS):
            if not _took(lambda: _checkpointed(database), pause):
                break
    except sqlite3.OperationalError:
        # There is no space to work in, or others never pause: another time.
        return


def _shortened(database: Database) -> bool:
    """Give some pages back; whether there is more to do."""
    try:
        with database.alone() as db:
            free = _number(db, "freelist_count") - _SPARE_PAGES
            if free > 0:
                # `execute` would stop after the first page.
                db.executescript(f"PRAGMA incremental_vacuum({min(free, _PAGES)})")
            return free > _PAGES
    except sqlite3.OperationalError as error:
        if not is_busy(error):
            raise
        return True


def _checkpointed(database: Database) -> bool:
    """Write the log into the file and empty it; whether another connection was in the way."""
    with database.alone() as db:
        return bool(db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0])


def _took(work: Callable[[], bool], pause: Pause) -> bool:
    """Do a piece of work, then leave the database to others for as long as that took."""
    began = time.monotonic()
    more = work()
    if more:
        pause(max(_SHORTEST_PAUSE, time.monotonic() - began))
    return more


def _number(db: sqlite3.Connection, name: str) -> int:
    return int(db.execute(f"PRAGMA {name}").fetchone()[0])
