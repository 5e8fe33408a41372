"""Accounts of the inbuilt provider besides those of the settings. A password is a digest."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any

from kapi.dataclass import dataclass
from kapi.store.accounts import Ending, end_account, end_other_organizations
from kapi.store.engine.database import Connection, Database
from kapi.store.gateway.declared import forget_declared
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


class NameTaken(Exception):
    """Another account has this user name."""


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

    def change(
        self, username: str, changed: Callable[[StoredUser], StoredUser], ending: Ending
    ) -> StoredUser | None:
        """Replace profile and user name by what `changed` makes of an account.

        One transaction: of parallel changes, each sees those before it. None when no account has
        this name. Raises NameTaken. Sessions and tokens go on, but for those of organizations that
        the account has left.
        """
        sql = f"SELECT {_COLUMNS} FROM users WHERE username = ?"  # noqa: S608 - a constant
        with self._database.transaction(TOPIC, REVOCATIONS) as db:
            row = db.execute(sql, (username,)).fetchone()
            if row is None:
                return None
            before = _user(row)
            after = changed(before)
            if after.username != username:
                _rename(db, username, after.username)
            if after.profile != before.profile:
                _change_profile(db, after, ending)
        return after

    def change_password(self, username: str, digest: str, ending: Ending) -> bool:
        """Replace a digest; False when no account has this name."""
        sql = "UPDATE users SET digest = ? WHERE username = ?"
        with self._database.transaction(TOPIC, REVOCATIONS) as db:
            return _end(db, sql, (digest,), username, ending)

    def disable(self, username: str, ending: Ending) -> bool:
        """Let a person sign in no more; False when no account has this name."""
        sql = "UPDATE users SET disabled = ? WHERE username = ?"
        with self._database.transaction(TOPIC, REVOCATIONS) as db:
            return _end(db, sql, (1,), username, ending)

    def enable(self, username: str) -> bool:
        """Let a person sign in again; False when no account has this name."""
        with self._database.transaction(TOPIC) as db:
            return (
                db.execute(
                    "UPDATE users SET disabled = 0 WHERE username = ?", (username,)
                ).rowcount
                == 1
            )

    def remove(self, username: str, ending: Ending) -> bool:
        """Forget a person; False when no account has this name."""
        with self._database.transaction(TOPIC, REVOCATIONS) as db:
            forget_declared(db, "User", username)
            sql = "DELETE FROM users WHERE username = ?"
            return _end(db, sql, (), username, ending)


def _rename(db: Connection, username: str, new: str) -> None:
    if _subject(db, new) is not None:
        raise NameTaken
    forget_declared(db, "User", username)
    db.execute("UPDATE users SET username = ? WHERE username = ?", (new, username))


def _change_profile(db: Connection, user: StoredUser, ending: Ending) -> None:
    sql = "UPDATE users SET profile = ? WHERE username = ?"
    db.execute(sql, (json.dumps(user.profile), user.username))
    kept = set(user.profile["organizations"])
    if not kept or user.profile["super_admin"]:
        kept.add("")
    end_other_organizations(db, user.subject, kept, ending)


def _end(
    db: Connection, change: str, values: tuple[Any, ...], username: str, ending: Ending
) -> bool:
    subject = _subject(db, username)
    if subject is None:
        return False
    db.execute(change, (*values, username))
    end_account(db, subject, ending)
    return True


def _subject(db: Connection, username: str) -> str | None:
    row = db.execute(
        "SELECT subject FROM users WHERE username = ?", (username,)
    ).fetchone()
    if row is None:
        return None
    return str(row[0])


def _user(row: tuple[str, str, str, int, str, int]) -> StoredUser:
    return StoredUser(row[0], row[1], json.loads(row[2]), row[3], row[4], bool(row[5]))
