"""Keeps one Envoy resource equal to the store: a thread that publishes it when it has changed.

It publishes a few times a second at most. The deny list and the records of API keys use it. `app`
starts it in the control process; the store's watch calls `changed`. A failed push is tried again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from kapi.errors import KapiError, StorageError
from kapi.gateway.envoy.resources.resource import Resource

_LOG = logging.getLogger("kapi.gateway")
INTERVAL = 0.2
"""Seconds between two pushes: a burst of changes becomes one."""
LONGEST_INTERVAL = 0.5
"""Seconds. A longer push is followed by a pause of its own length, up to this."""
STORE_SECONDS = 1.0
"""Seconds until the next try while the database does not answer."""
SWEEP_SECONDS = 60.0
"""Seconds between two removals of what has expired."""


class Publish(Protocol):
    """The part of the configuration stream that it uses."""

    def publish(
        self, changed: Sequence[Resource], removed: Sequence[tuple[str, str]] = ()
    ) -> None: ...


class ResourceSync:
    """The only writer of a resource."""

    def __init__(
        self,
        name: str,
        make: Callable[[], Resource],
        stream: Publish,
        *,
        sweep: Callable[[], object] = lambda: None,
        published: Callable[[], object] = lambda: None,
        interval: float = INTERVAL,
    ) -> None:
        """`make` returns the current resource; `sweep` removes what has expired, once a minute.

        `published` is called when Envoy has the current resource. It may raise OSError; then it is
        called again.
        """
        self.resource = make
        self._name = name
        self._stream = stream
        self._sweep = sweep
        self._when_published = published
        self._interval = interval
        self._news = threading.Event()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._published = ""
        self._turn = threading.Condition()
        self._begun = self._done = 0
        """Numbers of the last push that began, and of the last one that Envoy has."""

    def changed(self) -> None:
        """The source of the resource has changed."""
        self._news.set()

    def reach_envoy(self, seconds: float) -> bool:
        """Wait until Envoy has what the source contains now; False if that takes longer."""
        with self._turn:
            wanted = self._begun + 1
            self.changed()
            return self._turn.wait_for(lambda: self._done >= wanted, seconds)

    def start(self) -> None:
        """Start the thread."""
        self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread."""
        self._stopped.set()
        self._news.set()
        if self._thread is not None:
            self._thread.join(5)

    def _run(self) -> None:
        while True:
            told = self._news.wait(SWEEP_SECONDS)
            if self._stopped.is_set():
                return
            self._news.clear()
            began = time.monotonic()
            try:
                if not told:
                    self._sweep()
                self._publish()
                self._when_published()
            except StorageError:
                # The watch of the store says so in the log, once.
                self._news.set()
                self._stopped.wait(STORE_SECONDS)
            except (KapiError, OSError) as error:
                _LOG.warning(
                    "%s did not reach Envoy, trying again: %s", self._name, error
                )
                self._news.set()
            except Exception:
                _LOG.exception("%s could not be made, trying again", self._name)
                self._news.set()
            self._stopped.wait(
                max(self._interval, min(time.monotonic() - began, LONGEST_INTERVAL))
            )

    def _publish(self) -> None:
        with self._turn:
            self._begun += 1
        wanted = self.resource()
        if wanted.version != self._published:
            self._stream.publish([wanted])
            self._published = wanted.version
        with self._turn:
            self._done = self._begun
            self._turn.notify_all()
