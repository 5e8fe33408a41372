"""Revoked tokens by issuer and `jti` (RFC 7009, RFC 7519 §4.1.7), until they expire.

Written by the notification API and by the inbuilt provider; the control process makes Envoy's deny
list of them.
"""

from __future__ import annotations

from kapi.dataclass import dataclass
from kapi.store.engine.database import Connection, Database

TOPIC = "revocations"
ANY_ISSUER = ""
"""Revokes a `jti` of any issuer."""
LONGEST_JTI = 1024
GRACE_SECONDS = 600
"""Entries outlive their token by the clock skew that a verifier may forgive."""


@dataclass(frozen=True, slots=True)
class Revocation:
    """One revoked token; `expires_at` in seconds since the epoch."""

    jti: str
    expires_at: int
    issuer: str = ANY_ISSUER


class Revocations:
    """The table of revoked tokens."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def revoke(
        self, jti: str, expires_at: int, reason: str = "", *, issuer: str = ANY_ISSUER
    ) -> None:
        """Refuse a token. `expires_at` is its own `exp`; a second call keeps the later one.

        Raises ValueError when `jti` is empty or longer than 1024 characters.
        """
        if not 0 < len(jti) <= LONGEST_JTI:
            raise ValueError(f"a jti has 1 to {LONGEST_JTI} characters")
        with self._database.transaction(TOPIC) as db:
            write_revocation(db, Revocation(jti, expires_at, issuer), reason)

    def is_revoked(self, issuer: str, jti: str) -> bool:
        """Whether a token of this issuer must be refused."""
        return bool(
            self._database.row(
                "SELECT 1 FROM revocations WHERE jti = ? AND issuer IN (?, '') LIMIT 1",
                (jti, issuer),
            )
        )

    def active(self, now: float) -> tuple[Revocation, ...]:
        """What must still be refused, in a fixed order."""
        rows = self._database.rows(
            (
                "SELECT jti, expires_at, issuer FROM revocations WHERE expires_at > ? ORDER BY"
                " issuer, jti"
            ),
            (int(now) - GRACE_SECONDS,),
        )
        return tuple(Revocation(*row) for row in rows)


def write_revocation(db: Connection, revocation: Revocation, reason: str) -> None:
    """Write one row inside a transaction of the caller, which must name TOPIC."""
    db.execute(
        "INSERT INTO revocations (issuer, jti, expires_at, reason) VALUES (?, ?, ?, ?) "
        "ON CONFLICT (issuer, jti) DO UPDATE SET "
        "expires_at = CASE WHEN excluded.expires_at > revocations.expires_at "
        "THEN excluded.expires_at ELSE revocations.expires_at END, reason = excluded.reason",
        (revocation.issuer, revocation.jti, revocation.expires_at, reason),
    )
