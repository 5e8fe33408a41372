"""Leases: work that one node does at a time. Times are those of the database server.

A lease ends by itself, so that another node continues when its holder dies. Without other nodes,
a lock of the process is enough.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from kapi.errors import StorageBusy, StorageError
from kapi.store.engine.database import Database, StoreClosed

_SECONDS = 60
_LONGEST_WAIT = 20.0
_PAUSE = 0.1
_TAKE = (
    "INSERT INTO leases (name, holder, until) VALUES (?, ?, unixepoch() + ?)"
    " ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until"
    " WHERE leases.until < unixepoch() OR leases.holder = excluded.holder"
)


class Lease:
    """A lease of this name. The thread that holds it may enter it again."""

    def __init__(
        self,
        database: Database,
        name: str,
        holder: str,
        wait: Callable[[float], object] = time.sleep,
    ) -> None:
        """`holder` is different in each process."""
        self._database = database
        self._name = name
        self._holder = holder
        self._wait = wait
        self._lock = threading.RLock()
        self._depth = 0

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold it. Raises StorageBusy when another node does not give it back."""
        with self._lock:
            if self._depth == 0 and self._database.has_nodes:
                self._take()
            self._depth += 1
            try:
                yield
            finally:
                self._depth -= 1
                if self._depth == 0 and self._database.has_nodes:
                    self._give()

    def _take(self) -> None:
        deadline = time.monotonic() + _LONGEST_WAIT
        while not self._taken():
            if time.monotonic() > deadline:
                raise StorageBusy
            self._wait(_PAUSE)

    def _taken(self) -> bool:
        with self._database.transaction(parallel=True) as db:
            values = (self._name, self._holder, _SECONDS)
            return db.execute(_TAKE, values).rowcount == 1

    def _give(self) -> None:
        # Without the database, it ends by itself.
        with (
            suppress(StorageError, StoreClosed),
            self._database.transaction(parallel=True) as db,
        ):
            db.execute(
                "DELETE FROM leases WHERE name = ? AND holder = ?",
                (self._name, self._holder),
            )
