"""Writes the audit log: each entry into the store, and as a line of JSON into `logs/audit.log`.

Failures are limited, because anybody can cause them: those beyond are counted, and one entry a
minute says how many there were.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Final

import orjson

from kapi.errors import StorageError
from kapi.log_files import open_log
from kapi.store.audit import FAILED, FAILURE, SUCCESS, AuditStore, Event
from kapi.store.engine.database import Connection

MINUTE_MS: Final = 60_000
MOST_FAILURES: Final = 60
"""Failures that a process writes in a minute."""
MOST_OF_ONE: Final = 10
"""Failures of one address that a process writes in a minute."""
_LOG = logging.getLogger("kapi.audit")

Record = Callable[[Event], None]


def record_nothing(event: Event) -> None:
    """For where there is no audit log: tests."""


class Audit:
    """Appends entries. Thread-safe."""

    def __init__(self, store: AuditStore, path: Path) -> None:
        self._store = store
        self._path = path
        self._lock = threading.Lock()
        self._minute = 0
        self._failures: Counter[str] = Counter()
        self._left_out = 0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="audit")

    def record(self, event: Event) -> None:
        """Append an entry. An error of the store is logged: the work itself is done."""
        for item in self._admitted(event):
            try:
                number = self._store.append(item)
            except StorageError as error:
                _LOG.error(
                    "the audit log has no entry for %s: %s", item.event, error.title
                )
            except Exception:
                _LOG.exception("the audit log has no entry for %s", item.event)
            else:
                self._write_line({"id": number, **item.shown()}, item.event)

    def record_within(self, db: Connection, event: Event) -> Callable[[], None]:
        """Append the entry of a success in the transaction of the work itself.

        So both are on disk, or neither. Call the result after the transaction: it writes the line
        of the file.
        """
        number = self._store.append_within(db, event)
        return lambda: self._write_line({"id": number, **event.shown()}, event.event)

    def record_later(self, event: Event) -> None:
        """Append an entry from another thread, for callers that may not wait for the store."""
        self._thread.submit(self.record, event)

    def _admitted(self, event: Event) -> list[Event]:
        """The entry, if it may be written; before it, how many were left out in the last minute."""
        if event.outcome == SUCCESS:
            return [event]
        with self._lock:
            admitted: list[Event] = []
            minute = event.at // MINUTE_MS
            if minute != self._minute:
                if self._left_out:
                    admitted.append(_left_out(self._left_out, event.at))
                self._minute, self._left_out = minute, 0
                self._failures.clear()
            if not self._is_admitted(event.address):
                self._left_out += 1
            else:
                # Failures of callers with a valid token too: a program that repeats one is common.
                admitted.append(replace(event, class_=FAILED))
            return admitted

    def _is_admitted(self, address: str) -> bool:
        """Whether a failure is within the limits of this minute; counts it then."""
        if (
            self._failures[address] >= MOST_OF_ONE
            or self._failures.total() >= MOST_FAILURES
        ):
            return False
        # Only failures that are written are counted, so few addresses are kept.
        self._failures[address] += 1
        return True

    def _write_line(self, shown: dict[str, object], event: str) -> None:
        """Append a line. An error is logged: the store has the entry."""
        try:
            self._write(shown)
        except Exception:
            _LOG.exception("the audit log could not be written: %s", event)

    def _write(self, shown: dict[str, object]) -> None:
        """Append a line in one write: several processes append, and the file may be set aside."""
        descriptor = open_log(self._path)
        try:
            os.write(descriptor, orjson.dumps(shown) + b"\n")
        finally:
            os.close(descriptor)


def _left_out(number: int, at: int) -> Event:
    detail = f"{number} failures were left out"
    return Event("audit.limited", FAILURE, detail=detail, class_=FAILED, at=at)
