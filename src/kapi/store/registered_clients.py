"""Clients that were registered at run time (RFC 7591), besides those of the settings."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import field
from typing import Any, Final

from kapi.dataclass import dataclass
from kapi.errors import StorageBusy
from kapi.store.engine.database import Database
from kapi.store.gateway.declared import forget_declared

TOPIC = "clients"
_ATTEMPTS: Final = 50
_COLUMNS = "id, metadata, salt, secret_digest, token_key, created_at, revision, removed"


@dataclass(frozen=True, slots=True)
class RegisteredClient:
    """One client. `metadata` has its registered members.

    `created_at` is in seconds since the epoch.
    """

    id: str
    metadata: Mapping[str, Any]
    salt: bytes = field(repr=False)
    secret_digest: bytes = field(repr=False)
    """Salted SHA-256 of its secret; empty when it has none."""
    token_key: str = field(repr=False)
    """Digest of its registration access token; empty when it has none."""
    created_at: int
    revision: int = 0
    """Grows with every change of any client."""
    removed: bool = False


class _ChangedMeanwhile(Exception):
    """Another request has changed the client."""


class RegisteredClients:
    """The table of registered clients."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, client: RegisteredClient) -> None:
        """Keep a client, replacing the one with its id."""
        self._write(client, removed=False)

    def change(
        self, client_id: str, changed: Callable[[RegisteredClient], RegisteredClient]
    ) -> RegisteredClient | None:
        """Replace a client by what `changed` makes of it; None if there is none.

        `changed` may take long: it runs outside the transaction, and again if another request
        changed the client meanwhile. Raises StorageBusy if that happens each time.
        """
        for _ in range(_ATTEMPTS):
            before = self.get(client_id)
            if before is None:
                return None
            after = changed(before)
            with suppress(_ChangedMeanwhile):
                self._replace(after, before.revision)
                return after
        raise StorageBusy

    def remove(self, client_id: str) -> bool:
        """Forget a client; whether there was one."""
        found = self.get(client_id)
        if found is not None:
            self._write(
                RegisteredClient(client_id, {}, b"", b"", "", found.created_at),
                removed=True,
            )
        return found is not None

    def get(self, client_id: str) -> RegisteredClient | None:
        """A client that was not removed, or None."""
        row = self._database.row(
            f"SELECT {_COLUMNS} FROM registered_clients WHERE id = ? AND removed = 0",  # noqa: S608
            (client_id,),
        )
        if row is None:
            return None
        return _client(row)

    def all(self) -> tuple[RegisteredClient, ...]:
        """All of them, oldest first."""
        rows = self._database.rows(
            f"SELECT {_COLUMNS} FROM registered_clients "  # noqa: S608 - a constant
            "WHERE removed = 0 ORDER BY created_at, id"
        )
        return tuple(map(_client, rows))

    def since(self, revision: int) -> tuple[RegisteredClient, ...]:
        """What changed after a revision, in order, removed ones too."""
        rows = self._database.rows(
            f"SELECT {_COLUMNS} FROM registered_clients "  # noqa: S608 - a constant
            "WHERE revision > ? ORDER BY revision",
            (revision,),
        )
        return tuple(map(_client, rows))

    def _replace(self, client: RegisteredClient, revision: int) -> None:
        """Store a client that still has this revision. Raises _ChangedMeanwhile."""
        with self._database.transaction(TOPIC) as db:
            done = db.execute(
                "UPDATE registered_clients SET metadata = ?, salt = ?, secret_digest = ?,"
                " token_key = ?,"
                " revision = (SELECT COALESCE(MAX(revision), 0) + 1 FROM registered_clients)"
                " WHERE id = ? AND revision = ? AND removed = 0",
                (
                    *(json.dumps(client.metadata), client.salt, client.secret_digest),
                    *(client.token_key, client.id, revision),
                ),
            )
            if done.rowcount != 1:
                raise _ChangedMeanwhile

    def _write(self, client: RegisteredClient, *, removed: bool) -> None:
        with self._database.transaction(TOPIC) as db:
            db.execute(
                f"INSERT INTO registered_clients ({_COLUMNS}) "  # noqa: S608 - a constant
                "VALUES (?, ?, ?, ?, ?, ?, "
                "(SELECT COALESCE(MAX(revision), 0) + 1 FROM registered_clients), ?) "
                "ON CONFLICT (id) DO UPDATE SET "
                "metadata = excluded.metadata, salt = excluded.salt, secret_digest ="
                " excluded.secret_digest, "
                "token_key = excluded.token_key, revision = excluded.revision, removed ="
                " excluded.removed",
                (
                    *(
                        client.id,
                        json.dumps(client.metadata),
                        client.salt,
                        client.secret_digest,
                    ),
                    *(client.token_key, client.created_at, int(removed)),
                ),
            )
            if removed:
                forget_declared(db, "Client", client.id)


def _client(row: tuple[Any, ...]) -> RegisteredClient:
    return RegisteredClient(
        row[0],
        json.loads(row[1]),
        bytes(row[2]),
        bytes(row[3]),
        row[4],
        row[5],
        row[6],
        bool(row[7]),
    )
