"""Copies all data from one database to another, of whatever engines; for `kapi store copy`.

Both are locked for writes meanwhile. Afterwards a digest of every table is compared: the sum of the
SHA-256 of its rows, which does not depend on their order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any, Final

from kapi.dataclass import dataclass
from kapi.errors import KapiError
from kapi.store.engine.database import Connection, Database

TABLES: Final = {
    "signing_keys": ("kid",),
    "apis": ("id",),
    "rendered": ("fingerprint", "kind", "name"),
    "records": ("kind", "key"),
    "platform_keys": ("name",),
    "registered_clients": ("id",),
    "users": ("username",),
    "issuers": ("name",),
    "issuer_keys": ("name",),
    "revocations": ("issuer", "jti"),
    "api_keys": ("id",),
    "api_key_signers": ("kid",),
    "secrets": ("organization", "name", "secret_key"),
    "counters": ("node", "name", "unit"),
    "applications": ("id",),
    "application_keys": ("organization", "consumer_key"),
    "subscriptions": ("id",),
    "declared": ("kind", "id"),
    "enforcer_keys": ("kid",),
    "modules": ("api_id", "url"),
    "module_contents": ("sha256",),
    "nodes": ("id",),
    "leases": ("name",),
    "duties": ("name",),
    "audit": ("id",),
    "tries": ("name",),
    "ended_accounts": ("subject",),
    "settings_accounts": ("username",),
    "mcp_sessions": ("id",),
    "logout_notices": ("sid", "client_id"),
    "changes": ("topic",),
}
"""Every table with its key; a table follows those that it refers to."""
COMPUTED: Final = frozenset({"person"})
"""Columns that the engine computes."""
_BATCH: Final = 500
_MODULUS: Final = 1 << 256


@dataclass(frozen=True, slots=True)
class CopiedTable:
    """A copied table. `digest` is the same in both databases."""

    name: str
    rows: int
    digest: str


def copy(source: Database, target: Database) -> tuple[CopiedTable, ...]:
    """Copy all tables in one transaction.

    Raises KapiError, with nothing changed, if the target has data or a digest differs.
    """
    with source.transaction() as read, target.transaction() as written:
        _refuse_filled(written, target.engine.where)
        return tuple(_copy_table(name, read, written) for name in TABLES)


def _refuse_filled(db: Connection, where: str) -> None:
    filled = [name for name in TABLES if _has_rows(name, db)]
    if filled:
        raise KapiError(
            "store",
            f"{where} has data already",
            f"Tables with rows: {', '.join(filled)}.",
            "Name an empty database as the target.",
        )


def _has_rows(name: str, db: Connection) -> bool:
    return db.execute(f"SELECT 1 FROM {name} LIMIT 1").fetchone() is not None  # noqa: S608


def _copy_table(name: str, source: Connection, target: Connection) -> CopiedTable:
    columns = _columns(name, source)
    insert = (
        f"INSERT INTO {name} ({', '.join(columns)})"  # noqa: S608 - names of the schema
        f" VALUES ({', '.join('?' * len(columns))})"
    )
    for batch in _batches(name, columns, source):
        target.executemany(insert, batch)
    before, after = _digest(name, columns, source), _digest(name, columns, target)
    if before != after:
        raise KapiError(
            "store",
            f"the copy of the table {name} differs",
            f"{before.rows} rows with the digest {before.digest} became {after.rows} rows with"
            f" the digest {after.digest}. Nothing was copied.",
            "Report this as a fault of kapi.",
        )
    return after


def _columns(name: str, db: Connection) -> list[str]:
    """The columns that are stored."""
    cursor: Any = db.execute(f"SELECT * FROM {name} LIMIT 0")  # noqa: S608
    return [column[0] for column in cursor.description if column[0] not in COMPUTED]


def _batches(name: str, columns: list[str], db: Connection) -> Iterator[list[Any]]:
    """All rows, some at a time, in the order of the key."""
    keys = TABLES[name]
    key, marks = ", ".join(keys), ", ".join("?" * len(keys))
    select = f"SELECT {', '.join(columns)} FROM {name}"  # noqa: S608
    order = f" ORDER BY {key} LIMIT {_BATCH}"
    places = [columns.index(column) for column in keys]
    rows = db.execute(select + order).fetchall()
    while rows:
        yield rows
        last = tuple(rows[-1][place] for place in places)
        rows = db.execute(f"{select} WHERE ({key}) > ({marks}){order}", last).fetchall()


def _digest(name: str, columns: list[str], db: Connection) -> CopiedTable:
    total = count = 0
    for batch in _batches(name, columns, db):
        for row in batch:
            total += int.from_bytes(hashlib.sha256(repr(tuple(row)).encode()).digest())
            count += 1
    return CopiedTable(name, count, f"{total % _MODULUS:064x}")
