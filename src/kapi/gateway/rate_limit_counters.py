"""The control process's side of the admission filter: keeps Envoy's counters, and tells Envoy who may call what.

A thread reads the counters of long windows into the store and gives them back to an Envoy that has just started.

It speaks HTTP to Envoy on a Unix socket, where `wasm/admission/src/ledger.rs` answers; nothing of it is on the way of a request. What
is counted in the last second before Envoy is killed may be lost; a stop in peace loses nothing.
"""

from __future__ import annotations

import http.client
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from kapi.store.counters import Counter, Counters

_LOG = logging.getLogger("kapi.gateway")
EVERY_SECONDS = 1.0
"""How often the counters are read."""
SOON_SECONDS = 0.05
"""How often an Envoy that is not there yet is looked for."""
_SECONDS = 10.0
_FIRST_SECONDS = 2.0
_REST = 20
_BATCH_BYTES = 1024 * 1024
_IN_FORCE = "g"

ConsumerIndex = Mapping[str, str]
"""Records for the filter by name; see `directory.py`."""


class RateLimitCounters:
    """Started once by `app`; safe to share between threads."""

    def __init__(
        self,
        path: Path,
        counters: Counters,
        directory: Callable[[], ConsumerIndex],
        generation: str,
        needed: Callable[[], bool],
    ) -> None:
        """`directory` gives the records as they must be now; `generation` tells those of this process from all earlier ones.

        As long as it is not `needed`, Envoy has no filter that counts, and there is nobody to talk to.
        """
        self._path = path
        self._counters = counters
        self._directory = directory
        self._generation = generation
        self._needed = needed
        self._met = False
        self._kept: dict[tuple[str, int], Counter] = {}
        self._told: ConsumerIndex = {}
        self._stale = True
        """Whether the directory may have changed since Envoy was told."""
        self._news = threading.Event()
        self._stopped = threading.Event()
        self._one_at_a_time = threading.Lock()
        self._thread: threading.Thread | None = None
        self.ready = False
        """Whether Envoy has its counters back and knows who may call what."""

    def start(self) -> None:
        """Look after Envoy from now on."""
        self._kept = {(item.name, item.unit): item for item in self._counters.all()}
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Read the counters a last time; Envoy must still be there."""
        self._stopped.set()
        self._news.set()
        if self._thread is not None:
            self._thread.join(_SECONDS)

    def changed(self) -> None:
        """The directory has changed: tell Envoy soon."""
        self._stale = True
        self._news.set()

    def refresh(self) -> None:
        """The directory has changed: tell Envoy before this returns, if it is there."""
        self._stale = True
        if not self._needed():
            return
        # Right after the first limited API was deployed, Envoy may need a moment to open the socket.
        deadline = time.monotonic() + (0.0 if self._met else _FIRST_SECONDS)
        while True:
            try:
                self._visit()
            except OSError as error:
                if time.monotonic() < deadline:
                    time.sleep(SOON_SECONDS)
                    continue
                _LOG.info("Envoy was not told who may call what, trying again: %s", error)
                self._news.set()
            return

    def _run(self) -> None:
        pause = 0.0
        while True:
            self._news.wait(max(EVERY_SECONDS, pause) if self.ready else SOON_SECONDS)
            self._news.clear()
            begun = time.monotonic()
            try:
                if self._needed():
                    self._visit()
                else:
                    self.ready = True
            except OSError:
                self.ready = False
            except Exception:
                _LOG.exception("the counters could not be read")
            # A hundred thousand counters take a while to tell, and Envoy has other work.
            pause = (time.monotonic() - begun) * _REST
            if self._stopped.is_set():
                return

    def _visit(self) -> None:
        with self._one_at_a_time:
            restored, generation, found = self._read()
            if not restored:
                for batch in _batches([_line(item) for item in self._kept.values()], ""):
                    self._send("/restore", batch)
                self._send("/restored")
            if self._stale or generation != self._generation:
                self._tell(anew=generation != self._generation)
            self.ready = self._met = True
            if restored:
                self._keep(found)

    def _read(self) -> tuple[bool, str, dict[tuple[str, int], Counter]]:
        first, _, rest = self._send("/counters").partition("\n")
        restored, _, generation = first.partition("\t")
        found = {(item.name, item.unit): item for item in map(_counter, rest.splitlines())}
        return restored == "1", generation, found

    def _keep(self, found: dict[tuple[str, int], Counter]) -> None:
        changed = [item for key, item in found.items() if self._kept.get(key) != item]
        gone = [item for key, item in self._kept.items() if key not in found]
        if changed or gone:
            self._counters.save(changed, gone)
            self._kept = found

    def _tell(self, *, anew: bool) -> None:
        """Send what differs from what was told; all of it to an Envoy that knows nothing of this process."""
        self._stale = False
        try:
            wanted, told = self._directory(), {} if anew else self._told
            self._send_records(wanted, told)
        except BaseException:
            self._stale = True
            raise
        if anew:
            # Only now do the records count, all at once, and those of an earlier process no longer.
            self._send("/directory", f"{_IN_FORCE}\n{self._generation}")
        self._told = wanted

    def _send_records(self, wanted: ConsumerIndex, told: ConsumerIndex) -> None:
        changed = {name: value for name, value in wanted.items() if told.get(name) != value}
        records = [f"{name}\n{self._generation}\n{value}" for name, value in changed.items()]
        records += [f"{name}\n" for name in told.keys() - wanted.keys()]
        for batch in _batches(records, "\f"):
            self._send("/directory", batch)

    def _send(self, path: str, body: str = "") -> str:
        """One call. Raises OSError when Envoy is away or says no."""
        connection = http.client.HTTPConnection("ledger", timeout=_SECONDS)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
            peer.settimeout(_SECONDS)
            peer.connect(str(self._path))
            connection.sock = peer
            try:
                connection.request("POST" if body else "GET", path, body.encode() or None)
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
