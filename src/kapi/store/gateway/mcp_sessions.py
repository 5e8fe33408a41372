"""Sessions of MCP clients at several servers behind one API, so that each node knows them.

One node holds a session: it has the stream of the client, and listens to the servers. The others
write what the client asks of them, and the holder takes it up. An ended session keeps its row for a
while, so that its id does not begin another one. Called by `gateway/mcp_changes/sessions.py`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, Final

from kapi.dataclass import dataclass
from kapi.store.engine.database import Database

TOPIC: Final = "mcp_sessions"
_COLUMNS: Final = "id, caller, node, uris, change, ended, expires_at"
_WRITE: Final = (
    f"INSERT INTO mcp_sessions ({_COLUMNS})"  # noqa: S608 - constants
    " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET node = excluded.node,"
    " uris = excluded.uris, change = excluded.change, ended = excluded.ended,"
    " expires_at = excluded.expires_at"
)
_KEEP: Final = (
    f"INSERT INTO mcp_sessions ({_COLUMNS})"  # noqa: S608 - constants
    " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET"
    " expires_at = excluded.expires_at WHERE mcp_sessions.ended = 0"
)
_READ: Final = f"SELECT {_COLUMNS} FROM mcp_sessions"  # noqa: S608 - a constant


@dataclass(frozen=True, slots=True)
class StoredSession:
    """A session. `expires_at` in seconds since the epoch."""

    id: str
    """A digest of what the client and the API are named by."""
    caller: str
    """A digest of the caller, whose sessions are counted."""
    node: str
    """The node that holds it."""
    uris: tuple[str, ...]
    expires_at: int
    change: int = 0
    """The number of the change that wrote it."""
    ended: bool = False


Edit = Callable[[StoredSession], StoredSession | None]


@dataclass(frozen=True, slots=True)
class Most:
    """How many sessions there may be, ended ones included until their rows are deleted."""

    of_caller: int
    of_all: int


class McpSessions:
    """The table of MCP sessions."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def change(
        self, session: StoredSession, now: int, edit: Edit, begin: Most | None
    ) -> StoredSession | None:
        """Change the stored session with this id; None if it is unknown, ended or one too many.

        `edit` returns the new one, or None to change nothing and return the stored one. One that is
        not stored begins as `session`, if `begin` is given.
        """
        if self._found(session, now, begin) is None:
            return None
        with self._database.transaction(TOPIC) as db:
            found = self._found(session, now, begin)
            edited = found and edit(found)
            if edited is None:
                return found
            written = replace(edited, change=self._database.version(TOPIC) + 1)
            db.execute(_WRITE, _row(written))
        return written

    def keep(self, sessions: Iterable[StoredSession]) -> None:
        """Let sessions expire later, as they say. One that was deleted is stored again."""
        with self._database.transaction(parallel=True) as db:
            db.executemany(_KEEP, list(map(_row, sessions)))

    def changed_since(self, change: int) -> tuple[StoredSession, ...]:
        """What was written after this change, in that order."""
        rows = self._database.rows(
            f"{_READ} WHERE change > ? ORDER BY change", (change,)
        )
        return tuple(map(_session, rows))

    def _found(
        self, session: StoredSession, now: int, begin: Most | None
    ) -> StoredSession | None:
        """The stored one, or the new one if it may begin."""
        row = self._database.row(
            f"{_READ} WHERE id = ? AND expires_at > ?", (session.id, now)
        )
        if row is None:
            return (
                session
                if begin is not None and self._have_room(session, begin)
                else None
            )
        found = _session(row)
        return None if found.ended else found

    def _have_room(self, session: StoredSession, most: Most) -> bool:
        count = "SELECT count(*) FROM mcp_sessions"
        ((of_caller,),) = self._database.rows(
            f"{count} WHERE caller = ?", (session.caller,)
        )
        ((of_all,),) = self._database.rows(count)
        return int(of_caller) < most.of_caller and int(of_all) < most.of_all


def _row(item: StoredSession) -> tuple[Any, ...]:
    uris = json.dumps(item.uris)
    times = (item.change, int(item.ended), item.expires_at)
    return (item.id, item.caller, item.node, uris, *times)


def _session(row: tuple[str, str, str, str, int, int, int]) -> StoredSession:
    key, caller, node, uris, change, ended, expires_at = row
    return StoredSession(
        key, caller, node, tuple(json.loads(uris)), expires_at, change, bool(ended)
    )
