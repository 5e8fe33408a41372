"""The signing keys of the inbuilt provider, and their states.

staged → published (in the JWKS) → active (signs; one per algorithm) → retired (in the JWKS) → gone.
Called by `kapi.identity`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field

from kapi.dataclass import dataclass
from kapi.store.engine.database import Database

TOPIC = "keys"
STAGED, PUBLISHED, ACTIVE, RETIRED = "staged", "published", "active", "retired"
IN_JWKS = frozenset({PUBLISHED, ACTIVE, RETIRED})
_COLUMNS = "kid, algorithm, state, private_pem, created_at, due_at"


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A signing key; `private_pem` is PKCS #8 text. It changes next at `due_at`.

    Times are in seconds since the epoch.
    """

    kid: str
    algorithm: str
    state: str
    private_pem: str = field(repr=False)
    created_at: int
    due_at: int | None = None


class Keys:
    """All signing keys, by kid."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> tuple[StoredKey, ...]:
        """Every key, oldest first."""
        return tuple(
            StoredKey(*row)
            for row in self._database.rows(
                f"SELECT {_COLUMNS} FROM signing_keys ORDER BY created_at, kid"  # noqa: S608
            )
        )

    def add_first(self, key: StoredKey) -> bool:
        """Store a key, and return True; return False if its algorithm already has an active one."""
        with self._database.transaction(TOPIC) as db:
            if db.execute(
                "SELECT 1 FROM signing_keys WHERE algorithm = ? AND state = ?",
                (key.algorithm, ACTIVE),
            ).fetchone():
                return False
            db.execute(_INSERT, _values(key))
            return True

    def add(self, key: StoredKey) -> None:
        """Keep a new key."""
        with self._database.transaction(TOPIC) as db:
            db.execute(_INSERT, _values(key))

    def move(
        self, kid: str, before: Sequence[str], state: str, due_at: int | None = None
    ) -> bool:
        """Change the state of a key that is in one of the states `before`; False when it is not."""
        marks = ", ".join("?" * len(before))
        with self._database.transaction(TOPIC) as db:
            moved = db.execute(
                f"UPDATE signing_keys SET state = ?, due_at = ? "  # noqa: S608 - question marks
                f"WHERE kid = ? AND state IN ({marks})",
                (state, due_at, kid, *before),
            )
            return moved.rowcount == 1

    def activate(self, kid: str, gone_at: int) -> bool:
        """Make a published key the active one; the one before it retires until `gone_at`.

        False when the key is not published.
        """
        with self._database.transaction(TOPIC) as db:
            row = db.execute(
                "SELECT algorithm FROM signing_keys WHERE kid = ? AND state = ?",
                (kid, PUBLISHED),
            ).fetchone()
            if row is None:
                return False
            db.execute(
                "UPDATE signing_keys SET state = ?, due_at = ? WHERE algorithm = ? AND state = ?",
                (RETIRED, gone_at, row[0], ACTIVE),
            )
            db.execute(
                "UPDATE signing_keys SET state = ?, due_at = NULL WHERE kid = ?",
                (ACTIVE, kid),
            )
            return True

    def remove(self, kid: str, before: Sequence[str]) -> bool:
        """Forget a key that is in one of the states `before`; False when it is not."""
        marks = ", ".join("?" * len(before))
        with self._database.transaction(TOPIC) as db:
            gone = db.execute(
                f"DELETE FROM signing_keys WHERE kid = ? AND state IN ({marks})",  # noqa: S608
                (kid, *before),
            )
            return gone.rowcount == 1


_INSERT = f"INSERT INTO signing_keys ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)"  # noqa: S608


def _values(key: StoredKey) -> tuple[str, str, str, str, int, int | None]:
    return (
        key.kid,
        key.algorithm,
        key.state,
        key.private_pem,
        key.created_at,
        key.due_at,
    )
