"""Checks that the gateway sets up on first use: other platforms do not pay for them.

An identity worker requests one and waits. The control process sets it up, sees Envoy confirm it,
and marks it as met. A requirement that has been met stays met. The rows are in the table `duties`.
"""

from __future__ import annotations

import time

from kapi.store.engine.database import Database

TOPIC = "duties"
"""Topic of the store's notifications about changes of the table."""
CERTIFICATE_BOUND = "certificate-bound tokens"
"""The gateway compares a token that is bound to a client certificate with it (RFC 8705 §3)."""
LONGEST_WAIT = 3.0
"""Seconds. The caller then continues: the gateway refuses what it cannot check yet."""
_POLL_SECONDS = 0.02


class StartupRequirements:
    """The table of requirements."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known_met: set[str] = set()

    def is_requested(self, name: str) -> bool:
        """Whether a worker has requested it. With nodes, all are: no node waits for another."""
        if self._database.has_nodes:
            return True
        row = self._database.row("SELECT 1 FROM duties WHERE name = ?", (name,))
        return row is not None

    def is_met(self, name: str) -> bool:
        """Whether the gateway has confirmed it. With nodes, each has it from its start."""
        if self._database.has_nodes:
            return True
        row = self._database.row(
            "SELECT 1 FROM duties WHERE name = ? AND done = 1", (name,)
        )
        return row is not None

    def mark_met(self, name: str) -> None:
        """Record that the gateway has confirmed it. Does nothing if it was not requested."""
        with self._database.transaction(TOPIC) as db:
            db.execute("UPDATE duties SET done = 1 WHERE name = ?", (name,))

    def ensure(self, name: str) -> None:
        """Request it if it is not requested, and wait until it is met or `LONGEST_WAIT` is over.

        Once it is known to be met, this reads no table.
        """
        if name in self._known_met or self._database.has_nodes:
            return
        if not self.is_requested(name):
            self._request(name)
        deadline = time.monotonic() + LONGEST_WAIT
        while not self.is_met(name):
            if time.monotonic() > deadline:
                return
            time.sleep(_POLL_SECONDS)
        self._known_met.add(name)

    def _request(self, name: str) -> None:
        insert = "INSERT INTO duties (name) VALUES (?) ON CONFLICT (name) DO NOTHING"
        with self._database.transaction(TOPIC) as db:
            db.execute(insert, (name,))
