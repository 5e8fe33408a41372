"""Rows of tables that a dump contains besides its documents: keys, digests and what was revoked.

What expires soon is not among them: sessions, codes, refresh tokens, consents, counters.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from kapi import error_codes
from kapi.errors import Problem
from kapi.store.engine.database import Connection, Database
from kapi.store.gateway.api_keys import TOPIC as API_KEYS
from kapi.store.keys import TOPIC as KEYS
from kapi.store.registered_clients import TOPIC as CLIENTS
from kapi.store.revocations import TOPIC as REVOCATIONS
from kapi.store.users import TOPIC as USERS

TABLES: Final = {
    "signing_keys": (
        "kid",
        "algorithm",
        "state",
        "private_pem",
        "created_at",
        "due_at",
    ),
    "platform_keys": ("name", "value"),
    "enforcer_keys": ("kid", "private_pem", "created_at"),
    "api_key_signers": ("kid", "private_pem", "created_at"),
    "api_keys": (
        *("id", "organization", "kind", "digest", "claims", "created_at", "expires_at"),
        "revoked",
    ),
    "registered_clients": (
        *(
            "id",
            "metadata",
            "salt",
            "secret_digest",
            "token_key",
            "created_at",
            "revision",
        ),
        "removed",
    ),
    "users": ("username", "digest", "profile", "created_at", "subject", "disabled"),
    "ended_accounts": ("subject", "ended_at"),
    "settings_accounts": ("username", "mark"),
    "revocations": ("issuer", "jti", "expires_at", "reason"),
}
"""Table → its columns. Only these are read from a dump.

A column that a later version adds has a default value: dumps of before do not have it.
"""
_TOPICS: Final = (KEYS, API_KEYS, CLIENTS, USERS, REVOCATIONS)
_FILLED: Final = ("apis", "users", "issuers", "secrets", "applications", "api_keys")
Rows = Mapping[str, Any]
"""Table → `columns` and `rows`, as JSON values: bytes are `{"base64": …}`."""


class Backups:
    """Reads and replaces these tables."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def filled(self) -> tuple[str, ...]:
        """What a platform has that is not empty: the tables that people and programs fill."""
        found = []
        for table in _FILLED:
            if self._database.row(f"SELECT 1 FROM {table} LIMIT 1"):  # noqa: S608 - a constant
                found.append(table)
        if self._database.row(
            "SELECT 1 FROM registered_clients WHERE removed = 0 LIMIT 1"
        ):
            found.append("registered_clients")
        return tuple(found)

    def read(self) -> dict[str, Any]:
        """All rows, of one moment."""
        with self._database.transaction() as db:
            return _rows(db)

    def replace(self, rows: Rows) -> Rows:
        """Replace the rows of these tables in one transaction; what was there before.

        Raises Problem if they are of a newer version.
        """
        _refuse_unknown(rows)
        with self._database.transaction(*_TOPICS) as db:
            before = _rows(db)
            for table in TABLES:
                db.execute(f"DELETE FROM {table}")  # noqa: S608 - a constant
                columns, values = _stored(table, rows.get(table))
                if values:
                    insert = _insert(table, columns)
                    db.executemany(insert, tuple(map(_values, values)))
        return before


def _rows(db: Connection) -> dict[str, Any]:
    found = {}
    for table, columns in TABLES.items():
        rows = [list(map(_json, row)) for row in _select(db, table)]
        found[table] = {"columns": list(columns), "rows": rows}
    return found


def _stored(table: str, stored: Any) -> tuple[Sequence[str], Sequence[Sequence[Any]]]:
    """Columns and rows of a table of a dump; the first dumps had rows alone."""
    if isinstance(stored, Mapping):
        return stored["columns"], stored["rows"]
    return TABLES[table], stored or ()


def _refuse_unknown(rows: Rows) -> None:
    """Raise Problem for tables and columns that this version does not know."""
    unknown = [table for table in rows if table not in TABLES]
    for table in TABLES:
        columns, _ = _stored(table, rows.get(table))
        unknown += [f"{table}.{name}" for name in columns if name not in TABLES[table]]
    if unknown:
        raise Problem.of(
            error_codes.INVALID_REQUEST,
            "The dump is of a newer version of kapi",
            f"This one does not know {', '.join(map(str, unknown[:9]))}.",
            "Restore it with that version, or a later one.",
        )


def _select(db: Connection, table: str) -> Iterable[Sequence[Any]]:
    columns = ", ".join(TABLES[table])
    key = TABLES[table][0]
    rows: Iterable[Sequence[Any]] = db.execute(
        f"SELECT {columns} FROM {table} ORDER BY {key}"  # noqa: S608 - constants
    ).fetchall()
    return rows


def _insert(table: str, columns: Sequence[str]) -> str:
    marks = ", ".join("?" * len(columns))
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608


def _json(value: Any) -> Any:
    if isinstance(value, bytes | memoryview):
        return {"base64": base64.b64encode(bytes(value)).decode("ascii")}
    return value


def _values(row: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(map(_value, row))


def _value(value: Any) -> Any:
    if isinstance(value, dict):
        return base64.b64decode(value["base64"])
    return value
