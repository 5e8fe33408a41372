"""Notices what other processes and nodes wrote, and calls back.

`app` starts one Watch in each long-running process: identity workers see new clients and keys, the
control process sees revocations and deployments, within a fraction of a second.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping

from kapi.errors import StorageError
from kapi.store.engine.interface import Changes

POLL_SECONDS = 0.1
_AGAIN_SECONDS = 0.5
_LOG = logging.getLogger("kapi.store")


class Watch:
    """One thread with its own connection. Callbacks run in that thread, one after the other."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes
        self._callbacks: dict[str, list[Callable[[], None]]] = {}
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._seen: dict[str, int] = {}
        self._latest: Mapping[str, int] = {}
        self.lost_at: float | None = None
        """When the database stopped to answer, in seconds since the epoch; None while it does."""

    def on(self, topic: str, callback: Callable[[], None]) -> None:
        """Call `callback` after each change of `topic`, by any process.

        Call it before `start`, unless what was changed before does not matter.
        """
        self._callbacks.setdefault(topic, []).append(callback)

    def begin(self) -> None:
        """Note the current versions. Call it before anything is loaded that `start` watches."""
        self._latest = self._changes.open()
        self._seen = dict(self._latest)

    def start(self) -> None:
        """Call back for changes since `begin`."""
        self._thread = threading.Thread(
            target=self._run, name="store-watch", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Stop watching."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(5)

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                versions = self._changes.wait()
            except StorageError as error:
                self._lose(error.detail)
            except Exception:
                _LOG.exception("cannot look for changes")
                self._stopped.wait(_AGAIN_SECONDS)
            else:
                self._find()
                self._tell(self._latest if versions is None else versions)
        self._changes.close()

    def _tell(self, versions: Mapping[str, int]) -> None:
        """Call back for what changed. A topic with a callback that fails is told again."""
        self._latest = versions
        if versions == self._seen:
            return
        for topic, number in versions.items():
            if self._seen.get(topic) != number and self._call_back(topic):
                self._seen[topic] = number

    def _call_back(self, topic: str) -> bool:
        """Whether all callbacks took up the change."""
        done = True
        for callback in self._callbacks.get(topic, ()):
            try:
                callback()
            except StorageError as error:
                _LOG.warning("a change of %s is taken up later: %s", topic, error.title)
                self._stopped.wait(_AGAIN_SECONDS)
                done = False
            except Exception:
                _LOG.exception("a change of %s could not be taken up", topic)
        return done

    def _lose(self, why: str) -> None:
        if self.lost_at is None:
            self.lost_at = time.time()
            _LOG.error(
                "the database does not answer; what is known is used meanwhile: %s", why
            )
        self._stopped.wait(_AGAIN_SECONDS)

    def _find(self) -> None:
        if self.lost_at is not None:
            seconds = time.time() - self.lost_at
            _LOG.warning("the database answers again after %.0f seconds", seconds)
            self.lost_at = None
