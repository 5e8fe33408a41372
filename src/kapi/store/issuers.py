"""Declared issuers, and the last valid keys of each: a start needs no other server."""

from __future__ import annotations

from dataclasses import dataclass

from kapi.store.engine.database import Database

TOPIC = "issuers"
"""Changed when a declaration or a set of keys does."""
WANTED = "issuer keys wanted"
"""Changed when an identity worker met a key that it does not know."""


@dataclass(frozen=True, slots=True)
class StoredIssuer:
    """A declaration as JSON text; `created_at` in seconds since the epoch."""

    name: str
    declaration: str
    created_at: int


@dataclass(frozen=True, slots=True)
class StoredKeys:
    """The last valid JWKS of an issuer, fetched for `source`. Times in seconds since the epoch."""

    name: str
    source: str
    jwks: str
    jwks_uri: str
    etag: str
    fetched_at: int
    changed_at: int


_KEYS = "name, source, jwks, jwks_uri, etag, fetched_at, changed_at"


class IssuerStore:
    """The two tables."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def issuers(self) -> tuple[StoredIssuer, ...]:
        """All declarations, by name."""
        return tuple(
            StoredIssuer(*row)
            for row in self._database.rows(
                "SELECT name, declaration, created_at FROM issuers ORDER BY name"
            )
        )

    def version(self) -> int:
        """A number that changes with each change of the two tables, by any process."""
        return self._database.version(TOPIC)

    def save(self, issuer: StoredIssuer) -> None:
        """Keep a declaration, replacing the one with its name."""
        with self._database.transaction(TOPIC) as db:
            db.execute("DELETE FROM issuers WHERE name = ?", (issuer.name,))
            db.execute(
                "INSERT INTO issuers (name, declaration, created_at) VALUES (?, ?, ?)",
                (issuer.name, issuer.declaration, issuer.created_at),
            )

    def delete(self, name: str) -> None:
        """Forget a declaration and its keys."""
        with self._database.transaction(TOPIC) as db:
            db.execute("DELETE FROM issuers WHERE name = ?", (name,))
            db.execute("DELETE FROM issuer_keys WHERE name = ?", (name,))

    def keys(self, name: str) -> StoredKeys | None:
        """The last good keys of an issuer."""
        row = self._database.row(
            f"SELECT {_KEYS} FROM issuer_keys WHERE name = ?",  # noqa: S608 - a constant
            (name,),
        )
        if row is None:
            return None
        return StoredKeys(*row)

    def want_keys(self) -> None:
        """Ask the process that follows the issuers to fetch their keys."""
        with self._database.transaction(WANTED):
            pass

    def save_keys(self, keys: StoredKeys) -> None:
        """Keep the last good keys of an issuer."""
        with self._database.transaction(TOPIC) as db:
            db.execute("DELETE FROM issuer_keys WHERE name = ?", (keys.name,))
            db.execute(
                f"INSERT INTO issuer_keys ({_KEYS}) VALUES (?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
                (
                    keys.name,
                    keys.source,
                    keys.jwks,
                    keys.jwks_uri,
                    keys.etag,
                    keys.fetched_at,
                    keys.changed_at,
                ),
            )
