"""Ends what an account has: sessions, refresh tokens, codes, device and CIBA requests, consents, access tokens.

An account ends when it is removed or disabled, and starts anew when its password changes. Its subject is never given to another
account (OpenID Connect Core §2, §5.7). Called by `users.py` in this room and by `kapi.identity`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

from kapi.store.database import Database
from kapi.store.families import FAMILY, account_family, end_family
from kapi.store.revocations import TOPIC as REVOCATIONS

_REMEMBERED = 366 * 24 * 3600
"""Seconds: no token is valid for longer."""


@dataclass(frozen=True, slots=True)
class Ending:
    """Why and when accounts end. `issuer` issued their tokens; `now` in seconds since the epoch."""

    issuer: str
    now: int
    reason: str


class Accounts:
    """What is known about accounts that ended, and about those of the settings."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def ended_at(self, subject: str) -> int:
        """When everything that the account had was ended last, in seconds since the epoch; 0 for never."""
        row = self._database.row(
            "SELECT ended_at FROM ended_accounts WHERE subject = ?", (subject,)
        )
        return 0 if row is None else int(row[0])

    def ended_since(self, moment: int) -> tuple[tuple[str, int], ...]:
        """The subjects whose accounts ended at this moment or later, each with the time."""
        return tuple(
            self._database.rows(
                "SELECT subject, ended_at FROM ended_accounts WHERE ended_at >= ?", (moment,)
            )
        )

    def may_be_over(self, issuer: str, jti: str, issued: int) -> bool:
        """Whether a token was revoked, or any account ended after it was issued: in one query, since it is nearly always neither."""
        row = self._database.row(
            "SELECT EXISTS (SELECT 1 FROM revocations WHERE jti = ? AND issuer IN (?, '')) "
            "OR EXISTS (SELECT 1 FROM ended_accounts WHERE ended_at >= ?)",
            (jti, issuer, issued),
        )
        return bool(row and row[0])

    def settle(self, marks: Mapping[str, str], ending: Ending) -> None:
        """End the accounts of the settings that are gone, and those whose mark changed. `marks` are those of now, by user name."""
        with self._database.transaction(REVOCATIONS) as db:
            before = dict(db.execute("SELECT username, mark FROM settings_accounts").fetchall())
            for username, mark in before.items():
                if mark != marks.get(username):
                    end_account(db, username, ending)
            db.execute("DELETE FROM settings_accounts")
            db.executemany(
                "INSERT INTO settings_accounts (username, mark) VALUES (?, ?)", tuple(marks.items())
            )

    def marks(self) -> Mapping[str, str]:
        """Those of the last start."""
        return dict(self._database.rows("SELECT username, mark FROM settings_accounts"))


def end_account(db: sqlite3.Connection, subject: str, ending: Ending) -> None:
    """End what the account has, inside a transaction of the caller, which must name the topic of revocations."""
    families = db.execute(
        "SELECT key FROM records WHERE person = ? AND person <> '' AND kind = ?", (subject, FAMILY)
    ).fetchall()
    for (family,) in (*families, (account_family(subject),)):
        end_family(db, family, ending.issuer, ending.now, ending.reason)
    db.execute(
        "DELETE FROM records WHERE person = ? AND person <> '' AND kind <> ?", (subject, FAMILY)
    )
    db.execute("DELETE FROM ended_accounts WHERE ended_at < ?", (ending.now - _REMEMBERED,))
    db.execute(
        "INSERT INTO ended_accounts (subject, ended_at) VALUES (?, ?) ON CONFLICT (subject) DO UPDATE SET ended_at = excluded.ended_at",
        (subject, ending.now),
    )
