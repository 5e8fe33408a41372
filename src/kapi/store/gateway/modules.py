"""The digests of the WebAssembly modules that deployed APIs use."""

from __future__ import annotations

from collections.abc import Mapping

from kapi.store.engine.database import Database


class PinnedModules:
    """By API and URL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, api_id: str) -> dict[str, str]:
        """URL → SHA-256 in hex, of one API."""
        return dict(
            self._database.rows("SELECT url, sha256 FROM modules WHERE api_id = ?", (api_id,))
        )

    def keep(self, api_id: str, digests: Mapping[str, str]) -> None:
        """Replace what is pinned for an API; nothing forgets it."""
        with self._database.transaction() as db:
            db.execute("DELETE FROM modules WHERE api_id = ?", (api_id,))
            db.executemany(
                "INSERT INTO modules (api_id, url, sha256) VALUES (?, ?, ?)",
                [(api_id, *item) for item in digests.items()],
            )

    def used(self) -> frozenset[str]:
        """All digests."""
        return frozenset(
            row[0] for row in self._database.rows("SELECT DISTINCT sha256 FROM modules")
        )
