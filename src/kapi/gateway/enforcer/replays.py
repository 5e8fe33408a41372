"""The proofs that were used already: a bounded memory of the control process.

After a restart it is empty, so a proof must be newer than `since`. Called by
`front/web/enforcer/proofs.py`.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable

from kapi import error_codes
from kapi.errors import Problem

MOST = 500_000


class Replays:
    """Digests of proofs, each until it is too old anyhow. Safe for threads."""

    def __init__(self, now: Callable[[], float], most: int = MOST) -> None:
        """`now` is the clock, in seconds since 1970."""
        self._now = now
        self._most = most
        self._until: OrderedDict[str, int] = OrderedDict()
        self._lock = threading.Lock()
        self.since = int(now())

    def seen(self, digest: str, until: int) -> bool:
        """Whether a proof was used before; it is kept until `until`.

        Raises Problem 503 when there are too many.
        """
        with self._lock:
            if digest in self._until:
                return True
            if len(self._until) >= self._most:
                self._forget_old()
            if len(self._until) >= self._most:
                raise Problem.of(
                    error_codes.UNEXPECTED,
                    "Too many proofs",
                    "The gateway cannot remember more proofs now.",
                    "Try again.",
                    status=503,
                )
            self._until[digest] = until
            return False

    def _forget_old(self) -> None:
        """In order of arrival; a proof with a wrong clock is kept longer, none too short."""
        now = self._now()
        while self._until:
            digest, until = next(iter(self._until.items()))
            if until > now:
                return
            del self._until[digest]
