"""Deletes expired rows from every table that grows, and returns the space to the file system.

It works in small batches, so that no write waits for long.

The control process calls `keep_house` a few seconds after its start and every minute.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from kapi.dataclass import dataclass
from kapi.store.engine.database import Database
from kapi.store.engine.pace import Pause, took
from kapi.store.login_attempts import WINDOW
from kapi.store.logout_notices import MOST_SECONDS
from kapi.store.revocations import GRACE_SECONDS

BATCH: Final = 500
"""Rows of one transaction."""
API_KEYS_KEPT: Final = 30 * 24 * 3600
"""Seconds that an expired API key stays in the list."""
REMOVED_KEPT: Final = 1000
"""Changes of clients that are kept, so that all workers learn of a removed client."""


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
        with database.transaction(parallel=True) as db:
            gone = db.execute(
                f"DELETE FROM {self.table} WHERE ({self.key}) IN ({chosen})",  # noqa: S608
                (self.value(now),),
            )
        return gone.rowcount >= BATCH


_TABLES: Final = (
    _Expiring("records", "kind, key", "expires_at <= ?", lambda now: now),
    _Expiring(
        "revocations", "issuer, jti", "expires_at <= ?", lambda now: now - GRACE_SECONDS
    ),
    _Expiring("mcp_sessions", "id", "expires_at <= ?", lambda now: now),
    _Expiring(
        "logout_notices",
        "sid, client_id",
        "made_at <= ?",
        lambda now: now - 2 * MOST_SECONDS,
    ),
    _Expiring("tries", "name", "started_at <= ?", lambda now: now - WINDOW),
    _Expiring(
        "api_keys",
        "id",
        "expires_at > 0 AND expires_at <= ?",
        lambda now: now - API_KEYS_KEPT,
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
        while took(lambda: table.remove(database, now), pause):  # noqa: B023 - called at once
            pass
    database.give_space_back(pause)
