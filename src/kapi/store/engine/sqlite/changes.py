"""Notices what other processes wrote, by SQLite's data version: a poll takes microseconds."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping
from pathlib import Path

from kapi.store.engine.interface import VERSIONS
from kapi.store.engine.sqlite.connections import meaning


class SqliteChanges:
    """One connection of one thread."""

    def __init__(self, path: Path, poll: float) -> None:
        self._path = path
        self._poll = poll
        self._connection: sqlite3.Connection | None = None
        self._version = 0

    def open(self) -> Mapping[str, int]:
        """The current version of each topic."""
        self._connection = sqlite3.connect(
            self._path, timeout=10, isolation_level=None, check_same_thread=False
        )
        self._version = self._data_version()
        return self._versions()

    def wait(self) -> Mapping[str, int] | None:
        """Wait for the interval, then read what changed."""
        time.sleep(self._poll)
        with meaning(self._path):
            if (now := self._data_version()) == self._version:
                return None
            versions = self._versions()
            self._version = now
            return versions

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()

    def _data_version(self) -> int:
        assert self._connection is not None  # noqa: S101 - `open` was called
        return int(self._connection.execute("PRAGMA data_version").fetchone()[0])

    def _versions(self) -> dict[str, int]:
        assert self._connection is not None  # noqa: S101
        return dict(self._connection.execute(VERSIONS).fetchall())
