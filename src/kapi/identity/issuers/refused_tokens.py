"""How many tokens were refused, by issuer and reason: for metrics, the issuers API and the log."""

from __future__ import annotations

import logging
import threading
from collections import Counter

_LOG = logging.getLogger("kapi.issuers")


class RefusedTokens:
    """The counts. The name of an issuer is empty where none is known. Safe to share."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[tuple[str, str]] = Counter()
        self._logged: Counter[tuple[str, str]] = Counter()

    def add(self, name: str, reason: str) -> None:
        """Count a refused token."""
        with self._lock:
            self._counts[name, reason] += 1

    def counts(self) -> dict[tuple[str, str], int]:
        """All counts, by the issuer's name and the reason."""
        with self._lock:
            return dict(self._counts)

    def of(self, name: str) -> dict[str, int]:
        """The counts of one issuer, by reason."""
        found = {}
        for (issuer, reason), count in self.counts().items():
            if issuer == name:
                found[reason] = count
        return found

    def log(self) -> None:
        """Log what was refused since the last time, a line for each issuer."""
        with self._lock:
            new = self._counts - self._logged
            self._logged = Counter(self._counts)
        for name in sorted({issuer for issuer, _ in new}):
            counts = ", ".join(
                f"{reason} {count}"
                for (issuer, reason), count in sorted(new.items())
                if issuer == name
            )
            _LOG.info("issuer %s: refused tokens: %s", name or "(unknown)", counts)
