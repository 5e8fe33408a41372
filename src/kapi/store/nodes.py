"""The nodes: platforms that share this database. Times are those of the database server.

Each control process writes its row every two seconds, and when its gateway has confirmed a change.
A database of one machine has no rows. Called by `gateway/nodes.py`.
"""

from __future__ import annotations

from kapi.dataclass import dataclass
from kapi.store.engine.database import Database

ALIVE_SECONDS = 10
"""A node that was not seen for longer is away."""
_FORGOTTEN_SECONDS = 24 * 3600
_COLUMNS = (
    "id, name, version, fingerprint, started_at, seen_at, deployments, signing_keys"
)
_REPORT = (
    f"INSERT INTO nodes ({_COLUMNS})"  # noqa: S608 - a constant
    " VALUES (?, ?, ?, ?, unixepoch(), unixepoch(), ?, ?)"
    " ON CONFLICT (id) DO UPDATE SET name = excluded.name, version = excluded.version,"
    " fingerprint = excluded.fingerprint, seen_at = excluded.seen_at,"
    " deployments = excluded.deployments, signing_keys = excluded.signing_keys"
)


@dataclass(frozen=True, slots=True)
class Node:
    """A platform. `fingerprint` is that of the resources that it renders."""

    id: str
    name: str
    version: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The newest changes of each topic that a gateway has, with all before them."""

    deployments: int
    signing_keys: int


@dataclass(frozen=True, slots=True)
class StoredNode:
    """A node as it last reported itself. `started_at` is in seconds since the epoch."""

    id: str
    name: str
    version: str
    started_at: int
    seen_seconds: int
    """Seconds since it was seen."""
    confirmed: Confirmed

    @property
    def alive(self) -> bool:
        """Whether it was seen lately."""
        return self.seen_seconds <= ALIVE_SECONDS


class Nodes:
    """The table of nodes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def report(self, node: Node, confirmed: Confirmed) -> None:
        """Say that this node is there, and what its gateway has."""
        values = (node.id, node.name, node.version, node.fingerprint)
        with self._database.transaction(parallel=True) as db:
            db.execute(
                _REPORT, (*values, confirmed.deployments, confirmed.signing_keys)
            )

    def remove(self, node: str) -> None:
        """Remove a node that stops."""
        with self._database.transaction(parallel=True) as db:
            db.execute("DELETE FROM nodes WHERE id = ?", (node,))

    def forget_old(self) -> None:
        """Remove the nodes that were not seen for a day, with their counters."""
        with self._database.transaction(parallel=True) as db:
            db.execute(
                "DELETE FROM nodes WHERE seen_at < unixepoch() - ?",
                (_FORGOTTEN_SECONDS,),
            )
            db.execute(
                "DELETE FROM counters WHERE node <> '' AND node NOT IN (SELECT id FROM nodes)"
            )

    def now(self) -> int:
        """The time of the database server, in seconds since the epoch."""
        ((seconds,),) = self._database.rows("SELECT unixepoch()")
        return int(seconds)

    def all(self) -> tuple[StoredNode, ...]:
        """All nodes. The one that started first comes first."""
        rows = self._database.rows(
            "SELECT id, name, version, started_at, unixepoch() - seen_at, deployments,"
            " signing_keys FROM nodes ORDER BY started_at, id"
        )
        return tuple(map(_node, rows))


def _node(row: tuple[str, str, str, int, int, int, int]) -> StoredNode:
    node, name, version, started_at, seen_seconds, deployments, signing_keys = row
    confirmed = Confirmed(deployments, signing_keys)
    return StoredNode(node, name, version, started_at, seen_seconds, confirmed)
