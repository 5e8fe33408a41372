"""The persistent store: SQLite or PostgreSQL. `migrations/` contains the tables, a file per step.

It uses plain SQL, which both engines read: importing an ORM takes a third of a second. Every write
is one transaction, which is on disk when the call returns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from kapi.dataclass import dataclass
from kapi.store.engine.database import Connection, Database
from kapi.store.gateway.declared import forget_declared
from kapi.store.gateway.modules import pin

DEPLOYMENTS = "deployments"
"""Topic of the store's notifications about APIs and secrets, which all nodes take up."""


Also = Callable[[Connection], None]
"""What a transaction writes besides."""


def nothing_else(db: Connection) -> None:
    """For a transaction that writes nothing besides."""


class StoreMoved(Exception):
    """Another node has deployed since; take that up, then try again."""


@dataclass(frozen=True, slots=True)
class StoredApi:
    """A deployed API without its documents.

    `base_path` includes the version; `deployed_at` is in seconds since the epoch.
    """

    id: str
    organization: str
    name: str
    version: str
    environment: str
    base_path: str
    default_base_path: str | None
    revision: int
    deployed_at: int

    @property
    def base_paths(self) -> tuple[str, ...]:
        """All paths it answers on."""
        return (
            (self.base_path,)
            if self.default_base_path is None
            else (self.base_path, self.default_base_path)
        )


@dataclass(frozen=True, slots=True)
class Rendered:
    """A derived Envoy resource, valid for `fingerprint` only."""

    kind: str
    name: str
    fingerprint: str
    body: bytes


_API_COLUMNS = (
    "id, organization, name, version, environment, base_path, default_base_path, revision,"
    " deployed_at"
)


