"""The key that signs backend JWTs. The private key is only in this table and in memory."""

from __future__ import annotations

from dataclasses import field

from kapi.dataclass import dataclass
from kapi.store.engine.database import Database

_COLUMNS = "kid, private_pem, created_at"


@dataclass(frozen=True, slots=True)
class StoredEnforcerKey:
    """One RSA key; `private_pem` is PKCS #8 text, `created_at` in seconds since the epoch."""

    kid: str
    private_pem: str = field(repr=False)
    created_at: int


class EnforcerKeys:
    """All of them; the newest signs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> tuple[StoredEnforcerKey, ...]:
        """All keys, newest first."""
        rows = self._database.rows(
            f"SELECT {_COLUMNS} FROM enforcer_keys ORDER BY created_at DESC, kid"  # noqa: S608
        )
        return tuple(StoredEnforcerKey(*row) for row in rows)

    def add_first(self, key: StoredEnforcerKey) -> None:
        """Keep a key if there is none yet."""
        with self._database.transaction() as db:
            if db.execute("SELECT 1 FROM enforcer_keys").fetchone() is None:
                db.execute(
                    f"INSERT INTO enforcer_keys ({_COLUMNS}) VALUES (?, ?, ?)",  # noqa: S608
                    (key.kid, key.private_pem, key.created_at),
                )
