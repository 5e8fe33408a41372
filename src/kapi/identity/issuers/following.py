"""Keeps the keys of one issuer current, in a thread: an issuer that hangs delays no other.

Fetched on a schedule that the issuer's Cache-Control may shorten, and when a token names an unknown
key, at most once per cool-down. The last valid set stays in use after any error; it is kept in
the store, so that a start needs no network.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import replace

from kapi.dataclass import dataclass
from kapi.errors import Unfetched
from kapi.identity.issuers.declaration import Issuer
from kapi.identity.issuers.fetching import Fetched
from kapi.identity.issuers.kept import kept_keys
from kapi.jose.jwk_set import KeySet, read_jwks
from kapi.store.issuers import StoredKeys

_LOG = logging.getLogger("kapi.issuers")
FIRST_PAUSE = 2.0
"""Seconds until the next try after one failure; doubled with each, up to the refresh interval."""


NO_KEYS = KeySet(())


@dataclass(frozen=True, slots=True)
class KeyState:
    """The state of an issuer's keys. Times are in seconds since the epoch, 0 means never."""

    keys: KeySet = NO_KEYS
    jwks_uri: str = ""
    etag: str = ""
    fetched_at: int = 0
    """When its server last confirmed them."""
    changed_at: int = 0
    fetches: int = 0
    failures: int = 0
    failing: int = 0
    """Failures in a row; 0 when the last fetch was good."""
    error: str = ""


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds: the longest time between two fetches, and the shortest if a key is unknown."""

    refresh: float
    cooldown: float


class Followed:
    """One issuer and its keys. Safe to share between threads: the state is replaced whole."""

    def __init__(
        self,
        issuer: Issuer,
        *,
        fetch: Callable[[str, str], Fetched],
        kept: StoredKeys | None,
        changed: Callable[[Followed], None],
        pace: Pace,
        now: Callable[[], float],
        clock: Callable[[], float],
    ) -> None:
        """`fetch` is given an entity tag and its address; `changed` is called for a new set."""
        self.issuer = issuer
        self._fetch = fetch
        self._changed = changed
        self._pace = pace
        self._now = now
        self._clock = clock
        self._news = threading.Condition()
        self._one_fetch = threading.Lock()
        self._next = clock()
        self._last_unknown = float("-inf")
        self._stopped = False
        self.state = self._kept(kept)

    def _kept(self, kept: StoredKeys | None) -> KeyState:
        keys = kept_keys(self.issuer, kept)
        if keys is None:
            return KeyState()
        if kept is None or not self.issuer.fetches:
            return KeyState(keys, changed_at=int(self._now()))
        return KeyState(
            keys, kept.jwks_uri, kept.etag, kept.fetched_at, kept.changed_at
        )

    def start(self) -> None:
        """Follow it until stopped."""
        if self.issuer.fetches:
            threading.Thread(
                target=self._run, name=f"issuer-{self.issuer.name}", daemon=True
            ).start()

    def stop(self) -> None:
        """Follow it no longer; a fetch under way ends by itself."""
        with self._news:
            self._stopped = True
            self._news.notify_all()

    def unknown_key(self) -> None:
        """Fetch again because a token has an unknown key, at most once per cool-down."""
        with self._news:
            soon = max(self._clock(), self._last_unknown + self._pace.cooldown)
            if soon < self._next:
                self._next = self._last_unknown = soon
                self._news.notify_all()

    def due(self) -> float:
        """Seconds until the next fetch."""
        with self._news:
            return max(0.0, self._next - self._clock())

    def _run(self) -> None:
        while self._wait():
            self.fetch_now()

    def _wait(self) -> bool:
        with self._news:
            while not self._stopped and (left := self._next - self._clock()) > 0:
                self._news.wait(left)
            return not self._stopped

    def fetch_now(self) -> None:
        """Get the keys; whatever happens is in the state afterwards."""
        with self._one_fetch:
            with self._news:
                self._next = self._clock() + self._pace.refresh
            try:
                fetched = self._fetch(self.state.etag, self.state.jwks_uri)
                pause = self._take(fetched)
            except Unfetched as error:
                pause = self._failed(error.detail)
            except ValueError as error:
                pause = self._failed(str(error))
            except Exception:
                _LOG.exception(
                    "issuer %s: the keys could not be fetched", self.issuer.name
                )
                pause = self._failed("an unexpected error; see the log")
            with self._news:
                self._next = min(self._next, self._clock() + pause)

    def _take(self, fetched: Fetched) -> float:
        """Use a fetched set; returns the seconds until the next fetch. Raises ValueError."""
        before, now = self.state, int(self._now())
        keys = before.keys
        if fetched.content is not None:
            keys = _usable(read_jwks(fetched.content, self.issuer.algorithms))
        if before.failing:
            _LOG.info("issuer %s: keys are fetched again", self.issuer.name)
        changed = keys.jwks() != before.keys.jwks()
        self.state = replace(
            before,
            keys=keys,
            jwks_uri=fetched.jwks_uri,
            etag=fetched.etag,
            fetched_at=now,
            changed_at=now if changed else before.changed_at,
            fetches=before.fetches + 1,
            failing=0,
            error="",
        )
        if changed:
            self._log_change(before.keys)
            self._changed(self)
        age = self._pace.refresh
        if fetched.max_age is not None:
            age = float(fetched.max_age)
        return min(self._pace.refresh, max(age, self._pace.cooldown))

    def _log_change(self, before: KeySet) -> None:
        new, old = set(self.state.keys.kids), set(before.kids)
        shown = {
            "new": sorted(new - old),
            "withdrawn": sorted(old - new),
            "all": sorted(new),
        }
        _LOG.info("issuer %s: keys changed: %s", self.issuer.name, shown)
        for reason in self.state.keys.ignored:
            _LOG.warning("issuer %s: %s; it is not used", self.issuer.name, reason)

    def _failed(self, reason: str) -> float:
        failing = self.state.failing + 1
        if failing == 1 or reason != self.state.error:
            kept = len(self.state.keys.keys)
            _LOG.warning(
                "issuer %s: keys not fetched: %s; the last %d stay in use",
                self.issuer.name,
                reason,
                kept,
            )
        self.state = replace(
            self.state,
            fetches=self.state.fetches + 1,
            failures=self.state.failures + 1,
            failing=failing,
            error=reason,
        )
        return float(min(self._pace.refresh, FIRST_PAUSE * 2 ** min(failing - 1, 16)))


def _usable(keys: KeySet) -> KeySet:
    """The set. Raises ValueError for one without a usable key, as of a broken deployment."""
    if keys.keys:
        return keys
    reasons = ""
    if keys.ignored:
        reasons = f": {'; '.join(keys.ignored[:5])}"
    raise ValueError(f"there is no usable key in the set{reasons}")
