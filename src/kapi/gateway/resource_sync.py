"""Carries something from the store to Envoy whenever it has changed: a thread that publishes one resource, a few times a second at most.

The deny list and the records of API keys travel this way. `app` starts feeds in the control process; the store's watch calls
`changed`. A push that fails is tried again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from kapi.errors import KapiError
from kapi.gateway.envoy.stream.encode import Resource

_LOG = logging.getLogger("kapi.gateway")
INTERVAL = 0.2
"""Seconds between two pushes: a burst of changes becomes one."""
LONGEST_INTERVAL = 0.5
"""When a push takes longer than the interval, as long as that, up to this: a long list does not keep a processor busy."""
SWEEP_SECONDS = 60.0
"""How often what has expired leaves."""


class Publish(Protocol):
    """What it needs of the configuration stream."""

    def publish(
        self, changed: Sequence[Resource], removed: Sequence[tuple[str, str]] = ()
    ) -> None: ...


class ResourceSync:
    """The one writer of a resource."""

    def __init__(
        self,
        name: str,
        make: Callable[[], Resource],
        stream: Publish,
        *,
        sweep: Callable[[], object] = lambda: None,
        interval: float = INTERVAL,
    ) -> None:
        """`make` gives the resource as it must be now; `sweep` forgets what has expired, once a minute."""
        self.resource = make
        self._name = name
        self._stream = stream
        self._sweep = sweep
        self._interval = interval
        self._news = threading.Event()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._published = ""

    def changed(self) -> None:
        """There is something new."""
        self._news.set()

    def start(self) -> None:
        """Publish from now on."""
        self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Publish nothing any more."""
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
            except KapiError as error:
                _LOG.warning("%s did not reach Envoy, trying again: %s", self._name, error.detail)
                self._news.set()
            except Exception:
                _LOG.exception("%s could not be made, trying again", self._name)
                self._news.set()
            self._stopped.wait(max(self._interval, min(time.monotonic() - began, LONGEST_INTERVAL)))

    def _publish(self) -> None:
        wanted = self.resource()
        if wanted.version != self._published:
            self._stream.publish([wanted])
            self._published = wanted.version
