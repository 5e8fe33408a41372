"""The records of the identity provider that expire, in one table. Some can be consumed, once.

The caller names the kind: codes, refresh tokens, sessions, pushed requests, ids of assertions. The
key of a secret is its digest (`key_of`), so that a copy of the database contains no usable secret.
Parallel transactions rely on the unique key, and on statements that change a row only while it is
as they expect it.
Called by `kapi.identity`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

from kapi.dataclass import dataclass
from kapi.store.engine.database import Connection, Database

_COLUMNS = "key, family, payload, expires_at, consumed_at"


@dataclass(frozen=True, slots=True)
class Record:
    """A record. Times are in seconds since the epoch; `consumed_at` is None until its use."""

    key: str
    family: str
    payload: Mapping[str, Any]
    expires_at: int
    consumed_at: int | None = None


def key_of(secret: str) -> str:
    """The key of a secret: its SHA-256 digest. The secret must have at least 128 random bits."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


class Records:
    """All records, by kind and key."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, kind: str, record: Record) -> None:
        """Store a record. Replaces the record with its key."""
        with self._database.transaction(parallel=True) as db:
            _put(db, kind, record)

    def add(self, kind: str, record: Record, now: int, holder: str = "") -> bool:
        """Store a record, and return True; return False if a valid one has its key (a replay).

        `holder` is the client or network whose quota it counts for; see `admit`.
        """
        with self._database.transaction(parallel=True) as db:
            db.execute(
                "DELETE FROM records WHERE kind = ? AND key = ? AND expires_at <= ?",
                (kind, record.key, now),
            )
            made = db.execute(
                "INSERT INTO records (kind, key, family, payload, expires_at, consumed_at, holder) "
                "VALUES (?, ?, ?, ?, ?, NULL, ?) "
                "ON CONFLICT (kind, key) DO NOTHING",
                (
                    kind,
                    record.key,
                    record.family,
                    json.dumps(record.payload),
                    record.expires_at,
                    holder,
                ),
            )
            return made.rowcount == 1

    def admit(
        self,
        kind: str,
        record: Record,
        now: int,
        *,
        holder: str,
        most: int,
        of_all: int,
    ) -> int:
        """Store a record for `holder`, and return 0.

        If the holder has `most` valid, unconsumed records of the kind, store nothing and return
        the seconds until one of them expires. If the kind as a whole exceeds `of_all` unconsumed
        records, delete those that expire first.
        """
        with self._database.transaction() as db:
            db.execute(
                "DELETE FROM records"
                " WHERE kind = ? AND holder = ? AND holder <> '' AND expires_at <= ?",
                (kind, holder, now),
            )
            seconds = self.full(kind, holder, now, most)
            if seconds:
                return seconds
            _put(db, kind, record, holder)
            _drop_first(
                db,
                "FROM records WHERE kind = ? AND holder <> '' AND consumed_at IS NULL",
                (kind,),
                of_all,
            )
        return 0

    def admit_newest(
        self, kind: str, record: Record, *, holder: str, most: int, of_all: int
    ) -> None:
        """Store a record for `holder`, who has at most `most` of the kind then.

        Those of the holder that expire first make room for it, and those of the kind that expire
        first if the kind as a whole has `of_all`.
        """
        held = "FROM records WHERE kind = ? AND holder <> ''"
        with self._database.transaction() as db:
            _drop_first(db, f"{held} AND holder = ?", (kind, holder), most - 1)
            _drop_first(db, held, (kind,), of_all - 1)
            _put(db, kind, record, holder)

    def open(
        self, kind: str, key: str, now: int, *, most: int, of_all: int
    ) -> Record | None:
        """A valid record that `admit` stored. It can be opened again; the first time consumes it.

        If its holder has more than `most` consumed records of the kind, or all holders together
        more than `of_all`, delete those that expire first.
        """
        with self._database.transaction() as db:
            row = db.execute(
                "UPDATE records SET consumed_at = COALESCE(consumed_at, ?) "  # noqa: S608
                "WHERE kind = ? AND key = ? AND expires_at > ? "
                f"RETURNING {_COLUMNS}, holder",
                (now, kind, key, now),
            ).fetchone()
            if row is None:
                return None
            taken = "FROM records WHERE kind = ? AND holder <> '' AND consumed_at IS NOT NULL"
            _drop_first(db, f"{taken} AND holder = ?", (kind, row[5]), most)
            _drop_first(db, taken, (kind,), of_all)
        return _record(row[:5])

    def full(self, kind: str, holder: str, now: int, most: int) -> int:
        """Seconds until a holder with `most` valid, unconsumed records may store one more; or 0."""
        count, first = self._database.rows(
            "SELECT count(*), min(expires_at) FROM records "
            "WHERE kind = ? AND holder = ? AND holder <> ''"
            " AND consumed_at IS NULL AND expires_at > ?",
            (kind, holder, now),
        )[0]
        if count >= most:
            return int(first) - now
        return 0

    def get(self, kind: str, key: str, now: int) -> Record | None:
        """A valid record, consumed or not, or None."""
        row = self._database.row(
            f"SELECT {_COLUMNS} FROM records "  # noqa: S608 - a constant
            "WHERE kind = ? AND key = ? AND expires_at > ?",
            (kind, key, now),
        )
        if row is None:
            return None
        return _record(row)

    def take(self, kind: str, key: str, now: int) -> tuple[Record, bool] | None:
        """Consume a valid record: the record, and whether this call consumed it; or None.

        Of any number of parallel calls, exactly one consumes it.
        """
        with self._database.transaction(parallel=True) as db:
            first = db.execute(
                "UPDATE records SET consumed_at = ?"
                " WHERE kind = ? AND key = ? AND expires_at > ? AND consumed_at IS NULL",
                (now, kind, key, now),
            ).rowcount
            row = db.execute(
                f"SELECT {_COLUMNS} FROM records "  # noqa: S608 - a constant
                "WHERE kind = ? AND key = ? AND expires_at > ?",
                (kind, key, now),
            ).fetchone()
        if row is None:
            return None
        return (_record(row), first == 1)

    def pop(self, kind: str, key: str, now: int) -> Record | None:
        """Delete a valid record and return it, or None. Of parallel calls, one gets it."""
        with self._database.transaction(parallel=True) as db:
            row = db.execute(
                f"DELETE FROM records WHERE kind = ? AND key = ? AND expires_at > ? "  # noqa: S608
                f"RETURNING {_COLUMNS}",
                (kind, key, now),
            ).fetchone()
        if row is None:
            return None
        return _record(row)

    def update(
        self,
        kind: str,
        key: str,
        now: int,
        change: Callable[[Record], Mapping[str, Any] | None],
    ) -> Record | None:
        """Replace the payload of a valid record in one transaction.

        `change` returns the new payload, or None to keep the current one.
        """
        with self._database.transaction() as db:
            row = db.execute(
                f"SELECT {_COLUMNS} FROM records "  # noqa: S608 - a constant
                "WHERE kind = ? AND key = ? AND expires_at > ?",
                (kind, key, now),
            ).fetchone()
            if row is None:
                return None
            record = _record(row)
            payload = change(record)
            if payload is None:
                return record
            db.execute(
                "UPDATE records SET payload = ? WHERE kind = ? AND key = ?",
                (json.dumps(payload), kind, key),
            )
            return Record(
                record.key,
                record.family,
                payload,
                record.expires_at,
                record.consumed_at,
            )

    def put_newest(self, kind: str, record: Record, most: int) -> None:
        """Store a record. Replaces the record with its key.

        If its kind and family have more than `most` records, delete those that expire first.
        """
        with self._database.transaction() as db:
            _put(db, kind, record)
            db.execute(
                "DELETE FROM records WHERE kind = ? AND family = ? AND key NOT IN "
                "(SELECT key FROM records WHERE kind = ? AND family = ?"
                " ORDER BY expires_at DESC LIMIT ?)",
                (kind, record.family, kind, record.family, most),
            )

    def delete(self, kind: str, key: str) -> None:
        """Delete a record."""
        with self._database.transaction(parallel=True) as db:
            db.execute("DELETE FROM records WHERE kind = ? AND key = ?", (kind, key))

    def delete_held(self, kind: str, holder: str) -> None:
        """Delete the records of a kind that count for a holder."""
        with self._database.transaction(parallel=True) as db:
            db.execute(
                "DELETE FROM records WHERE kind = ? AND holder = ? AND holder <> ''",
                (kind, holder),
            )

    def page(
        self, kind: str, now: int, *, person: str = "", after: str = "", most: int
    ) -> tuple[Record, ...]:
        """At most `most` valid records of a kind whose keys follow `after`, ordered by key.

        Only those of a person, if one is named by the subject of the account.
        """
        narrower = ""
        values: tuple[Any, ...] = (kind, after, now)
        if person:
            narrower, values = "AND person = ? AND person <> '' ", (*values, person)
        rows = self._database.rows(
            f"SELECT {_COLUMNS} FROM records WHERE kind = ? AND key > ? "  # noqa: S608
            f"AND expires_at > ? {narrower}ORDER BY key LIMIT ?",
            (*values, most),
        )
        return tuple(map(_record, rows))

    def family(self, kind: str, family: str, now: int) -> tuple[Record, ...]:
        """The valid records of a kind in a family."""
        rows = self._database.rows(
            f"SELECT {_COLUMNS} FROM records "  # noqa: S608 - a constant
            "WHERE kind = ? AND family = ? AND expires_at > ? ORDER BY key",
            (kind, family, now),
        )
        return tuple(map(_record, rows))

    def delete_family(self, family: str) -> None:
        """Delete all records of a family."""
        with self._database.transaction() as db:
            db.execute("DELETE FROM records WHERE family = ?", (family,))


def _drop_first(
    db: Connection, selected: str, values: tuple[str, ...], most: int
) -> None:
    """Delete the records beyond `most` that expire first. `selected` is FROM and WHERE."""
    over = db.execute(f"SELECT count(*) {selected}", values).fetchone()[0] - most
    if over > 0:
        first = f"SELECT key {selected} ORDER BY expires_at LIMIT ?"
        db.execute(
            f"DELETE FROM records WHERE kind = ? AND key IN ({first})",  # noqa: S608 - constants
            (values[0], *values, over),
        )


def _put(db: Connection, kind: str, record: Record, holder: str = "") -> None:
    db.execute(
        "INSERT INTO records (kind, key, family, payload, expires_at, consumed_at, holder) "
        "VALUES (?, ?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (kind, key) DO UPDATE SET family = excluded.family, payload ="
        " excluded.payload, "
        "expires_at = excluded.expires_at, consumed_at = excluded.consumed_at, holder ="
        " excluded.holder",
        (
            kind,
            record.key,
            record.family,
            json.dumps(record.payload),
            record.expires_at,
            record.consumed_at,
            holder,
        ),
    )


def _record(row: tuple[str, str, str, int, int | None]) -> Record:
    return Record(row[0], row[1], json.loads(row[2]), row[3], row[4])
