"""Counts of failed attempts in the current window: passwords by name and address, user codes.

All processes share the counts, and they survive restarts. The table, `tries`, is bounded. Names are
arbitrary input of any length, so only their digests are stored. Called by `kapi.identity`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from kapi.store.engine.database import Connection, Database

WINDOW = 300
"""Seconds over which attempts are counted."""
MOST_COUNTED = 50_000
"""Names with a count at one time. Beyond that, the oldest windows are deleted early."""

# A window that begins in the future is from before the clock was set back. It does not count.
_CURRENT = (
    "SELECT name, started_at, count FROM tries"
    " WHERE name IN ({names}) AND started_at > ? AND started_at <= ?"
)
_DELETE_SOME_ENDED = (
    "DELETE FROM tries WHERE name IN"
    " (SELECT name FROM tries WHERE started_at <= ? LIMIT 500)"
)
_DELETE_ENDED = (
    "DELETE FROM tries WHERE name = ? AND (started_at <= ? OR started_at > ?)"
)
_COUNT = (
    "INSERT INTO tries (name, started_at, count) VALUES (?, ?, 1)"
    " ON CONFLICT (name) DO UPDATE SET count = tries.count + 1"
)
_UNCOUNT = "UPDATE tries SET count = count - 1 WHERE name = ? AND count > 0"
_DELETE_OLDEST = (
    "DELETE FROM tries WHERE name IN"
    " (SELECT name FROM tries ORDER BY started_at, count LIMIT ?)"
)


class LoginAttempts:
    """Counts login attempts by name."""

    def __init__(self, database: Database, most_counted: int = MOST_COUNTED) -> None:
        self._database = database
        self._most_counted = most_counted

    def wait(self, most: Mapping[str, int], now: int) -> int:
        """Seconds until every name is below its limit; 0 if all are. Writes nothing.

        `most` contains the limit of each name.
        """
        limits = {_digest(name): limit for name, limit in most.items()}
        query = _CURRENT.format(names=", ".join("?" * len(limits)))
        rows = self._database.rows(query, (*limits, now - WINDOW, now))
        seconds = 0
        for name, started, count in rows:
            if count >= limits[name]:
                seconds = max(seconds, started + WINDOW - now)
        return seconds

    def count(self, most: Mapping[str, int], now: int) -> int:
        """Count an attempt for every name and return 0.

        If a name has reached its limit, count none and return the seconds until it may try again.
        """
        with self._database.transaction() as db:
            seconds = self.wait(most, now)
            if seconds:
                return seconds
            # The number is bounded, so that the time of this call does not depend on the table.
            db.execute(_DELETE_SOME_ENDED, (now - WINDOW,))
            names = list(map(_digest, most))
            db.executemany(_DELETE_ENDED, [(name, now - WINDOW, now) for name in names])
            db.executemany(_COUNT, [(name, now) for name in names])
            self._trim(db)
        return 0

    def take_back(self, most: Mapping[str, int], forget: str = "") -> None:
        """Uncount one attempt of every name, because it succeeded; delete the count of `forget`."""
        with self._database.transaction() as db:
            db.execute("DELETE FROM tries WHERE name = ?", (_digest(forget),))
            db.executemany(_UNCOUNT, [(_digest(name),) for name in most])

    def _trim(self, db: Connection) -> None:
        counted: int = db.execute("SELECT count(*) FROM tries").fetchone()[0]
        over = counted - self._most_counted
        if over > 0:
            db.execute(_DELETE_OLDEST, (over,))


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
