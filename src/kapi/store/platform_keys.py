"""Symmetric keys that all processes of the platform share. Each is generated once."""

from __future__ import annotations

from collections.abc import Callable

from kapi.store.engine.database import Database


class PlatformKeys:
    """The table of these keys, by what they are for."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get_or_make(self, name: str, make: Callable[[], bytes]) -> bytes:
        """The key of this name; the first caller's `make` decides it for all processes."""
        with self._database.transaction() as db:
            db.execute(
                (
                    "INSERT INTO platform_keys (name, value) VALUES (?, ?) ON CONFLICT (name) DO"
                    " NOTHING"
                ),
                (name, make()),
            )
            row = db.execute(
                "SELECT value FROM platform_keys WHERE name = ?", (name,)
            ).fetchone()
        return bytes(row[0])
