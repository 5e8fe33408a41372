"""Notices what any process or node wrote: by LISTEN, and each second by reading the versions."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Final

import psycopg

from kapi.store.engine.interface import VERSIONS
from kapi.store.engine.postgres.connections import Connections, Raw, meaning
from kapi.store.engine.postgres.dialect import CHANNEL

POLL_SECONDS: Final = 1.0
"""The versions are read this often, for a connection that no notification reaches."""


class PostgresChanges:
    """One connection of one thread. It is made again after it is lost."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._connection: Raw | None = None

    def open(self) -> Mapping[str, int]:
        """Begin to listen; the current version of each topic."""
        with meaning(self._connections.where):
            self._connections.hanging.start()
            connection = self._connections.new()
            # First listen, then read: nothing is missed in between.
            with self._connections.hanging.using(connection):
                connection.execute(f"LISTEN {CHANNEL}")
            self._connection = connection
            return self._versions(connection)

    def wait(self) -> Mapping[str, int] | None:
        """Wait for a notification, a second at most; the versions."""
        connection = self._connection
        if connection is None:
            return self.open()
        try:
            with meaning(self._connections.where):
                for _ in connection.notifies(timeout=POLL_SECONDS, stop_after=1):
                    pass
                return self._versions(connection)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            with suppress(psycopg.Error):
                self._connection.close()
            self._connection = None

    def _versions(self, connection: Raw) -> dict[str, int]:
        with self._connections.hanging.using(connection):
            return dict(connection.execute(VERSIONS).fetchall())
