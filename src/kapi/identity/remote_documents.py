"""Documents that clients publish: their keys (`jwks_uri`), their metadata (client ID metadata documents), request objects.

Fetched without following redirects, with limits on size and time, never from private addresses unless settings say so; kept for
a while, also failures, so that nobody can make us fetch the same address again and again. Called by `client_keys.py` and others.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from kapi.errors import Problem
from kapi.identity.fetch_places import FetchPlaces, NoPlace

LARGEST = 64 * 1024
SECONDS = 5.0
KEPT_SECONDS = 300
RETRY_SECONDS = 20
"""The soonest that an address is asked again."""
_MOST = 2000


class Fetch(Protocol):
    """Gets a document by URL; see `kapi.fetch.fetch`."""

    def __call__(self, url: str, *, max_bytes: int, timeout: float, allow_private: bool, redirects: int) -> bytes: ...


class Unavailable(Exception):
    """The document cannot be had; the text may be shown."""


class Busy(Unavailable):
    """Too many documents are being fetched; the same request may succeed in a few seconds."""


@dataclass(slots=True)
class _Kept:
    content: bytes | None
    asked_at: int
    mistake: str = ""


class RemoteDocuments:
    """A cache of documents by address; threads share it."""

    def __init__(self, fetch: Fetch, *, allow_private: bool) -> None:
        """`allow_private` also allows plain http, for tests on one machine."""
        self._fetch = fetch
        self._allow_private = allow_private
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._lock = threading.Lock()
        self._places = FetchPlaces()

    def get(self, url: str, now: int, *, fresh: bool = False) -> bytes:
        """The document, at most five minutes old; with `fresh` asked for again, though not sooner than 20 seconds after the last time.

        When asking fails the last good document is given. Raises Unavailable, or Busy.
        """
        with self._lock:
            kept = self._kept.get(url)
        if kept is None or now - kept.asked_at >= (RETRY_SECONDS if fresh or kept.content is None or kept.mistake else KEPT_SECONDS):
            kept = self._ask(url, now, kept)
        if kept.content is None:
            raise Unavailable(kept.mistake)
        return kept.content

    def _ask(self, url: str, now: int, before: _Kept | None) -> _Kept:
        if not url.startswith("https://") and not (self._allow_private and url.startswith("http://")):
            raise Unavailable("the address is not an https URL")
        try:
            with self._places.place(_host(url), SECONDS):
                with self._lock:
                    known = self._kept.get(url)
                if known is not None and known is not before:
                    # Another thread asked while this one waited.
                    return known
                return self._asked(url, now, before)
        except NoPlace as error:
            raise Busy("too many documents are being fetched") from error

    def _asked(self, url: str, now: int, before: _Kept | None) -> _Kept:
        try:
            content = self._fetch(url, max_bytes=LARGEST, timeout=SECONDS, allow_private=self._allow_private, redirects=0)
            kept = _Kept(content, now)
        except Problem as problem:
            kept = _Kept(before.content if before else None, now, problem.detail)
        with self._lock:
            self._kept[url] = kept
            self._kept.move_to_end(url)
            while len(self._kept) > _MOST:
                self._kept.popitem(last=False)
        return kept


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
