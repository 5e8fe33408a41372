"""The objects that `kapi apply` created, each with its owner: what a later apply may prune.

An entry ends with its object: whatever removes an object forgets it in the same transaction. So an
object that is made again by another way has no owner.
"""

from __future__ import annotations

from kapi.dataclass import dataclass
from kapi.store.engine.database import Connection, Database


@dataclass(frozen=True, slots=True)
class Declared:
    """An object. `id` is unique among those of its kind, `name` is for people."""

    kind: str
    id: str
    name: str


class DeclaredObjects:
    """The table of declared objects."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, item: Declared, organization: str, owner: str) -> None:
        """Keep the owner of a new object."""
        with self._database.transaction() as db:
            db.execute(
                "INSERT INTO declared (kind, id, organization, owner, name)"
                " VALUES (?, ?, ?, ?, ?) ON CONFLICT (kind, id) DO UPDATE SET"
                " organization = excluded.organization, owner = excluded.owner,"
                " name = excluded.name",
                (item.kind, item.id, organization, owner, item.name),
            )

    def owners(self, kind: str) -> dict[str, str]:
        """The owners of the objects of a kind, by id."""
        return dict(
            self._database.rows(
                "SELECT id, owner FROM declared WHERE kind = ?", (kind,)
            )
        )

    def of(self, organization: str, owner: str) -> tuple[Declared, ...]:
        """What an owner created for an organization, by kind and name."""
        rows = self._database.rows(
            "SELECT kind, id, name FROM declared WHERE organization = ? AND owner = ?"
            " ORDER BY kind, name, id",
            (organization, owner),
        )
        return tuple(Declared(*row) for row in rows)


def forget_declared(db: Connection, kind: str, object_id: str) -> None:
    """Forget an object, in the transaction that removes it."""
    db.execute("DELETE FROM declared WHERE kind = ? AND id = ?", (kind, object_id))