class Store:
    """Deployed APIs. Other tables have a class of their own in this room, made from `database`."""

    def __init__(self, database: Database) -> None:
        self.database = database

    @classmethod
    def open(cls, where: Path | str) -> Store:
        """Open a database, bringing its tables up to date first; see `Database.open`."""
        return cls(Database.open(where))

    def close(self) -> None:
        """Close the connection; the Store cannot be used afterwards."""
        self.database.close()

    def apis(self) -> tuple[StoredApi, ...]:
        """All deployed APIs, by id."""
        rows = self.database.rows(f"SELECT {_API_COLUMNS} FROM apis ORDER BY id")  # noqa: S608
        return tuple(StoredApi(*row) for row in rows)

    def api_source(self, api_id: str) -> tuple[str, bytes] | None:
        """The conf and the definition of an API as they were deployed."""
        row = self.database.row(
            "SELECT conf, definition FROM apis WHERE id = ?", (api_id,)
        )
        return None if row is None else (row[0], row[1])

    def change(self) -> int:
        """The number of the newest change of deployments."""
        return self.database.version(DEPLOYMENTS)

    def apis_since(self, change: int) -> tuple[StoredApi, ...]:
        """The APIs that were stored after this change."""
        rows = self.database.rows(
            f"SELECT {_API_COLUMNS} FROM apis WHERE change > ? ORDER BY id",  # noqa: S608
            (change,),
        )
        return tuple(StoredApi(*row) for row in rows)

    def api_ids_or(self, known: frozenset[str], change: int) -> frozenset[str]:
        """The ids of all APIs.

        Or `known`, what was stored until `change`, if there are as many and `change` is the newest:
        reading the ids takes longer.
        """
        row = self.database.row("SELECT count(*) FROM apis")
        # After the count: an API that another node stores meanwhile may hide one that is gone.
        if row is not None and row[0] == len(known) and self.change() == change:
            return known
        return frozenset(row[0] for row in self.database.rows("SELECT id FROM apis"))

    def save_api(
        self,
        api: StoredApi,
        conf: str,
        definition: bytes,
        rendered: Iterable[Rendered],
        dropped: Iterable[tuple[str, str]] = (),
        *,
        modules: Mapping[str, str] | None = None,
        after: int | None = None,
        also: Also = nothing_else,
    ) -> None:
        """Store an API, replacing the one with its id, its rendered resources and its modules.

        All of it is one transaction: `modules` has the SHA-256 of each by its URL. Raises
        StoreMoved if the newest change is not `after`.
        """
        insert = (
            f"INSERT INTO apis ({_API_COLUMNS}, conf, definition, change)"  # noqa: S608
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        )
        with self.database.transaction(DEPLOYMENTS) as db:
            change = next_change(db, after)
            db.execute("DELETE FROM apis WHERE id = ?", (api.id,))
            db.execute(insert, (*_values(api), conf, definition, change))
            pin(db, api.id, modules or {})
            keep_rendered(db, rendered, dropped)
            also(db)

    def delete_api(
        self,
        api_id: str,
        rendered: Iterable[Rendered] = (),
        dropped: Iterable[tuple[str, str]] = (),
        *,
        after: int | None = None,
        also: Also = nothing_else,
    ) -> None:
        """Delete an API.

        The same transaction replaces the resources in `rendered`, and deletes those in `dropped`
        (kind and name). Raises StoreMoved if the newest change is not `after`.
        """
        with self.database.transaction(DEPLOYMENTS) as db:
            next_change(db, after)
            db.execute("DELETE FROM apis WHERE id = ?", (api_id,))
            forget_declared(db, "API", api_id)
            keep_rendered(db, rendered, dropped)
            also(db)

    def rendered(self, fingerprint: str | None = None) -> tuple[Rendered, ...]:
        """The derived resources that are kept for a fingerprint, or all."""
        sql = "SELECT kind, name, fingerprint, body FROM rendered"
        if fingerprint is None:
            rows = self.database.rows(sql)
        else:
            rows = self.database.rows(f"{sql} WHERE fingerprint = ?", (fingerprint,))
        return tuple(Rendered(*row) for row in rows)

    def add_rendered(
        self, rendered: Iterable[Rendered], fingerprint: str, after: int | None = None
    ) -> None:
        """Keep derived resources beside the others of this fingerprint, and of running nodes.

        Nothing is kept if the newest change is not `after`: it may have replaced some of them.
        """
        with suppress(StoreMoved), self.database.transaction() as db:
            next_change(db, after)
            db.execute(
                "DELETE FROM rendered WHERE fingerprint <> ?"
                " AND fingerprint NOT IN (SELECT fingerprint FROM nodes)",
                (fingerprint,),
            )
            _insert_rendered(db, rendered)


def next_change(db: Connection, after: int | None) -> int:
    """The number of the change that this transaction makes; it names DEPLOYMENTS.

    Raises StoreMoved if the newest change is not `after`.
    """
    row = db.execute(
        "SELECT version FROM changes WHERE topic = ?", (DEPLOYMENTS,)
    ).fetchone()
    newest = 0 if row is None else int(row[0])
    if after is not None and newest != after:
        raise StoreMoved
    return newest + 1


def keep_rendered(
    db: Connection, rendered: Iterable[Rendered], dropped: Iterable[tuple[str, str]]
) -> None:
    """Within a transaction: keep these derived resources, and drop those, by kind and name.

    Nodes with another fingerprint render their own again when they start.
    """
    kept = tuple(rendered)
    gone = (*dropped, *((item.kind, item.name) for item in kept))
    db.executemany("DELETE FROM rendered WHERE kind = ? AND name = ?", gone)
    _insert_rendered(db, kept)


def _insert_rendered(db: Connection, rendered: Iterable[Rendered]) -> None:
    db.executemany(
        "INSERT INTO rendered (kind, name, fingerprint, body) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (fingerprint, kind, name) DO UPDATE SET body = excluded.body",
        [(item.kind, item.name, item.fingerprint, item.body) for item in rendered],
    )


def _values(api: StoredApi) -> tuple[object, ...]:
    return (
        *(api.id, api.organization, api.name, api.version, api.environment),
        *(api.base_path, api.default_base_path, api.revision, api.deployed_at),
    )
