"""Ends accounts: revokes their sessions, tokens, codes, consents, device and CIBA requests.

An account ends when it is removed or disabled, and when its password changes. The subject of a
removed account is not used again (OpenID Connect Core §2, §5.7). What a person has in an
organization ends when the person leaves it. Called by `users.py` and `kapi.identity`.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping

from kapi.dataclass import dataclass
from kapi.store.engine.database import Connection, Database
from kapi.store.families import (
    CONSOLE_SESSION,
    FAMILY,
    SESSION,
    account_family,
    authorizations,
    end_family,
)
from kapi.store.logout_notices import note_end
from kapi.store.revocations import TOPIC as REVOCATIONS

_LEFT = "the person left the organization"
"""The reason of revocations, in place of that of the change that the person left it by."""
_REMEMBERED = 366 * 24 * 3600
"""Seconds: no token is valid for longer."""


@dataclass(frozen=True, slots=True)
class Ending:
    """The reason and the time of a revocation. `issuer` issued the tokens; `now` is in seconds."""

    issuer: str
    now: int
    reason: str


class Accounts:
    """When accounts were ended last, and the accounts of the settings."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def ended_at(self, subject: str) -> int:
        """When the account was ended last, in seconds since the epoch; 0: never."""
        row = self._database.row(
            "SELECT ended_at FROM ended_accounts WHERE subject = ?", (subject,)
        )
        if row is None:
            return 0
        return int(row[0])

    def ended_since(self, moment: int) -> tuple[tuple[str, int], ...]:
        """The subjects whose accounts ended at this moment or later, each with the time."""
        return tuple(
            self._database.rows(
                "SELECT subject, ended_at FROM ended_accounts WHERE ended_at >= ?",
                (moment,),
            )
        )

    def may_be_over(self, issuer: str, jti: str, issued: int) -> bool:
        """Whether a token was revoked, or an account was ended after it was issued.

        One query answers both, because nearly always neither is the case.
        """
        row = self._database.row(
            "SELECT EXISTS (SELECT 1 FROM revocations WHERE jti = ? AND issuer IN (?, '')) "
            "OR EXISTS (SELECT 1 FROM ended_accounts WHERE ended_at >= ?)",
            (jti, issuer, issued),
        )
        return bool(row and row[0])

    def settle(self, marks: Mapping[str, str], ending: Ending) -> None:
        """End the accounts that are no longer in the settings, and those whose mark changed.

        `marks` contains the mark of each account in the current settings, by user name.
        """
        with self._database.transaction(REVOCATIONS) as db:
            before = dict(
                db.execute("SELECT username, mark FROM settings_accounts").fetchall()
            )
            for username, mark in before.items():
                if mark != marks.get(username):
                    end_account(db, username, ending)
            db.execute("DELETE FROM settings_accounts")
            db.executemany(
                "INSERT INTO settings_accounts (username, mark) VALUES (?, ?)",
                tuple(marks.items()),
            )

    def marks(self) -> Mapping[str, str]:
        """The marks at the last start, by user name."""
        return dict(self._database.rows("SELECT username, mark FROM settings_accounts"))


def end_account(db: Connection, subject: str, ending: Ending) -> None:
    """End an account in a transaction of the caller, which must name the topic of revocations."""
    families = db.execute(
        "SELECT key FROM records WHERE person = ? AND person <> '' AND kind = ?",
        (subject, FAMILY),
    ).fetchall()
    for (family,) in (*families, (account_family(subject),)):
        end_family(db, family, ending.issuer, ending.now, ending.reason)
    _end_sessions(db, "person = ? AND person <> ''", subject, ending.now)
    db.execute(
        "DELETE FROM records WHERE kind = ? AND holder = ? AND holder <> ''",
        (CONSOLE_SESSION, subject),
    )
    db.execute(
        "DELETE FROM records WHERE person = ? AND person <> '' AND kind <> ?",
        (subject, FAMILY),
    )
    db.execute(
        "DELETE FROM ended_accounts WHERE ended_at < ?", (ending.now - _REMEMBERED,)
    )
    db.execute(
        (
            "INSERT INTO ended_accounts (subject, ended_at) VALUES (?, ?) ON CONFLICT (subject)"
            " DO UPDATE SET ended_at = excluded.ended_at"
        ),
        (subject, ending.now),
    )


def end_other_organizations(
    db: Connection, subject: str, organizations: Collection[str], ending: Ending
) -> None:
    """End what a person has in other organizations, sessions too; an empty one is none.

    In a transaction of the caller, which must name the topic of revocations.
    """
    for item in authorizations(db, subject, ending.now):
        if item.authorization.get("organization", "") in organizations:
            continue
        if item.kind == SESSION:
            _end_sessions(db, "key = ?", item.key, ending.now)
        else:
            item.end(db, ending.issuer, ending.now, _LEFT)


def _end_sessions(db: Connection, which: str, value: str, now: int) -> None:
    """End sessions. Their clients are told later (Back-Channel Logout)."""
    rows = db.execute(
        f"DELETE FROM records WHERE kind = ? AND {which} RETURNING payload",  # noqa: S608
        (SESSION, value),
    ).fetchall()
    for (payload,) in rows:
        note_end(db, json.loads(payload), now)
