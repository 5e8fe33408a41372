"""Token families: the refresh and access tokens that one authorization issued (RFC 9700 §4.14.2).

A family is a row of kind `family` in `records`. Its key is the id of the family, and its column
`family` names the session. Every call is one transaction: of parallel uses of a token, one
succeeds, and a revoked family stays revoked. Issuing runs parallel; revoking runs alone, so that it
finds all tokens of the family. A session, or a consent, ends with the families and codes that it
authorized. Called by `kapi.identity`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal, Protocol

from kapi.dataclass import dataclass
from kapi.store.engine.database import Connection, Database
from kapi.store.logout_notices import note_end
from kapi.store.records import Record
from kapi.store.revocations import TOPIC, Revocation, write_revocation

FAMILY, REFRESH, ACCESS, SESSION = "family", "refresh", "access", "session"
"""Kinds of records."""
CONSOLE_SESSION = "console-session"
"""Kind of the console's sessions; their holder is the subject of the person."""
OFFLINE = "offline_access"
"""The scope of what outlives the session."""
_ACCOUNT = "account "
_SELECT = (
    "SELECT key, family, payload, expires_at, consumed_at FROM records"
    " WHERE kind = ? AND key = ? AND expires_at > ?"
)
_USE = (
    "UPDATE records SET consumed_at = ?, payload = ?"
    " WHERE kind = ? AND key = ? AND expires_at > ? AND consumed_at IS NULL AND EXISTS "
    "(SELECT 1 FROM records f WHERE f.kind = ? AND f.key = records.family AND f.expires_at > ?"
    " AND f.consumed_at IS NULL) RETURNING family"
)
_INSERT = (
    "INSERT INTO records (kind, key, family, payload, expires_at, consumed_at)"
    " VALUES (?, ?, ?, ?, ?, NULL)"
)


@dataclass(frozen=True, slots=True)
class Issue:
    """Tokens that are issued together. Times are in seconds since the epoch.

    `refresh_key` is empty if there is no refresh token.
    """

    jti: str
    access_expires_at: int
    refresh_key: str = ""
    refresh_expires_at: int = 0


class Session(Protocol):
    """What is needed of a session: its id, and the subject of its person."""

    @property
    def sid(self) -> str:
        """The id of the session (`sid`)."""

    @property
    def user(self) -> str:
        """The subject of the person."""


@dataclass(frozen=True, slots=True)
class Authorized:
    """A session or family, or a code or decided request that was not redeemed."""

    kind: str
    key: str
    authorization: Mapping[str, Any]

    def end(self, db: Connection, issuer: str, now: int, reason: str) -> None:
        """End it in a transaction of the caller, which must name the topic of revocations."""
        if self.kind == FAMILY:
            end_family(db, self.key, issuer, now, reason)
            return
        db.execute(
            "DELETE FROM records WHERE kind = ? AND key = ? AND consumed_at IS NULL",
            (self.kind, self.key),
        )
        if self.kind == SESSION:
            note_end(db, self.authorization, now)


Rotation = Literal["rotated", "reused", "unknown"]


