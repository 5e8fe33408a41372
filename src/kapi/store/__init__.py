"""The cellar: one Store over SQLite in WAL mode. Tables stand in `migrations/`, one numbered SQL file per step.

Plain SQL that SQLite and PostgreSQL both speak, over the standard library's driver: an ORM would cost the first
token a third of a second. Every write is one transaction and is on disk (synchronous=FULL) before the call returns.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A signing key; `private_pem` is PKCS #8 text. `created_at` in seconds since the epoch."""

    kid: str
    algorithm: str
    state: str
    private_pem: str = field(repr=False)
    created_at: int


@dataclass(frozen=True, slots=True)
class StoredApi:
    """A deployed API without its texts. `base_path` includes the version; `deployed_at` in seconds since the epoch."""

    id: str
    organization: str
    name: str
    version: str
    environment: str
    base_path: str
    default_base_path: str | None
    revision: int
    deployed_at: int


@dataclass(frozen=True, slots=True)
class Rendered:
    """A derived Envoy resource, valid for `fingerprint` only."""

    kind: str
    name: str
    fingerprint: str
    body: bytes


_API_COLUMNS = "id, organization, name, version, environment, base_path, default_base_path, revision, deployed_at"


class Store:
    """All that must outlive a process. Safe to share between threads; a lock makes each call one at a time."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    @classmethod
    def open(cls, path: Path) -> Store:
        """Open the database at `path` (made 0600), bringing its tables up to date first."""
        if not path.exists():
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
        connection = sqlite3.connect(path, timeout=10, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        store = cls(connection)
        store._migrate()
        return store

    def close(self) -> None:
        """Close the connection; the Store is of no use afterwards."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def _migrate(self) -> None:
        steps = sorted(
            (entry for entry in resources.files("kapi.store").joinpath("migrations").iterdir() if entry.name.endswith(".sql")),
            key=lambda entry: entry.name,
        )
        with self._transaction() as db:
            db.execute("CREATE TABLE IF NOT EXISTS migrations (name TEXT PRIMARY KEY)")
            done = {row[0] for row in db.execute("SELECT name FROM migrations")}
            for step in steps:
                if step.name in done:
                    continue
                # executescript would commit the transaction under our feet, so statements run one by one.
                for statement in _statements(step.read_text("utf-8")):
                    db.execute(statement)
                db.execute("INSERT INTO migrations (name) VALUES (?)", (step.name,))

    def signing_keys(self) -> tuple[StoredKey, ...]:
        """All signing keys, oldest first."""
        with self._lock:
            rows = self._connection.execute(
                "SELECT kid, algorithm, state, private_pem, created_at FROM signing_keys ORDER BY created_at, kid"
            ).fetchall()
        return tuple(StoredKey(*row) for row in rows)

    def add_first_signing_key(self, key: StoredKey) -> bool:
        """Keep `key` if there is none yet; False when another process was first."""
        with self._transaction() as db:
            if db.execute("SELECT 1 FROM signing_keys LIMIT 1").fetchone():
                return False
            db.execute(
                "INSERT INTO signing_keys (kid, algorithm, state, private_pem, created_at) VALUES (?, ?, ?, ?, ?)",
                (key.kid, key.algorithm, key.state, key.private_pem, key.created_at),
            )
            return True

    def apis(self) -> tuple[StoredApi, ...]:
        """All deployed APIs, by id."""
        with self._lock:
            rows = self._connection.execute(f"SELECT {_API_COLUMNS} FROM apis ORDER BY id").fetchall()  # noqa: S608 - a constant
        return tuple(StoredApi(*row) for row in rows)

    def api_source(self, api_id: str) -> tuple[str, bytes] | None:
        """The conf and the definition of an API as they were deployed."""
        with self._lock:
            row = self._connection.execute("SELECT conf, definition FROM apis WHERE id = ?", (api_id,)).fetchone()
        return None if row is None else (row[0], row[1])

    def save_api(
        self, api: StoredApi, conf: str, definition: bytes, rendered: Iterable[Rendered], dropped: Iterable[tuple[str, str]] = ()
    ) -> None:
        """Keep an API, replacing the one with its id, together with what was rendered for it, in one transaction."""
        with self._transaction() as db:
            db.execute("DELETE FROM apis WHERE id = ?", (api.id,))
            db.execute(
                f"INSERT INTO apis ({_API_COLUMNS}, conf, definition) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 - a constant
                (
                    *(api.id, api.organization, api.name, api.version, api.environment),
                    *(api.base_path, api.default_base_path, api.revision, api.deployed_at, conf, definition),
                ),
            )
            _keep_rendered(db, rendered, dropped)

    def delete_api(self, api_id: str, rendered: Iterable[Rendered] = (), dropped: Iterable[tuple[str, str]] = ()) -> None:
        """Forget an API; `rendered` replaces and `dropped` (kind, name) removes derived resources in the same transaction."""
        with self._transaction() as db:
            db.execute("DELETE FROM apis WHERE id = ?", (api_id,))
            _keep_rendered(db, rendered, dropped)

    def rendered(self) -> tuple[Rendered, ...]:
        """All derived resources that are kept."""
        with self._lock:
            rows = self._connection.execute("SELECT kind, name, fingerprint, body FROM rendered").fetchall()
        return tuple(Rendered(*row) for row in rows)

    def replace_rendered(self, rendered: Iterable[Rendered]) -> None:
        """Throw all derived resources away and keep these."""
        with self._transaction() as db:
            db.execute("DELETE FROM rendered")
            _keep_rendered(db, rendered, ())


def _keep_rendered(db: sqlite3.Connection, rendered: Iterable[Rendered], dropped: Iterable[tuple[str, str]]) -> None:
    db.executemany("DELETE FROM rendered WHERE kind = ? AND name = ?", tuple(dropped))
    db.executemany(
        "INSERT INTO rendered (kind, name, fingerprint, body) VALUES (?, ?, ?, ?) "
        "ON CONFLICT (kind, name) DO UPDATE SET fingerprint = excluded.fingerprint, body = excluded.body",
        [(item.kind, item.name, item.fingerprint, item.body) for item in rendered],
    )


def _statements(script: str) -> Iterator[str]:
    buffer = ""
    for line in script.splitlines(keepends=True):
        buffer += line
        if sqlite3.complete_statement(buffer):
            yield buffer
            buffer = ""
