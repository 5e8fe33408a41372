"""Clients that must be told that a session ended (OpenID Connect Back-Channel Logout §2.5).

A notice is written in the transaction that ends the session, and deleted when the client has
answered, so a crash loses none. Who takes a notice has it for `LEASE_SECONDS`; then it is due
again. Attempts and age are limited. Called by `families.py`, `accounts.py` and `kapi.identity`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from kapi.dataclass import dataclass
from kapi.store.engine.database import Connection, Database

LEASE_SECONDS: Final = 60
MOST_ATTEMPTS: Final = 10
MOST_SECONDS: Final = 3600
"""Age after which a notice is not sent any more."""
_LONGEST_PAUSE: Final = 300
_COLUMNS: Final = "sid, client_id, person, issuer, attempts"
_ADD: Final = (
    "INSERT INTO logout_notices (sid, client_id, person, issuer, made_at, due_at, attempts)"
    " VALUES (?, ?, ?, ?, ?, ?, 0) ON CONFLICT (sid, client_id) DO NOTHING"
)
_TAKE: Final = (
    "UPDATE logout_notices SET due_at = ?, attempts = attempts + 1"  # noqa: S608 - constants
    " WHERE (sid, client_id) IN"
    " (SELECT sid, client_id FROM logout_notices WHERE due_at <= ? ORDER BY due_at LIMIT ?)"
    f" RETURNING {_COLUMNS}"
)
_DELETE: Final = "DELETE FROM logout_notices"


@dataclass(frozen=True, slots=True)
class LogoutNotice:
    """A client to tell. `attempts` counts those that began, with the current one."""

    sid: str
    client_id: str
    person: str
    """The subject of the account."""
    issuer: str
    """That of the session's tokens; empty: that of the settings."""
    attempts: int


def note_end(db: Connection, session: Mapping[str, Any], now: int) -> None:
    """Add the clients of a stored session, in the transaction that ends it."""
    about = (str(session.get("user", "")), str(session.get("issuer", "")), now, now)
    sid = str(session.get("sid", ""))
    db.executemany(
        _ADD, [(sid, str(client), *about) for client in session.get("clients", ())]
    )


class LogoutNotices:
    """The table. Times are in seconds since the epoch."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def take(self, now: int, most: int) -> tuple[LogoutNotice, ...]:
        """At most `most` due notices. Of parallel calls on any node, one gets each."""
        due = self.next_due()
        if due is None or due > now:
            return ()
        with self._database.transaction() as db:
            rows = db.execute(_TAKE, (now + LEASE_SECONDS, now, most)).fetchall()
        return tuple(LogoutNotice(*row) for row in rows)

    def next_due(self) -> int | None:
        """When the next notice is due; None without notices."""
        row = self._database.row("SELECT min(due_at) FROM logout_notices")
        return None if row is None else row[0]

    def done(self, notice: LogoutNotice) -> None:
        """Delete a notice: it was delivered, or never can be."""
        with self._database.transaction(parallel=True) as db:
            db.execute(
                f"{_DELETE} WHERE sid = ? AND client_id = ?",
                (notice.sid, notice.client_id),
            )

    def failed(self, notice: LogoutNotice, now: int) -> bool:
        """Delay the notices of this client; whether this one will be sent again.

        The others wait too, so that a client which does not answer costs one attempt at a time.
        """
        if notice.attempts >= MOST_ATTEMPTS:
            self.done(notice)
            return False
        due = now + min(2 ** (notice.attempts - 1), _LONGEST_PAUSE)
        with self._database.transaction() as db:
            db.execute(
                "UPDATE logout_notices SET due_at = ?"
                " WHERE client_id = ? AND (sid = ? OR due_at < ?)",
                (due, notice.client_id, notice.sid, due),
            )
        return True

    def drop_old(self, now: int) -> tuple[str, ...]:
        """Delete the notices that are too old; the ids of their clients."""
        with self._database.transaction(parallel=True) as db:
            rows = db.execute(
                f"{_DELETE} WHERE made_at <= ? RETURNING client_id",
                (now - MOST_SECONDS,),
            ).fetchall()
        return tuple(client_id for (client_id,) in rows)
