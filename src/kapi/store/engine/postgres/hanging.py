"""Notices a server that keeps its connections open and answers nothing, such as a stopped process.

TCP does not tell. When a connection has been in use for long, a new one is made; if that is not
answered either, all connections of the process are broken, and what waits on them raises
StorageUnavailable.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

import psycopg
from psycopg.errors import ConnectionTimeout

LONG_SECONDS: Final = 4.0
"""How long a connection may be in use before the server is asked whether it answers."""
_EVERY_SECONDS: Final = 1.0
_LOG = logging.getLogger("kapi.store")

Raw = psycopg.Connection[Any]


class HangingServer:
    """The connections that are in use, and the thread that looks at them."""

    def __init__(self, connect: Callable[[], Raw]) -> None:
        """`connect` makes a connection; it raises ConnectionTimeout without an answer."""
        self._connect = connect
        self._used: dict[Raw, float] = {}
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self, connection: Raw) -> None:
        """A thread waits for answers on this connection from now on."""
        with self._lock:
            self._used[connection] = time.monotonic()

    def end(self, connection: Raw) -> None:
        """No thread does any more."""
        with self._lock:
            self._used.pop(connection, None)

    @contextmanager
    def using(self, connection: Raw) -> Iterator[None]:
        """Call `begin` before and `end` after the block."""
        self.begin(connection)
        try:
            yield
        finally:
            self.end(connection)

    def start(self) -> None:
        """Look at them from now on, in a thread. Once; for processes that run for long."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="store-hangs", daemon=True
                )
                self._thread.start()

    def stop(self) -> None:
        """Stop the thread soon."""
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.wait(_EVERY_SECONDS):
            if self._is_long() and not self._answers():
                self._break_all()

    def _is_long(self) -> bool:
        with self._lock:
            oldest = min(self._used.values(), default=time.monotonic())
        return time.monotonic() - oldest > LONG_SECONDS

    def _answers(self) -> bool:
        """False only without any answer: what is refused has been answered."""
        try:
            self._connect().close()
        except ConnectionTimeout:
            return False
        except psycopg.Error:
            pass
        else:
            self._stopped.wait(
                LONG_SECONDS
            )  # Something waits for a lock, or takes long.
        return True

    def _break_all(self) -> None:
        # With the lock, none of them is closed meanwhile: its number could be another file's then.
        with self._lock:
            count = len(self._used)
            for connection in self._used:
                _end_wait(connection)
        _LOG.warning(
            "the database does not answer on %d open connections; closing them", count
        )


def _end_wait(connection: Raw) -> None:
    """End the wait of the thread that uses it; to close it from here would not."""
    with suppress(psycopg.Error, OSError):
        copy = os.dup(connection.fileno())
        with socket.socket(fileno=copy) as end:
            end.shutdown(socket.SHUT_RDWR)