class Families:
    """The table of token families."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def start(
        self,
        family: Record,
        issue: Issue,
        now: int,
        source: tuple[str, str] | None = None,
    ) -> bool:
        """Create a family with its first tokens, and return True.

        Consumes `source`, the kind and key of a code, in the same transaction. If it was consumed
        before or does not exist, return False and create nothing.
        """
        with self._database.transaction(parallel=True) as db:
            if source is not None and not _take(db, *source, now):
                return False
            db.execute(
                _INSERT,
                (
                    FAMILY,
                    family.key,
                    family.family,
                    json.dumps(family.payload),
                    family.expires_at,
                ),
            )
            _insert(db, family.key, issue)
        return True

    def rotate(
        self, refresh_key: str, issue: Issue, now: int, grace: int = 0
    ) -> Rotation:
        """Consume a refresh token and store its successor.

        A second use is `reused`. Within `grace` seconds, and while the first successor is unused,
        it replaces that successor instead.
        """
        with self._database.transaction(parallel=True) as db:
            # The common case, the first use of a token of a valid family, is one statement.
            first = db.execute(
                _USE,
                (
                    now,
                    json.dumps({"next": issue.refresh_key}),
                    REFRESH,
                    refresh_key,
                    now,
                    FAMILY,
                    now,
                ),
            ).fetchone()
            if first is not None:
                _insert(db, first[0], issue)
                return "rotated"
            row = db.execute(_SELECT, (REFRESH, refresh_key, now)).fetchone()
            if row is None or not _alive(db, row[1], now):
                return "unknown"
            if not _forgiven(db, row, now, grace):
                return "reused"
            db.execute(
                "UPDATE records SET payload = ? WHERE kind = ? AND key = ?",
                (json.dumps({"next": issue.refresh_key}), REFRESH, refresh_key),
            )
            _insert(db, row[1], issue)
        return "rotated"

    def use(
        self, refresh_key: str, issue: Issue, now: int, expires_at: int
    ) -> Rotation:
        """Issue an access token for a refresh token that stays valid.

        It is valid until `expires_at`, or as long as before, whichever is later.


        One that was taken before, when it still rotated, is `reused`.
        """
        with self._database.transaction(parallel=True) as db:
            row = db.execute(_SELECT, (REFRESH, refresh_key, now)).fetchone()
            if row is None or not _alive(db, row[1], now):
                return "unknown"
            if row[4] is not None:
                return "reused"
            later = max(row[3], expires_at)
            db.execute(
                "UPDATE records SET expires_at = ? WHERE kind = ? AND key = ?",
                (later, REFRESH, refresh_key),
            )
            _insert(db, row[1], issue)
        return "rotated"

    def tie(self, subject: str, jti: str, expires_at: int) -> None:
        """Bind an access token without a family to the account of its person: it ends with it."""
        with self._database.transaction(parallel=True) as db:
            _insert(db, account_family(subject), Issue(jti, expires_at))

    def person_of(self, jti: str, now: int) -> str:
        """The subject of the account that an access token is bound to, or an empty text."""
        issued = self.of_access(jti, now)
        if issued is None:
            return ""
        if issued.family.startswith(_ACCOUNT):
            return issued.family.removeprefix(_ACCOUNT)
        family = self.get(issued.family, now)
        if family is None:
            return ""
        return str(family.payload["user"])

    def get(self, family: str, now: int) -> Record | None:
        """A family that was not revoked, or None."""
        return self._get(FAMILY, family, now, "AND consumed_at IS NULL")

    def of_refresh(self, refresh_key: str, now: int) -> Record | None:
        """The record of a refresh token, used or not, or None; its `family` names the family."""
        return self._get(REFRESH, refresh_key, now)

    def alive_by_refresh(self, refresh_key: str, now: int) -> Record | None:
        """The valid family of a refresh token, used or not, in one query; None if there is none."""
        row = self._database.row(
            "SELECT f.key, f.family, f.payload, f.expires_at, f.consumed_at "
            "FROM records r JOIN records f ON f.kind = ? AND f.key = r.family "
            "WHERE r.kind = ? AND r.key = ? AND r.expires_at > ?"
            " AND f.expires_at > ? AND f.consumed_at IS NULL",
            (FAMILY, REFRESH, refresh_key, now, now),
        )
        if row is None:
            return None
        return _record(row)

    def of_access(self, jti: str, now: int) -> Record | None:
        """The record of an access token of a family, or None; its `family` names the family."""
        return self._get(ACCESS, jti, now)

    def revoke(self, family: str, issuer: str, now: int, reason: str = "") -> None:
        """End a family: its refresh tokens and its valid access tokens are refused everywhere."""
        with self._database.transaction(TOPIC) as db:
            end_family(db, family, issuer, now, reason)

    def revoke_session(
        self, session: Session, issuer: str, now: int, reason: str
    ) -> None:
        """End a session and what it authorized, also codes and decided requests not yet redeemed.

        What has the scope `offline_access` goes on (OpenID Connect Core §11).
        """
        with self._database.transaction(TOPIC) as db:
            for item in authorizations(db, session.user, now):
                scopes = str(item.authorization.get("scope", "")).split(" ")
                if (
                    item.authorization.get("sid") == session.sid
                    and OFFLINE not in scopes
                ):
                    item.end(db, issuer, now, reason)

    def revoke_consent(
        self, consent: Record, issuer: str, now: int, reason: str
    ) -> None:
        """End a consent and all that its person authorized its client to, redeemed or not."""
        user, client_id = consent.payload["user"], consent.payload["client_id"]
        with self._database.transaction(TOPIC) as db:
            db.execute(
                "DELETE FROM records WHERE kind = 'consent' AND key = ?", (consent.key,)
            )
            for item in authorizations(db, user, now):
                if item.authorization.get("client_id") == client_id:
                    item.end(db, issuer, now, reason)

    def _get(self, kind: str, key: str, now: int, more: str = "") -> Record | None:
        row = self._database.row(f"{_SELECT} {more}", (kind, key, now))
        if row is None:
            return None
        return _record(row)


def account_family(subject: str) -> str:
    """The record that binds an access token without a family to the account of its person."""
    return f"{_ACCOUNT}{subject}"


def end_family(db: Connection, family: str, issuer: str, now: int, reason: str) -> None:
    """End a family inside a transaction of the caller, which must name the topic of revocations."""
    db.execute(
        "UPDATE records SET consumed_at = ? WHERE kind = ? AND key = ? AND consumed_at IS NULL",
        (now, FAMILY, family),
    )
    db.execute(
        "UPDATE records SET consumed_at = ? WHERE kind = ? AND family = ? AND consumed_at IS NULL",
        (now, REFRESH, family),
    )
    issued = db.execute(
        "SELECT key, expires_at FROM records WHERE kind = ? AND family = ?",
        (ACCESS, family),
    ).fetchall()
    for jti, expires_at in issued:
        write_revocation(db, Revocation(jti, expires_at, issuer), reason)
    db.execute("DELETE FROM records WHERE kind = ? AND family = ?", (ACCESS, family))


def authorizations(db: Connection, user: str, now: int) -> list[Authorized]:
    """The sessions of a person, and all that the person authorized and that is valid."""
    rows = db.execute(
        "SELECT kind, key, payload FROM records WHERE person = ? AND person <> ''"
        " AND kind IN ('session', 'family', 'code', 'device', 'ciba') AND consumed_at IS NULL"
        " AND expires_at > ? ORDER BY kind, key",
        (user, now),
    ).fetchall()
    found = []
    for kind, key, text in rows:
        payload = json.loads(text)
        if kind not in {FAMILY, SESSION}:
            payload = payload.get("authorization") or {}
        found.append(Authorized(kind, key, payload))
    return found


def _take(db: Connection, kind: str, key: str, now: int) -> bool:
    taken = db.execute(
        "UPDATE records SET consumed_at = ?"
        " WHERE kind = ? AND key = ? AND expires_at > ? AND consumed_at IS NULL",
        (now, kind, key, now),
    )
    return taken.rowcount == 1


def _alive(db: Connection, family: str, now: int) -> bool:
    row = db.execute(_SELECT, (FAMILY, family, now)).fetchone()
    return row is not None and row[4] is None


def _forgiven(db: Connection, row: tuple[Any, ...], now: int, grace: int) -> bool:
    """Whether a used refresh token may be used again. What its first use issued is deleted then."""
    if now - row[4] > grace or grace <= 0:
        return False
    following = json.loads(row[2]).get("next", "")
    gone = db.execute(
        "DELETE FROM records WHERE kind = ? AND key = ? AND consumed_at IS NULL",
        (REFRESH, following),
    )
    return gone.rowcount == 1


def _insert(db: Connection, family: str, issue: Issue) -> None:
    access = (ACCESS, issue.jti, family, "{}", issue.access_expires_at)
    if issue.refresh_key:
        db.execute(
            f"{_INSERT}, (?, ?, ?, ?, ?, NULL)",
            (
                *access,
                REFRESH,
                issue.refresh_key,
                family,
                "{}",
                issue.refresh_expires_at,
            ),
        )
    else:
        db.execute(_INSERT, access)


def _record(row: tuple[Any, ...]) -> Record:
    payload: Mapping[str, Any] = json.loads(row[2])
    return Record(row[0], row[1], payload, row[3], row[4])
