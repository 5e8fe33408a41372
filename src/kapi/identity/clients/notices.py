"""Posts logout tokens to clients in threads, with limits (OIDC Back-Channel Logout §2.5).

Not to private addresses unless the settings allow it, without redirects, at most five seconds each,
with one retry.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property

from kapi.errors import Unfetched
from kapi.fetch import FetchOptions, get

SECONDS = 5.0
_AGAIN_AFTER = 1.0
_MOST_WAITING = 1000
_LOG = logging.getLogger("kapi.identity")


class Notices:
    """A queue and two threads, which are started on use."""

    def __init__(self, *, allow_private: bool, hosts: Mapping[str, str]) -> None:
        """`hosts` are addresses of host names, as in `gateway.hosts`."""
        self._allow_private = allow_private
        self._hosts = hosts
        self._waiting = threading.BoundedSemaphore(_MOST_WAITING)

    @cached_property
    def _threads(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(2, thread_name_prefix="notice")

    def send(self, url: str, form: bytes) -> None:
        """Queue a form. A form that cannot be delivered is logged without its content."""
        if not self._waiting.acquire(blocking=False):
            _LOG.warning(
                "too many notices are waiting; one to %s was dropped", url.partition("?")[0]
            )
            return
        self._threads.submit(self._deliver, url, form)

    def _deliver(self, url: str, form: bytes) -> None:
        options = FetchOptions(
            64 * 1024, SECONDS, self._allow_private, hosts=self._hosts, redirects=0, form=form
        )
        try:
            for last in (False, True):
                try:
                    get(url, options)
                    return
                except Unfetched as error:
                    if last or error.code in {"address", "url"}:
                        _LOG.warning("a notice was not delivered: %s", error.detail)
                        return
                    time.sleep(_AGAIN_AFTER)
        finally:
            self._waiting.release()
