"""Returns the space of deleted rows to the file system, in small steps between which others write.

Called by `housekeeping.py`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final

from kapi.store.engine.pace import Pause, took
from kapi.store.engine.sqlite.connections import is_busy

_SPARE_PAGES: Final = 512
"""Free pages that the file keeps."""
_PAGES: Final = 256
_MOST_STEPS: Final = 10_000
_MOST_CHECKPOINTS: Final = 50

Alone = Callable[[], AbstractContextManager[sqlite3.Connection]]
"""The writing connection outside a transaction."""


def give_space_back(alone: Alone, pause: Pause) -> None:
    """Shorten the file by most of its free pages, and the write-ahead log to its usual size."""
    try:
        with alone() as db:
            if (
                _number(db, "auto_vacuum") == 0
                and _number(db, "freelist_count") > _SPARE_PAGES
            ):
                # A file of an older version: written anew once, without what is free.
                db.execute("PRAGMA auto_vacuum=INCREMENTAL")
                db.execute("VACUUM")
        for _ in range(_MOST_STEPS):
            if not took(lambda: _shortened(alone), pause):
                break
        for _ in range(_MOST_CHECKPOINTS):
            if not took(lambda: _checkpointed(alone), pause):
                break
    except sqlite3.OperationalError:
        # There is no space to work in, or others never pause: another time.
        return


def _shortened(alone: Alone) -> bool:
    """Give some pages back; whether there is more to do."""
    try:
        with alone() as db:
            free = _number(db, "freelist_count") - _SPARE_PAGES
            if free > 0:
                # `execute` would stop after the first page.
                db.executescript(f"PRAGMA incremental_vacuum({min(free, _PAGES)})")
            return free > _PAGES
    except sqlite3.OperationalError as error:
        if not is_busy(error):
            raise
        return True


def _checkpointed(alone: Alone) -> bool:
    """Write the log into the file and empty it; whether another connection was in the way."""
    with alone() as db:
        return bool(db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0])


def _number(db: sqlite3.Connection, name: str) -> int:
    return int(db.execute(f"PRAGMA {name}").fetchone()[0])
