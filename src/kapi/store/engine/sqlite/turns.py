"""Transactions that arrive together are committed together: one write to disk for all of them.

A commit waits for the disk. The transactions that threads of this process begin meanwhile take
turns in one SQLite transaction, each behind a savepoint, and the last one commits. Each caller
returns after that commit: what it was told is on disk. A turn that fails is undone alone; if the
commit fails, all of its turns fail. A later turn sees the changes of earlier ones, so that of two
uses of one code the second is refused.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import deque
from contextlib import suppress
from typing import Final

from kapi.errors import StorageBusy
from kapi.store.engine.interface import StoreClosed
from kapi.store.engine.sqlite.connections import BUSY_SECONDS, is_busy

_MOST: Final = 64
"""Turns in one commit at most; other processes wait for the lock meanwhile."""
_LONGEST_PAUSE: Final = 0.05


class Group:
    """The turns of one commit."""

    def __init__(self) -> None:
        self.turns = 0
        self.error: BaseException | None = None
        self._over = threading.Lock()
        self._over.acquire()

    def end(self) -> None:
        """Wake the turns: it is committed, or `error` says why not."""
        self._over.release()

    def wait(self) -> None:
        """Return after the commit. Raises its error."""
        with self._over:
            pass
        if self.error is not None:
            raise self.error


class Turns:
    """The connection that writes, one thread at a time."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.owner = 0
        """The thread whose turn it is; 0: none."""
        self.closed = False
        self._lock = threading.Lock()
        self._waiting: deque[None] = deque()
        self._group: Group | None = None

    def begin(self, *, alone: bool) -> Group:
        """Wait for a turn; `alone` in a commit of its own.

        No lock of this process is held while another process writes. Raises StorageBusy.
        """
        deadline, pause = time.monotonic() + BUSY_SECONDS, 0.001
        while True:
            self.acquire(settled=alone)
            try:
                group = self._begun()
            except BaseException as error:
                self.release()
                if not isinstance(error, sqlite3.OperationalError) or not is_busy(
                    error
                ):
                    raise
                if time.monotonic() > deadline:
                    raise StorageBusy from error
            else:
                self.owner = threading.get_ident()
                return group
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def finish(self, group: Group, *, alone: bool) -> None:
        """End a turn that succeeded."""
        self.owner = 0
        try:
            if group.turns:
                self.connection.execute("RELEASE turn")
            group.turns += 1
            if alone or group.turns >= _MOST:
                self._settle()
        except BaseException as error:
            self._fail(group, error)
            raise
        finally:
            self.release()

    def undo(self, group: Group, error: BaseException) -> None:
        """End a turn that failed with this error."""
        self.owner = 0
        try:
            if not group.turns or not self.connection.in_transaction:
                # SQLite may have ended the transaction itself, such as when the disk is full.
                self._fail(group, error)
                return
            self.connection.execute("ROLLBACK TO turn")
            self.connection.execute("RELEASE turn")
        except BaseException as failure:
            self._fail(group, failure)
            raise
        finally:
            self.release()

    def acquire(self, *, settled: bool) -> None:
        """Take the lock of this process; `settled`: after the current group is committed."""
        self._waiting.append(None)
        try:
            self._lock.acquire()
        except BaseException:
            # Ctrl-C: the thread before may have left its commit to this one.
            self._waiting.pop()
            self._lock.acquire()
            self.release()
            raise
        self._waiting.pop()
        if settled:
            self._settle()

    def release(self) -> None:
        """Give the lock back. Commit first if no other thread waits for it."""
        if self._group is not None and not self._waiting:
            self._settle()
        self._lock.release()

    def close(self) -> None:
        """Commit what is open, and close the connection."""
        self.acquire(settled=True)
        try:
            self.closed = True
            self.connection.close()
        finally:
            self.release()

    def _begun(self) -> Group:
        if self.closed:
            raise StoreClosed
        if self._group is not None:
            self.connection.execute("SAVEPOINT turn")
            return self._group
        self._roll_back()
        self.connection.execute("BEGIN IMMEDIATE")
        self._group = Group()
        return self._group

    def _settle(self) -> None:
        """Commit the open group, if there is one. Its turns get the error, if there is one."""
        group = self._group
        if group is None:
            return
        try:
            self.connection.execute("COMMIT")
        except BaseException as error:
            self._fail(group, error)
        else:
            self._group = None
            group.end()

    def _fail(self, group: Group, error: BaseException) -> None:
        """Undo all turns of a group."""
        if group is not self._group:
            return
        self._group = None
        group.error = error
        try:
            # If it fails, the next turn tries again.
            with suppress(sqlite3.Error):
                self._roll_back()
        finally:
            group.end()

    def _roll_back(self) -> None:
        """End what SQLite has not ended itself."""
        if self.connection.in_transaction:
            self.connection.execute("ROLLBACK")
