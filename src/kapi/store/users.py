"""Accounts of the inbuilt provider besides those of the settings. A password is a digest."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kapi.store.accounts import Ending, end_account
from kapi.store.engine.database import Connection, Database
from kapi.store.revocations import TOPIC as REVOCATIONS

TOPIC = "users"
_COLUMNS = "username, digest, profile, created_at, subject, disabled"


@dataclass(frozen=True, slots=True)
class StoredUser:
    """One account; `profile` has organizations, groups and claims.

    `created_at` is in seconds since the epoch.
    """

    username: str
    digest: str = field(repr=False)
    profile: Mapping[str, Any]
    created_at: int
    subject: str
    """Names the account for good; no other account ever gets it."""
    disabled: bool = False


class UserStore:
    """The table, by user name.

    Removing an account or its password ends all its sessions and tokens.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, username: str) -> StoredUser | None:
        """The person who signs in by this name, or None."""
        row = self._database.row(
            f"SELECT {_COLUMNS} FROM users WHERE username = ?",  # noqa: S608 - a constant
            (username,),
        )
        if row is None:
            return None
        return _user(row)

    def of_subject(self, subject: str) -> StoredUser | None:
        """The person whose account has this subject, or None."""
        row = self._database.row(
            f"SELECT {_COLUMNS} FROM users WHERE subject = ?",  # noqa: S608 - a constant
            (subject,),
        )
        if row is None:
            return None
        return _user(row)

    def all(self) -> tuple[StoredUser, ...]:
        """All accounts, by name."""
        sql = f"SELECT {_COLUMNS} FROM users ORDER BY username"  # noqa: S608 - a constant
        return tuple(map(_user, self._database.rows(sql)))

    def add(self, user: StoredUser) -> bool:
        """Keep a new person; False when the name is taken."""
        values = (
            user.username,
            user.digest,
            json.dumps(user.profile),
            user.created_at,
            user.subject,
            int(user.disabled),
        )
        with self._database.transaction(TOPIC) as db:
            made = db.execute(
                f"INSERT INTO users ({_COLUMNS}) "  # noqa: S608 - a constant
                "VALUES (?, ?, ?, ?, ?, ?) "
                "ON CONFLICT (username) DO NOTHING",
                values,
            )
            return made.rowcount == 1

    def change_password(self, username: str, digest: str, ending: Ending) -> bool:
        """Replace a digest; False when no account has this name."""
        return self._end(
            "UPDATE users SET digest = ? WHERE username = ?", (digest,), username, ending
        )

    def disable(self, username: str, ending: Ending) -> bool:
        """Let a person sign in no more; False when no account has this name."""
        return self._end("UPDATE users SET disabled = ? WHERE username = ?", (1,), username, ending)

    def enable(self, username: str) -> bool:
        """Let a person sign in again; False when no account has this name."""
        with self._database.transaction(TOPIC) as db:
            return (
                db.execute("UPDATE users SET disabled = 0 WHERE username = ?", (username,)).rowcount
                == 1
            )

    def remove(self, username: str, ending: Ending) -> bool:
        """Forget a person; False when no account has this name."""
        return self._end("DELETE FROM users WHERE username = ?", (), username, ending)

    def _end(self, change: str, values: tuple[Any, ...], username: str, ending: Ending) -> bool:
        with self._database.transaction(TOPIC, REVOCATIONS) as db:
            subject = _subject(db, username)
            if subject is None:
                return False
            db.execute(change, (*values, username))
            end_account(db, subject, ending)
        return True


def _subject(db: Connection, username: str) -> str | None:
    row = db.execute("SELECT subject FROM users WHERE username = ?", (username,)).fetchone()
    if row is None:
        return None
    return str(row[0])


def _user(row: tuple[str, str, str, int, str, int]) -> StoredUser:
    return StoredUser(row[0], row[1], json.loads(row[2]), row[3], row[4], bool(row[5]))
