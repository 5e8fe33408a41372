"""Counters of long windows: a quota of an hour or a day survives a restart of the gateway.

Only `gateway.rate_limit_counters` writes them.
"""

from __future__ import annotations

from collections.abc import Iterable

from kapi.dataclass import dataclass
from kapi.store.engine.database import Database


@dataclass(frozen=True, slots=True)
class Counter:
    """How often `name` was counted in window number `slot` (of `unit` seconds, since the epoch)."""

    name: str
    unit: int
    slot: int
    used: int


class Counters:
    """The counters that were last kept, of one node; empty without nodes."""

    def __init__(self, database: Database, node: str = "") -> None:
        self._database = database
        self._node = node

    def adopt(self) -> None:
        """Take over the counters of a database that was copied from one without nodes."""
        if self._node:
            with self._database.transaction() as db:
                db.execute(
                    "UPDATE counters SET node = ? WHERE node = ''", (self._node,)
                )

    def all(self) -> tuple[Counter, ...]:
        """Every counter, also of windows that are over."""
        return tuple(
            Counter(*row)
            for row in self._database.rows(
                "SELECT name, unit, slot, used FROM counters WHERE node = ? ORDER BY name, unit",
                (self._node,),
            )
        )

    def save(self, changed: Iterable[Counter], gone: Iterable[Counter]) -> None:
        """Keep what changed and forget what is over, in one transaction."""
        with self._database.transaction() as db:
            db.executemany(
                "DELETE FROM counters WHERE node = ? AND name = ? AND unit = ?",
                [(self._node, item.name, item.unit) for item in gone],
            )
            db.executemany(
                "INSERT INTO counters (node, name, unit, slot, used) VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT (node, name, unit)"
                " DO UPDATE SET slot = excluded.slot, used = excluded.used",
                [
                    (self._node, item.name, item.unit, item.slot, item.used)
                    for item in changed
                ],
            )
