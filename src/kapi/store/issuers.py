"""Declared issuers, and the last valid keys of each: a start needs no other server."""

from __future__ import annotations

from kapi.dataclass import dataclass
from kapi.store.engine.database import Connection, Database
from kapi.store.gateway.declared import forget_declared

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


class _NotReplacedError(Exception):
    """Another declaration with this name is stored: nothing is changed."""


class IssuerStore:
    """The tables of trusted issuers and of their keys."""

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

    def declaration(self, name: str) -> str:
        """The declaration with this name; empty if there is none."""
        row = self._database.row(
            "SELECT declaration FROM issuers WHERE name = ?", (name,)
        )
        return "" if row is None else str(row[0])

    def version(self) -> int:
        """A number that changes with each change of the two tables, by any process."""
        return self._database.version(TOPIC)

    def save(
        self, issuer: StoredIssuer, *, replace: bool, before: str | None = None
    ) -> bool:
        """Keep a declaration; False if there is one with its name that is not to be replaced.

        With `before`, only that declaration is replaced.
        """
        try:
            with self._database.transaction(TOPIC) as db:
                _save(db, issuer, replace=replace, before=before)
        except _NotReplacedError:
            return False
        return True

    def delete(self, name: str) -> None:
        """Forget a declaration and its keys."""
        with self._database.transaction(TOPIC) as db:
            db.execute("DELETE FROM issuers WHERE name = ?", (name,))
            forget_declared(db, "Issuer", name)
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


def _save(
    db: Connection, issuer: StoredIssuer, *, replace: bool, before: str | None
) -> None:
    """Raises _NotReplacedError if another declaration is stored than the one to replace."""
    if before is not None:
        sql = "DELETE FROM issuers WHERE name = ? AND declaration = ?"
        if db.execute(sql, (issuer.name, before)).rowcount == 0:
            raise _NotReplacedError
    elif replace:
        db.execute("DELETE FROM issuers WHERE name = ?", (issuer.name,))
    made = db.execute(
        "INSERT INTO issuers (name, declaration, created_at) VALUES (?, ?, ?)"
        " ON CONFLICT (name) DO NOTHING",
        (issuer.name, issuer.declaration, issuer.created_at),
    )
    if made.rowcount == 0:
        raise _NotReplacedError
