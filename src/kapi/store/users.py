"""People who can sign in at the inbuilt provider, besides those of the settings. A password is kept as its digest only."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kapi.store.database import Database

TOPIC = "users"
_COLUMNS = "username, digest, profile, created_at"


@dataclass(frozen=True, slots=True)
class StoredUser:
    """One person; `profile` has organizations, groups, claims and the like. `created_at` in seconds since the epoch."""

    username: str
    digest: str = field(repr=False)
    profile: Mapping[str, Any]
    created_at: int


class UserStore:
    """The table, by user name."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, username: str) -> StoredUser | None:
        """One person, or None."""
        row = self._database.row(f"SELECT {_COLUMNS} FROM users WHERE username = ?", (username,))  # noqa: S608 - a constant
        return None if row is None else _user(row)

    def all(self) -> tuple[StoredUser, ...]:
        """Everybody, by name."""
        return tuple(map(_user, self._database.rows(f"SELECT {_COLUMNS} FROM users ORDER BY username")))  # noqa: S608 - a constant

    def add(self, user: StoredUser) -> bool:
        """Keep a new person; False when the name is taken."""
        with self._database.transaction(TOPIC) as db:
            made = db.execute(
                f"INSERT INTO users ({_COLUMNS}) VALUES (?, ?, ?, ?) ON CONFLICT (username) DO NOTHING",  # noqa: S608 - a constant
                (user.username, user.digest, json.dumps(user.profile), user.created_at),
            )
            return made.rowcount == 1

    def change_password(self, username: str, digest: str) -> bool:
        """Replace a digest; False when there is nobody of that name."""
        with self._database.transaction(TOPIC) as db:
            return db.execute("UPDATE users SET digest = ? WHERE username = ?", (digest, username)).rowcount == 1

    def remove(self, username: str) -> bool:
        """Forget a person; False when there is nobody of that name."""
        with self._database.transaction(TOPIC) as db:
            return db.execute("DELETE FROM users WHERE username = ?", (username,)).rowcount == 1


def _user(row: tuple[str, str, str, int]) -> StoredUser:
    return StoredUser(row[0], row[1], json.loads(row[2]), row[3])
