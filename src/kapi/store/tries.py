"""How often somebody guessed wrong in the current window: one count for all processes, kept over restarts, in a bounded table.

Called by `kapi.identity` for passwords and user codes. Names may be long and typed by anybody, so only their digests are kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from sqlite3 import Connection

from kapi.store.database import Database

WINDOW = 300
"""Seconds over which tries are counted."""
MOST_COUNTED = 50_000
"""Names with a count at one time. A name more than that, and the oldest window ends early."""


class Tries:
    """Counts by name."""

    def __init__(self, database: Database, most_counted: int = MOST_COUNTED) -> None:
        self._database = database
        self._most_counted = most_counted

    def wait(self, most: Mapping[str, int], now: int) -> int:
        """Seconds until each of these names, with as many tries as given, has one left; 0 when all have. Writes nothing."""
        # A window that lies ahead began before the clock was set back: it must not go on until the clock is there again.
        marks = ", ".join("?" * len(most))
        rows = self._database.rows(
            f"SELECT name, started_at, count FROM tries WHERE name IN ({marks}) AND started_at > ? AND started_at <= ?",  # noqa: S608
            (*map(_digest, most), now - WINDOW, now),
        )
        allowed = {_digest(name): number for name, number in most.items()}
        return max(
            (started + WINDOW - now for name, started, count in rows if count >= allowed[name]),
            default=0,
        )

    def count(self, most: Mapping[str, int], now: int) -> int:
        """Count one try for each name, or for none when one has none left: then the seconds until it has, otherwise 0."""
        with self._database.transaction() as db:
            if seconds := self.wait(most, now):
                return seconds
            # A few others too: how long this takes must not depend on how many there are.
            db.execute(
                "DELETE FROM tries WHERE name IN (SELECT name FROM tries WHERE started_at <= ? LIMIT 500)",
                (now - WINDOW,),
            )
            ended = [(_digest(name), now - WINDOW, now) for name in most]
            db.executemany(
                "DELETE FROM tries WHERE name = ? AND (started_at <= ? OR started_at > ?)", ended
            )
            for name in most:
                db.execute(
                    "INSERT INTO tries (name, started_at, count) VALUES (?, ?, 1) ON CONFLICT (name) DO UPDATE SET count = tries.count + 1",
                    (_digest(name), now),
                )
            self._trim(db)
        return 0

    def take_back(self, most: Mapping[str, int], forget: str = "") -> None:
        """The try was right: it does not count for these names, and `forget` has all its tries again."""
        with self._database.transaction() as db:
            db.execute("DELETE FROM tries WHERE name = ?", (_digest(forget),))
            db.executemany(
                "UPDATE tries SET count = count - 1 WHERE name = ? AND count > 0",
                [(_digest(name),) for name in most],
            )

    def _trim(self, db: Connection) -> None:
        over = db.execute("SELECT count(*) FROM tries").fetchone()[0] - self._most_counted
        if over > 0:
            db.execute(
                "DELETE FROM tries WHERE name IN (SELECT name FROM tries ORDER BY started_at, count LIMIT ?)",
                (over,),
            )


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
