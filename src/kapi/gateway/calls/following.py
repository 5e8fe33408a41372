"""Reads what Envoy appends to the access log, for the figures of calls. One thread, once a second.

It begins at the end of the file. A file that was set aside is read to its end first.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO

EVERY_SECONDS = 1.0
_BLOCK = 256 * 1024
_LONGEST = 64 * 1024
"""Bytes of a line at most; Envoy's are shorter, headers included."""
_LOG = logging.getLogger("kapi.gateway")


class Following:
    """Calls `take` with new lines of a log, some hundred at once.

    `take` returns how many of them could not be read.
    """

    def __init__(self, path: Path, take: Callable[[Sequence[bytes]], int]) -> None:
        self._path = path
        self._take = take
        self._file: IO[bytes] | None = None
        self._rest = b""
        self._stopped = threading.Event()
        self.unread = 0
        """Lines that could not be read."""

    def start(self) -> None:
        """Begin at the end of the log."""
        self._file = self._open()
        if self._file is not None:
            self._file.seek(0, 2)
        threading.Thread(target=self._run, name="call-figures", daemon=True).start()

    def stop(self) -> None:
        """Stop reading the log."""
        self._stopped.set()

    def look(self) -> None:
        """Take the lines that were written since."""
        while True:
            if self._file is None:
                self._file = self._open()
            if self._file is None:
                return
            replaced = not self._is_current(self._file)
            for lines in self._lines(self._file):
                self.unread += self._take(lines)
            if not replaced:
                return
            # It was set aside before it was read: nothing is appended to it any more but by a
            # thread of Envoy that has not opened the new one yet, which it does within the second.
            self._file.close()
            self._file, self._rest = None, b""

    def _run(self) -> None:
        while not self._stopped.wait(EVERY_SECONDS):
            try:
                self.look()
            except Exception:
                _LOG.exception("the access log could not be read for the metrics")

    def _open(self) -> IO[bytes] | None:
        try:
            return self._path.open("rb")
        except FileNotFoundError:
            return None

    def _is_current(self, file: IO[bytes]) -> bool:
        try:
            current = self._path.stat()
        except FileNotFoundError:
            return True  # It was set aside, and Envoy has not made the new one.
        return os.path.samestat(os.fstat(file.fileno()), current)

    def _lines(self, file: IO[bytes]) -> Iterator[Sequence[bytes]]:
        while block := file.read(_BLOCK):
            *lines, self._rest = (self._rest + block).split(b"\n")
            if lines:
                yield lines
            if len(self._rest) > _LONGEST:
                self._rest = b""
