"""The digests of the WebAssembly modules that deployed APIs use."""

from __future__ import annotations

from collections.abc import Mapping

from kapi.store.engine.database import Connection, Database


def pin(db: Connection, api_id: str, digests: Mapping[str, str]) -> None:
    """Replace what is pinned for an API, in the transaction that stores it (URL → SHA-256)."""
    db.execute("DELETE FROM modules WHERE api_id = ?", (api_id,))
    db.executemany(
        "INSERT INTO modules (api_id, url, sha256) VALUES (?, ?, ?)",
        [(api_id, *item) for item in digests.items()],
    )


class PinnedModules:
    """By API and URL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, api_id: str) -> dict[str, str]:
        """URL → SHA-256 in hex, of one API."""
        return dict(
            self._database.rows(
                "SELECT url, sha256 FROM modules WHERE api_id = ?", (api_id,)
            )
        )

    def forget(self, api_id: str) -> None:
        """Remove what is pinned for an API."""
        with self._database.transaction() as db:
            pin(db, api_id, {})

    def write(self, sha256: str, content: bytes) -> None:
        """Keep the bytes of a module, for other nodes."""
        with self._database.transaction(parallel=True) as db:
            db.execute(
                "INSERT INTO module_contents (sha256, content) VALUES (?, ?)"
                " ON CONFLICT (sha256) DO NOTHING",
                (sha256, content),
            )

    def read(self, sha256: str) -> bytes | None:
        """The bytes of a module, or None."""
        row = self._database.row(
            "SELECT content FROM module_contents WHERE sha256 = ?", (sha256,)
        )
        return None if row is None else bytes(row[0])

    def remove(self, sha256: str) -> None:
        """Remove the bytes of a module that no API uses."""
        with self._database.transaction(parallel=True) as db:
            db.execute("DELETE FROM module_contents WHERE sha256 = ?", (sha256,))

    def used(self) -> frozenset[str]:
        """The digests of all modules in use."""
        return frozenset(
            row[0] for row in self._database.rows("SELECT DISTINCT sha256 FROM modules")
        )
