"""Keeps the counters of Envoy's admission filter, and sends Envoy the consumer index.

A thread reads the counters of long windows into the store and restores them in an Envoy that has
just started. It speaks HTTP with Envoy on a Unix socket, where `wasm/admission/src/ledger.rs`
answers; no request waits for it. Counts of the last second before Envoy is killed may be lost. An
orderly stop loses none.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from kapi.errors import StorageError
from kapi.store.gateway.counters import Counter, Counters

_LOG = logging.getLogger("kapi.gateway")
EVERY_SECONDS = 1.0
"""How often the counters are read."""
SOON_SECONDS = 0.05
"""How often it tries to reach an Envoy that does not answer yet."""
_SECONDS = 10.0
_FIRST_SECONDS = 2.0
_REST = 20
_BATCH_BYTES = 1024 * 1024
_IN_FORCE = "g"

ConsumerIndex = Mapping[str, str]
"""Records for the filter by name; see `consumer_index.py`."""


class RateLimitCounters:
    """Started once by `app`; safe to share between threads."""

    def __init__(
        self,
        path: Path,
        counters: Counters,
        index: Callable[[], ConsumerIndex],
        generation: str,
        needed: Callable[[], bool],
    ) -> None:
        """`index` returns the records; `generation` distinguishes this process from earlier ones.

        While `needed` is false, Envoy has no filter that counts, so nothing is sent.
        """
        self._path = path
        self._counters = counters
        self._index = index
        self._generation = generation
        self.needed = needed
        self._met = False
        self._kept: dict[tuple[str, int], Counter] = {}
        self._sent: ConsumerIndex = {}
        self._stale = True
        """Whether the index may have changed since it was sent."""
        self._news = threading.Event()
        self._stopped = threading.Event()
        self._one_at_a_time = threading.Lock()
        self._thread: threading.Thread | None = None
        self.ready = False
        """Whether Envoy has its counters and the current index."""

    def start(self) -> None:
        """Start the thread."""
        self._counters.adopt()
        self._kept = {(item.name, item.unit): item for item in self._counters.all()}
        self._thread = threading.Thread(
            target=self._run, name="rate-limit-counters", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Read the counters a last time; Envoy must still run."""
        self._stopped.set()
        self._news.set()
        if self._thread is not None:
            self._thread.join(_SECONDS)

    def changed(self) -> None:
        """The index has changed: send it soon."""
        self._stale = True
        self._news.set()

    def refresh(self) -> None:
        """The index has changed: send it before this returns, if Envoy answers."""
        self._stale = True
        if not self.needed():
            return
        # After the first limited API is deployed, Envoy may need a moment to open the socket.
        deadline = time.monotonic()
        if not self._met:
            deadline += _FIRST_SECONDS
        while True:
            try:
                self._visit()
            except OSError as error:
                if time.monotonic() < deadline:
                    time.sleep(SOON_SECONDS)
                    continue
                _LOG.info(
                    "the consumer index did not reach Envoy, trying again: %s", error
                )
                self._news.set()
            return

    def _run(self) -> None:
        pause = 0.0
        while True:
            self._news.wait(max(EVERY_SECONDS, pause) if self.ready else SOON_SECONDS)
            self._news.clear()
            begun = time.monotonic()
            try:
                if self.needed():
                    self._visit()
                else:
                    self.ready = True
            except OSError:
                self.ready = False
            except StorageError:
                pass  # The watch of the store says so in the log, once.
            except Exception:
                _LOG.exception("the counters could not be read")
            # A hundred thousand counters take a while to read, and Envoy has other work.
            pause = (time.monotonic() - begun) * _REST
            if self._stopped.is_set():
                return

    def _visit(self) -> None:
        with self._one_at_a_time:
            restored, generation, found = self._read()
            if not restored:
                for batch in _batches(list(map(_line, self._kept.values())), ""):
                    self.send("/restore", batch)
                self.send("/restored")
            if self._stale or generation != self._generation:
                self._send_index(whole=generation != self._generation)
            self.ready = self._met = True
            if restored:
                self._keep(found)

    def _read(self) -> tuple[bool, str, dict[tuple[str, int], Counter]]:
        first, _, rest = self.send("/counters").partition("\n")
        restored, _, generation = first.partition("\t")
        found = {
            (item.name, item.unit): item for item in map(_counter, rest.splitlines())
        }
        return restored == "1", generation, found

    def _keep(self, found: dict[tuple[str, int], Counter]) -> None:
        changed = []
        for key, item in found.items():
            if self._kept.get(key) != item:
                changed.append(item)
        gone = []
        for key, item in self._kept.items():
            if key not in found:
                gone.append(item)
        if changed or gone:
            self._counters.save(changed, gone)
            self._kept = found

    def _send_index(self, *, whole: bool) -> None:
        """Send the difference; the `whole` index to an Envoy that has none of this process."""
        self._stale = False
        try:
            wanted = self._index()
            self._send_records(wanted, {} if whole else self._sent)
        except BaseException:
            self._stale = True
            raise
        if whole:
            # Puts all records in force at once, in place of those of an earlier process.
            self.send("/directory", f"{_IN_FORCE}\n{self._generation}")
        self._sent = wanted

    def _send_records(self, wanted: ConsumerIndex, sent: ConsumerIndex) -> None:
        changed = {}
        for name, value in wanted.items():
            if sent.get(name) != value:
                changed[name] = value
        records = [
            f"{name}\n{self._generation}\n{value}" for name, value in changed.items()
        ]
        records += [f"{name}\n" for name in sent.keys() - wanted.keys()]
        for batch in _batches(records, "\f"):
            self.send("/directory", batch)

    def send(self, path: str, body: str = "") -> str:
        """One call on the socket.

        Raises OSError when Envoy does not answer, or answers with an error.
        """
        import http.client  # not before Envoy has its listener

        connection = http.client.HTTPConnection("envoy", timeout=_SECONDS)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
            peer.settimeout(_SECONDS)
            peer.connect(str(self._path))
            connection.sock = peer
            try:
                connection.request(
                    "POST" if body else "GET", path, body.encode() or None
                )
                answer = connection.getresponse()
                content = answer.read().decode()
            except http.client.HTTPException as error:
                raise ConnectionError(f"no HTTP on {self._path.name}") from error
        if answer.status != 200:
            raise ConnectionError(f"{path} answered {answer.status}")
        return content


def _counter(line: str) -> Counter:
    unit, slot, used, name = line.split("\t", 3)
    return Counter(name, int(unit), int(slot), int(used))


def _line(item: Counter) -> str:
    return f"{item.unit}\t{item.slot}\t{item.used}\t{item.name}\n"


def _batches(parts: Iterable[str], between: str) -> Iterator[str]:
    """Requests of bounded size."""
    batch, size = [], 0
    for part in parts:
        batch.append(part)
        size += len(part)
        if size > _BATCH_BYTES:
            yield between.join(batch)
            batch, size = [], 0
    if batch:
        yield between.join(batch)
