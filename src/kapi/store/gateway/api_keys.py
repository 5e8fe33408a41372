"""API keys by id, and the key that signs those that are JWTs.

Written by `identity/clients/api_keys.py`; the gateway reads the opaque ones.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from kapi.dataclass import dataclass
from kapi.store.engine.database import Database

TOPIC = "api_keys"
NEVER = 0
"""`expires_at` of a key that does not expire."""
_COLUMNS = "id, organization, kind, digest, claims, created_at, expires_at, revoked"
_INSERT = f"INSERT INTO api_keys ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608


@dataclass(frozen=True, slots=True)
class StoredApiKey:
    """One key without its secret. `kind` is `jwt` or `opaque`; times in seconds since the epoch."""

    id: str
    organization: str
    kind: str
    digest: str
    """SHA-256 of an opaque key's secret as hex; empty for a JWT."""
    claims: dict[str, Any]
    created_at: int
    expires_at: int
    revoked: bool = False


class ApiKeys:
    """The table of API keys."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def signer(self, make: Callable[[], tuple[str, str, int]]) -> tuple[str, str]:
        """The signing key as (kid, PKCS #8 PEM); `make` gives (kid, PEM, now) for the first."""
        with self._database.transaction() as db:
            found = db.execute(
                "SELECT kid, private_pem FROM api_key_signers ORDER BY created_at DESC, kid LIMIT 1"
            ).fetchone()
            if found is None:
                made = make()
                db.execute(
                    "INSERT INTO api_key_signers (kid, private_pem, created_at) VALUES (?, ?, ?)",
                    made,
                )
                found = made[:2]
            return str(found[0]), str(found[1])

    def add(self, key: StoredApiKey) -> None:
        """Keep a new key."""
        row = (
            key.id,
            key.organization,
            key.kind,
            key.digest,
            json.dumps(key.claims),
            key.created_at,
            key.expires_at,
            int(key.revoked),
        )
        with self._database.transaction(TOPIC) as db:
            db.execute(_INSERT, row)

    def list(self, organization: str) -> tuple[StoredApiKey, ...]:
        """The keys of an organization, oldest first."""
        rows = self._database.rows(
            f"SELECT {_COLUMNS} FROM api_keys "  # noqa: S608
            "WHERE organization = ? ORDER BY created_at, id",
            (organization,),
        )
        return tuple(map(_key, rows))

    def get(self, key_id: str, organization: str) -> StoredApiKey | None:
        """One key of an organization."""
        row = self._database.row(
            f"SELECT {_COLUMNS} FROM api_keys WHERE id = ? AND organization = ?",  # noqa: S608
            (key_id, organization),
        )
        if row is None:
            return None
        return _key(row)

    def revoke(self, key_id: str) -> None:
        """Refuse it from now on."""
        with self._database.transaction(TOPIC) as db:
            db.execute("UPDATE api_keys SET revoked = 1 WHERE id = ?", (key_id,))

    def opaque(self, now: float) -> tuple[tuple[str, str, dict[str, Any]], ...]:
        """Opaque keys that are good now, as (id, digest, claims)."""
        rows = self._database.rows(
            f"SELECT {_COLUMNS} FROM api_keys WHERE kind = 'opaque' AND revoked = 0 "  # noqa: S608
            "AND (expires_at = 0 OR expires_at > ?) ORDER BY id",
            (int(now),),
        )
        return tuple((key.id, key.digest, key.claims) for key in map(_key, rows))


def _key(row: Any) -> StoredApiKey:
    return StoredApiKey(
        row[0], row[1], row[2], row[3], json.loads(row[4]), row[5], row[6], bool(row[7])
    )
