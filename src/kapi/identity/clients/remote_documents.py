"""Documents that clients publish: keys (`jwks_uri`), client metadata, request objects.

They are fetched without redirects, with limits of size and time, and from private addresses only if
the settings allow it. Documents and failures are cached, which limits how often an address is
fetched. Called by `keys.py` and others.
"""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol
from urllib.parse import urlsplit

from kapi.addresses import is_loopback
from kapi.dataclass import dataclass
from kapi.errors import Problem
from kapi.identity.clients.fetch_places import FetchPlaces, NoPlace
from kapi.settings import Settings

LARGEST = 64 * 1024
SECONDS = 5.0
KEPT_SECONDS = 300
RETRY_SECONDS = 20
"""The least time between two requests to an address."""
_MOST = 2000


class Fetch(Protocol):
    """Gets a document by URL; see `kapi.fetch.fetch`."""

    def __call__(
        self,
        url: str,
        *,
        max_bytes: int,
        timeout: float,
        allow_private: bool,
        redirects: int,
    ) -> bytes: ...


class Unavailable(Exception):
    """The document cannot be fetched; the text may be shown."""


_UNSAFE = re.compile(r"[^ -~]|[\"\\]")


def plain(error: Unavailable) -> str:
    """The text of an error as an `error_description` may contain it (RFC 6749 §5.2)."""
    return _UNSAFE.sub("?", str(error))


class Busy(Unavailable):
    """Too many documents are being fetched; the same request may succeed in a few seconds."""


@dataclass(slots=True)
class _Kept:
    content: bytes | None
    asked_at: int
    mistake: str = ""

    @property
    def failed(self) -> bool:
        """Whether the last request failed."""
        return self.content is None or bool(self.mistake)


def fetches_private(settings: Settings) -> bool:
    """Whether clients may publish their documents in private networks."""
    return settings.identity.fetch_private_networks or is_loopback(
        settings.gateway.listen
    )


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
        """The document, at most five minutes old; with `fresh`, at most 20 seconds old.

        The last good document when fetching fails. Raises Unavailable, or Busy.
        """
        with self._lock:
            kept = self._kept.get(url)
        longest = KEPT_SECONDS
        if fresh or kept is None or kept.failed:
            longest = RETRY_SECONDS
        if kept is None or now - kept.asked_at >= longest:
            kept = self._ask(url, now, kept)
        if kept.content is None:
            raise Unavailable(kept.mistake)
        return kept.content

    def fetch_new(self, url: str, now: int) -> bytes:
        """The document, always fetched.

        An address that failed is not fetched again for 20 seconds. Raises Unavailable, or Busy.
        """
        key = f"new {url}"
        self._refuse_failed(key, now)
        with self._place(url):
            # Another thread may have failed while this one waited.
            self._refuse_failed(key, now)
            try:
                return self._fetched(url)
            except Problem as problem:
                self._keep(key, _Kept(None, now, problem.detail))
                raise Unavailable(problem.detail) from problem

    def _refuse_failed(self, key: str, now: int) -> None:
        with self._lock:
            failed = self._kept.get(key)
        if failed is not None and now - failed.asked_at < RETRY_SECONDS:
            raise Unavailable(failed.mistake)

    def _ask(self, url: str, now: int, before: _Kept | None) -> _Kept:
        with self._place(url):
            with self._lock:
                known = self._kept.get(url)
            if known is not None and known is not before:
                # Another thread asked while this one waited.
                return known
            try:
                kept = _Kept(self._fetched(url), now)
            except Problem as problem:
                kept = _Kept(None, now, problem.detail)
                if before is not None:
                    kept.content = before.content
            self._keep(url, kept)
            return kept

    @contextmanager
    def _place(self, url: str) -> Iterator[None]:
        """A place to fetch from an address.

        Raises Unavailable for an address that is not an https URL, or Busy.
        """
        if not url.startswith("https://") and not (
            self._allow_private and url.startswith("http://")
        ):
            raise Unavailable("the address is not an https URL")
        try:
            with self._places.place(_host(url), SECONDS):
                yield
        except NoPlace as error:
            raise Busy("too many documents are being fetched") from error

    def _fetched(self, url: str) -> bytes:
        return self._fetch(
            url,
            max_bytes=LARGEST,
            timeout=SECONDS,
            allow_private=self._allow_private,
            redirects=0,
        )

    def _keep(self, key: str, kept: _Kept) -> None:
        with self._lock:
            self._kept[key] = kept
            self._kept.move_to_end(key)
            while len(self._kept) > _MOST:
                self._kept.popitem(last=False)


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
