"""Duties that the gateway takes up once somebody needs them, so that calls do not pay for what nobody uses.

An identity worker asks and waits; the control process does it, sees Envoy confirm it, and says so. A duty is never laid down again.
"""

from __future__ import annotations

import time

from kapi.store.database import Database

TOPIC = "duties"
CERTIFICATE_BOUND = "certificate-bound tokens"
"""Checking that whoever sends a token that is bound to a client certificate has that certificate (RFC 8705 §3)."""
LONGEST_WAIT = 3.0
"""Seconds; whoever waits goes on afterwards: what the gateway does not check it refuses."""
_LOOK_AGAIN = 0.02


class Duties:
    """The table of them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known_done: set[str] = set()

    def is_wanted(self, name: str) -> bool:
        """Whether anybody has asked for it."""
        return self._database.row("SELECT 1 FROM duties WHERE name = ?", (name,)) is not None

    def is_done(self, name: str) -> bool:
        """Whether it was taken up."""
        return (
            self._database.row("SELECT 1 FROM duties WHERE name = ? AND done = 1", (name,))
            is not None
        )

    def done(self, name: str) -> None:
        """It was taken up."""
        with self._database.transaction(TOPIC) as db:
            db.execute("UPDATE duties SET done = 1 WHERE name = ?", (name,))

    def ensure(self, name: str) -> None:
        """Ask for it if nobody has yet, and wait until it is done. Costs nothing once it is."""
        if name in self._known_done:
            return
        if not self.is_wanted(name):
            with self._database.transaction(TOPIC) as db:
                db.execute(
                    "INSERT INTO duties (name) VALUES (?) ON CONFLICT (name) DO NOTHING", (name,)
                )
        deadline = time.monotonic() + LONGEST_WAIT
        while not self.is_done(name):
            if time.monotonic() > deadline:
                return
            time.sleep(_LOOK_AGAIN)
        self._known_done.add(name)
