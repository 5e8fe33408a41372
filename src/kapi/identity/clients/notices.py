"""Posts logout tokens to clients, until they answer (OpenID Connect Back-Channel Logout §2.5).

Not to private addresses unless the settings allow it, without redirects, at most five seconds each.
What is due, and how often it is tried, is in `store/logout_notices.py`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from kapi.errors import OAuthError, StorageError, Unfetched
from kapi.fetch import FetchOptions, get
from kapi.store.engine.database import StoreClosed
from kapi.store.logout_notices import LogoutNotice, LogoutNotices

SECONDS: Final = 5.0
_AT_ONCE: Final = 4
_SHORTEST_WAIT, _LONGEST_WAIT = 0.1, 60.0
_AFTER_AN_ERROR: Final = 5.0
_FOR_EVER: Final = frozenset({"address", "url"})
"""Codes of `Unfetched` that another attempt does not change."""
_LOG = logging.getLogger("kapi.identity")

Form = Callable[[LogoutNotice, int], tuple[str, bytes] | None]
"""Where a notice is posted, and the form; None if no address is registered. Raises OAuthError."""


class Notices:
    """A thread that is started on use, and ends when no notice is left."""

    def __init__(
        self, stored: LogoutNotices, *, allow_private: bool, hosts: Mapping[str, str]
    ) -> None:
        """`hosts` are addresses of host names, as in `gateway.hosts`."""
        self.stored = stored
        self._allow_private = allow_private
        self._hosts = hosts
        self._lock = threading.Lock()
        self._woken = threading.Event()
        self._running = False
        self._form: Form = lambda _notice, _now: None
        self._ahead = 0.0

    def wake(self, now: int, form: Form) -> None:
        """Send what is due at `now`, and later what becomes due."""
        with self._lock:
            self._form, self._ahead = form, now - time.monotonic()
            self._woken.set()
            if not self._running:
                self._running = True
                threading.Thread(
                    target=self._run, name="logout-notices", daemon=True
                ).start()

    def send_due(self, now: int, form: Form) -> bool:
        """Send some of what is due at `now`; whether anything was."""
        for client_id, count in Counter(self.stored.drop_old(now)).items():
            _LOG.warning(
                "%d notices for the client %s are too old to be sent", count, client_id
            )
        taken = self.stored.take(now, _AT_ONCE)
        if len(taken) == 1:
            self._deliver(taken[0], now, form)
        elif taken:
            with ThreadPoolExecutor(len(taken), thread_name_prefix="notice") as threads:
                list(
                    threads.map(lambda notice: self._deliver(notice, now, form), taken)
                )
        return bool(taken)

    def _run(self) -> None:
        wait: float | None = 0.0
        while wait is not None:
            self._woken.wait(wait)
            self._woken.clear()
            try:
                wait = self._pass()
            except StoreClosed:
                return
            except StorageError:
                wait = _AFTER_AN_ERROR
            except Exception:
                _LOG.exception("clients are not notified of ended sessions")
                wait = _AFTER_AN_ERROR

    def _pass(self) -> float | None:
        """Send what is due; the seconds until there may be more, or None if nothing is left."""
        while self.send_due(self._now(), self._form):
            pass
        due = self.stored.next_due()
        if due is not None:
            return min(max(due - self._now(), _SHORTEST_WAIT), _LONGEST_WAIT)
        with self._lock:
            if self._woken.is_set():
                return 0.0
            self._running = False
        return None

    def _now(self) -> int:
        return int(time.monotonic() + self._ahead)

    def _deliver(self, notice: LogoutNotice, now: int, form: Form) -> None:
        try:
            addressed = form(notice, now)
            if addressed is not None:
                self._post(*addressed)
        except (OAuthError, Unfetched) as error:
            self._failed(notice, now, error)
        else:
            self.stored.done(notice)

    def _failed(
        self, notice: LogoutNotice, now: int, error: OAuthError | Unfetched
    ) -> None:
        if isinstance(error, Unfetched) and error.code in _FOR_EVER:
            self.stored.done(notice)
        elif self.stored.failed(notice, now) and notice.attempts > 1:
            return
        _LOG.warning(
            "a notice for the client %s was not delivered at attempt %d: %s",
            *(notice.client_id, notice.attempts, error.detail),
        )

    def _post(self, url: str, form: bytes) -> None:
        options = FetchOptions(
            64 * 1024,
            SECONDS,
            self._allow_private,
            hosts=self._hosts,
            redirects=0,
            form=form,
        )
        get(url, options)
