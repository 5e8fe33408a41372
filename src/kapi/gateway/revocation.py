"""Carries revocations from the store to Envoy: a thread that publishes the deny list when it has changed, at most twice a second.

`app` starts it in the control process; the store's watch calls `changed`. A push that fails is tried again.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Protocol

from kapi.errors import KapiError
from kapi.gateway.envoy.deny_list import deny_list
from kapi.gateway.envoy.encode import Resource
from kapi.store.revocations import Revocations

_LOG = logging.getLogger("kapi.gateway")
INTERVAL = 0.5
"""Seconds between two pushes: a burst of revocations becomes one."""
SWEEP_SECONDS = 60.0
"""How often entries of expired tokens leave the list."""


class Publish(Protocol):
    """What it needs of the configuration stream."""

    def publish(self, changed: Sequence[Resource], removed: Sequence[tuple[str, str]] = ()) -> None: ...


class DenyList:
    """The one writer of the deny list."""

    def __init__(self, revocations: Revocations, stream: Publish, now: Callable[[], float], interval: float = INTERVAL) -> None:
        self._revocations = revocations
        self._stream = stream
        self._now = now
        self._interval = interval
        self._news = threading.Event()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._published = ""

    def resource(self) -> Resource:
        """The list as it must be now; Envoy gets it before its first request."""
        return deny_list((item.issuer, item.jti) for item in self._revocations.active(self._now()))

    def changed(self) -> None:
        """Something was revoked."""
        self._news.set()

    def start(self) -> None:
        """Publish from now on."""
        self._thread = threading.Thread(target=self._run, name="deny-list", daemon=True)
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
            try:
                if not told:
                    self._revocations.forget_expired(self._now())
                self._publish()
            except KapiError as error:
                _LOG.warning("the deny list did not reach Envoy, trying again: %s", error.detail)
                self._news.set()
            except Exception:
                _LOG.exception("the deny list could not be made, trying again")
                self._news.set()
            self._stopped.wait(self._interval)

    def _publish(self) -> None:
        wanted = self.resource()
        if wanted.version != self._published:
            self._stream.publish([wanted])
            self._published = wanted.version
