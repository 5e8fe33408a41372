"""Notices what other processes wrote, by SQLite's data version: a poll takes microseconds.

`app.py` starts one Watch in each long-running process: identity workers see new clients and keys,
the control process sees revocations, within a fraction of a second.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

POLL_SECONDS = 0.1
_LOG = logging.getLogger("kapi.store")


class Watch:
    """One thread with its own connection. Callbacks run in that thread, one after the other."""

    def __init__(self, path: Path, poll: float = POLL_SECONDS) -> None:
        self._path = path
        self._poll = poll
        self._callbacks: dict[str, list[Callable[[], None]]] = {}
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._seen: dict[str, int] = {}

    def on(self, topic: str, callback: Callable[[], None]) -> None:
        """Call `callback` after each change of `topic`, by any process. Call it before `start`."""
        self._callbacks.setdefault(topic, []).append(callback)

    def start(self) -> None:
        """Note the current versions, and call back for later changes."""
        connection = sqlite3.connect(
            self._path, timeout=10, isolation_level=None, check_same_thread=False
        )
        version = _data_version(connection)
        self._seen = _versions(connection)
        self._thread = threading.Thread(
            target=self._run, args=(connection, version), name="store-watch", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Stop watching."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(5)

    def _run(self, connection: sqlite3.Connection, version: int) -> None:
        while not self._stopped.wait(self._poll):
            try:
                if (now := _data_version(connection)) == version:
                    continue
                version, versions = now, _versions(connection)
            except sqlite3.Error:
                _LOG.exception("cannot look for changes")
                continue
            changed = [
                topic for topic, number in versions.items() if self._seen.get(topic) != number
            ]
            self._seen = versions
            for topic in changed:
                for callback in self._callbacks.get(topic, ()):
                    try:
                        callback()
                    except Exception:
                        _LOG.exception("a change of %s could not be taken up", topic)
        connection.close()


def _data_version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA data_version").fetchone()[0])


def _versions(connection: sqlite3.Connection) -> dict[str, int]:
    return dict(connection.execute("SELECT topic, version FROM changes").fetchall())
