"""Named secrets and certificates of organizations."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import field

from kapi.dataclass import dataclass
from kapi.store import DEPLOYMENTS, Rendered, keep_rendered, next_change
from kapi.store.engine.database import Database
from kapi.store.gateway.declared import forget_declared


@dataclass(frozen=True, slots=True)
class StoredSecret:
    """One value; `updated_at` in seconds since the epoch."""

    organization: str
    name: str
    key: str
    value: str = field(repr=False)
    updated_at: int


class SecretStore:
    """The table of secrets. One transaction stores a change and the resources rendered from it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> tuple[StoredSecret, ...]:
        """Every secret, by organization, name and key."""
        rows = self._database.rows(
            "SELECT organization, name, secret_key, secret_value, updated_at FROM secrets"
            " ORDER BY organization, name, secret_key"
        )
        return tuple(StoredSecret(*row) for row in rows)

    def put(
        self,
        secret: StoredSecret,
        rendered: Iterable[Rendered] = (),
        dropped: Iterable[tuple[str, str]] = (),
        *,
        after: int | None = None,
    ) -> None:
        """Keep a secret, replacing its value. Raises StoreMoved; see `next_change`."""
        with self._database.transaction(DEPLOYMENTS) as db:
            next_change(db, after)
            db.execute(
                "INSERT INTO secrets (organization, name, secret_key, secret_value,"
                " updated_at) VALUES (?, ?, ?, ?, ?) "
                "ON CONFLICT (organization, name, secret_key) DO UPDATE "
                "SET secret_value = excluded.secret_value, updated_at = excluded.updated_at",
                (
                    secret.organization,
                    secret.name,
                    secret.key,
                    secret.value,
                    secret.updated_at,
                ),
            )
            keep_rendered(db, rendered, dropped)

    def remove(
        self, organization: str, name: str, key: str, *, after: int | None = None
    ) -> None:
        """Forget a secret. Raises StoreMoved; see `next_change`."""
        with self._database.transaction(DEPLOYMENTS) as db:
            next_change(db, after)
            db.execute(
                "DELETE FROM secrets WHERE organization = ? AND name = ? AND secret_key = ?",
                (organization, name, key),
            )
            forget_declared(db, "Secret", f"{organization}/{name}/{key}")
