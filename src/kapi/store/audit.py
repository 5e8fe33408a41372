"""The audit log in the store: who did what, with which token and from where.

Rows are only appended. The newest rows of each class are kept, so that failures, which anybody can
cause, never push out changes. `kapi.front` reads it; all processes append to it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, field
from typing import Any, Final

import orjson

from kapi.dataclass import dataclass
from kapi.store.engine.database import Connection, Database

SUCCESS, FAILURE = "success", "failure"
CHANGE, SIGN_IN, FAILED = "change", "sign_in", "failed"
"""Classes: changes by callers who are known, people who signed in, and failures."""

_LONGEST: Final = 256
"""Characters of a text."""
_LAST: Final = "SELECT coalesce(max(id), 0) FROM audit"
_INSERT: Final = (
    "INSERT INTO audit (id, class, at, organization, event, document)"
    " VALUES (?, ?, ?, ?, ?, ?)"
)
_TRIM: Final = (
    "DELETE FROM audit WHERE class = ? AND id <="
    " (SELECT id FROM audit WHERE class = ? ORDER BY id DESC LIMIT 1 OFFSET ?)"
)
_OF_EVENT: Final = (
    "event = ? OR substr(event, 1, ?) = ?"
    " OR (substr(event, 1, ?) = ? AND replace(event, '.', '') = event)"
)
"""An event, the first word of `api.deploy`, or that of `sign_in`; `api` is not of `api_key.add`."""
_SELECT: Final = "SELECT id, document FROM audit WHERE id > ?"


@dataclass(frozen=True, slots=True)
class Event:
    """One entry. Texts are at most 256 characters; empty ones are left out when it is shown."""

    event: str
    """What was done, such as `api.deploy`."""
    outcome: str = SUCCESS
    target: str = ""
    """What it was done to: a name or an id."""
    detail: str = ""
    subject: str = ""
    client: str = ""
    issuer: str = ""
    token: str = ""
    """`jti` of the access token."""
    address: str = ""
    """Address of the caller."""
    organization: str = ""
    class_: str = CHANGE
    at: int = field(default_factory=lambda: time.time_ns() // 1_000_000)
    """Milliseconds since 1970."""

    def shown(self) -> dict[str, Any]:
        """JSON-ready values."""
        values = asdict(self)
        del values["class_"]
        seconds, milliseconds = divmod(values.pop("at"), 1000)
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
        texts = {name: str(value)[:_LONGEST] for name, value in values.items() if value}
        return {"time": f"{stamp}.{milliseconds:03}Z", **texts}


@dataclass(frozen=True, slots=True)
class Sought:
    """Which entries; empty means any."""

    organization: str = ""
    event: str = ""
    """An event, or its first word: `api` of `api.deploy`, `sign` of `sign_in`."""
    failed: bool = False
    by: str = ""
    """A subject or a client."""

    def takes(self, shown: Mapping[str, Any]) -> bool:
        """Whether it is one of them."""
        if self.failed and shown.get("outcome") != FAILURE:
            return False
        return not self.by or self.by in (shown.get("subject"), shown.get("client"))


class AuditStore:
    """The table of the audit log."""

    def __init__(self, database: Database, most: int) -> None:
        """`most`: rows of each class. Up to a hundredth more are kept before some are deleted."""
        self._database = database
        self._most = most
        self._turn = max(1, most // 100)
        """How many entries come between two deletions: each visits all rows of a class."""

    def append(self, event: Event) -> int:
        """Append an entry; returns its number, which is one more than that of the last."""
        with self._database.transaction() as db:
            return self.append_within(db, event)

    def append_within(self, db: Connection, event: Event) -> int:
        """The same within a transaction."""
        document = orjson.dumps(event.shown()).decode()
        number = int(db.execute(_LAST).fetchone()[0]) + 1
        row = (
            number,
            event.class_,
            event.at,
            event.organization,
            event.event,
            document,
        )
        db.execute(_INSERT, row)
        if number % self._turn == 0:
            for class_ in (CHANGE, SIGN_IN, FAILED):
                db.execute(_TRIM, (class_, class_, self._most))
        return number

    def newest(self, sought: Sought, most: int) -> list[dict[str, Any]]:
        """At most `most` entries, the newest last."""
        return self._read(sought, 0, most, "DESC")[::-1]

    def after(self, number: int, sought: Sought, most: int) -> list[dict[str, Any]]:
        """At most `most` entries after one, the newest last."""
        return self._read(sought, number, most, "ASC")

    def _read(
        self, sought: Sought, number: int, most: int, order: str
    ) -> list[dict[str, Any]]:
        sql = _SELECT
        values: list[Any] = [number]
        if sought.organization:
            sql, values = f"{sql} AND organization = ?", [*values, sought.organization]
        if sought.event:
            sql, size = f"{sql} AND ({_OF_EVENT})", len(sought.event) + 1
            more = (sought.event, size, f"{sought.event}.", size, f"{sought.event}_")
            values = [*values, *more]
        found: list[dict[str, Any]] = []
        for row, document in self._database.rows(f"{sql} ORDER BY id {order}", values):
            shown = {"id": row, **orjson.loads(document)}
            if sought.takes(shown):
                found.append(shown)
            if len(found) >= most:
                break
        return found
