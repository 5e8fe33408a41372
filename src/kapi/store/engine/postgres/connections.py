"""Connections of one process to PostgreSQL, and the meaning of its errors.

While the server does not answer, one attempt a second is made. Other calls fail at once, so that
threads which serve callers do not wait for it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

import psycopg
from psycopg import errors

from kapi.errors import KapiError, StorageBusy, StorageFull, StorageUnavailable
from kapi.store.engine.interface import ConstraintViolated, StoreClosed
from kapi.store.engine.postgres.address import secrets_of, shown
from kapi.store.engine.postgres.hanging import HangingServer
from kapi.store.engine.postgres.values import register

BUSY_SECONDS: Final = 30
"""How long a write waits for others before it is refused."""
MOST: Final = 10
"""Connections of one process, besides that of its watch."""
_AGAIN_SECONDS: Final = 1.0
_PREPARED_AFTER: Final = 1
_MOST_PREPARED: Final = 256
_SESSION: Final = (
    f"SET lock_timeout = '{BUSY_SECONDS}s';"
    # A node that was cut off in a transaction must not hold the lock of the writers for long.
    " SET idle_in_transaction_session_timeout = '10s';"
    " SET default_transaction_isolation = 'read committed'"
)
_BUSY: Final = (
    errors.LockNotAvailable,
    errors.DeadlockDetected,
    errors.SerializationFailure,
)
_AWAY: Final = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    errors.ReadOnlySqlTransaction,
)

Raw = psycopg.Connection[Any]


class Connections:
    """At most `MOST` connections; idle ones are used again, the newest first."""

    def __init__(self, parameters: dict[str, Any]) -> None:
        self.where = shown(parameters)
        self._parameters = parameters
        self._places = threading.BoundedSemaphore(MOST)
        self._idle: list[Raw] = []
        self._closed = False
        self._one_attempt = threading.Lock()
        self._away_until = 0.0
        """Seconds of the monotonic clock; 0 while the server answers."""
        self._why = ""
        self.hanging = HangingServer(self._bare)

    def close(self) -> None:
        """Close the idle ones; those in use are closed when they are given back."""
        self._closed = True
        self.hanging.stop()
        self._drop_idle()

    def new(self) -> Raw:
        """A connection outside the limit. Raises StorageUnavailable."""
        if not self._one_attempt.acquire(blocking=not self._away_until):
            raise StorageUnavailable(self.where, self._why)
        try:
            if time.monotonic() < self._away_until:
                raise StorageUnavailable(self.where, self._why)
            connection = self._connected()
            self._away_until = 0.0
        except psycopg.Error as error:
            self._why = self._without_secrets(str(error))
            self._away_until = time.monotonic() + _AGAIN_SECONDS
            raise StorageUnavailable(self.where, self._why) from None
        else:
            return connection
        finally:
            self._one_attempt.release()

    def _bare(self) -> Raw:
        return psycopg.Connection.connect(
            **self._parameters, autocommit=True, cursor_factory=psycopg.RawCursor
        )

    def _connected(self) -> Raw:
        connection = self._bare()
        connection.prepared_max = _MOST_PREPARED
        connection.prepare_threshold = _PREPARED_AFTER
        register(connection.adapters)
        with self.hanging.using(connection):
            connection.execute(_SESSION)
        return connection

    def begun(self, statement: str) -> Raw:
        """A connection that has run this statement. `give` it back."""
        connection = self.take()
        try:
            return self._run(connection, statement)
        except BaseException:
            self.give(connection)
            raise

    def take(self) -> Raw:
        """A connection, idle or new. `give` it back. It may have been closed by the server."""
        if self._closed:
            raise StoreClosed
        if not self._places.acquire(timeout=BUSY_SECONDS):
            raise StorageBusy
        try:
            connection = self._idle_or_new()
        except BaseException:
            self._places.release()
            raise
        self.hanging.begin(connection)
        return connection

    def _idle_or_new(self) -> Raw:
        try:
            return self._idle.pop()
        except IndexError:
            return self.new()

    def give(self, connection: Raw) -> None:
        """Give a connection back."""
        self.hanging.end(connection)
        if connection.closed or self._closed:
            connection.close()
        else:
            self._idle.append(connection)
        self._places.release()

    def replaced(self, connection: Raw) -> Raw:
        """A new connection in place of one that broke; idle ones are as old, and are closed."""
        self.hanging.end(connection)
        connection.close()
        self._drop_idle()
        fresh = self.new()
        self.hanging.begin(fresh)
        return fresh

    def _run(self, connection: Raw, statement: str) -> Raw:
        try:
            connection.execute(statement, prepare=False)
        except psycopg.OperationalError:
            if not connection.closed:
                raise
        else:
            return connection
        fresh = self.replaced(connection)
        try:
            fresh.execute(statement, prepare=False)
        except BaseException:
            self.hanging.end(fresh)
            fresh.close()
            raise
        return fresh

    def _drop_idle(self) -> None:
        while self._idle:
            with suppress(IndexError):
                self._idle.pop().close()

    def _without_secrets(self, text: str) -> str:
        for secret in secrets_of(self._parameters):
            text = text.replace(secret, "***")
        return " ".join(text.split())


@contextmanager
def meaning(where: str) -> Iterator[None]:
    """Raise kapi's errors for those of PostgreSQL that mean them."""
    try:
        yield
    except psycopg.IntegrityError as error:
        raise ConstraintViolated(str(error)) from error
    except psycopg.Error as error:
        known = _known(error, where)
        if known is None:
            raise
        raise known from error


def _known(error: psycopg.Error, where: str) -> KapiError | None:
    if isinstance(error, errors.DiskFull):
        return StorageFull("the database")
    if isinstance(error, _BUSY):
        return StorageBusy()
    if isinstance(error, _AWAY):
        return StorageUnavailable(where, str(error))
    return None
