"""Transactions of threads that are committed together: all or none, each undone alone."""

from __future__ import annotations

import signal
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kapi.errors import StorageFull
from kapi.store.engine.database import ConstraintViolated
from kapi.store.engine.sqlite.connections import writer
from kapi.store.engine.sqlite.engine import SqliteEngine

THREADS = 16


class Counted:
    """An engine with one table, and the statements that its writing connection ran."""

    def __init__(self, path: Path) -> None:
        self.connection = writer(path)
        self.ran: list[str] = []
        self.engine = SqliteEngine(self.connection, path)
        with self.engine.transaction(("made",), parallel=True) as db:
            db.execute("CREATE TABLE changes (topic TEXT PRIMARY KEY, version INT)")
            db.execute("CREATE TABLE rows (number INT PRIMARY KEY)")
        self.connection.set_trace_callback(self.ran.append)

    def add(
        self, number: int, *topics: str, then: Callable[[], None] = lambda: None
    ) -> None:
        with self.engine.transaction(topics, parallel=True) as db:
            db.execute("INSERT INTO rows VALUES (?)", (number,))
            then()

    @property
    def commits(self) -> int:
        return self.ran.count("COMMIT")

    @property
    def numbers(self) -> set[int]:
        return {row[0] for row in self.engine.rows("SELECT number FROM rows", ())}


@pytest.fixture
def counted(tmp_path: Path) -> Iterator[Counted]:
    made = Counted(tmp_path / "kapi.db")
    yield made
    made.engine.close()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(THREADS) as made:
        yield made


def test_parallel_transactions_share_commits(
    counted: Counted, pool: ThreadPoolExecutor
) -> None:
    done = 0
    for _ in range(100):
        start = threading.Barrier(THREADS)

        def add(number: int, start: threading.Barrier = start) -> None:
            start.wait()
            counted.add(number)
            # It is committed when the call returns: a connection that reads sees it.
            assert number in counted.numbers

        list(pool.map(add, range(done, done + THREADS)))
        done += THREADS
        if counted.commits < done:
            break
    assert counted.commits < done
    assert counted.numbers == set(range(done))


def test_a_turn_that_fails_is_undone_alone(
    counted: Counted, pool: ThreadPoolExecutor
) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    def add(number: int) -> str:
        try:
            if number % 3 == 0:
                counted.add(number, then=fail)
            counted.add(number if number % 3 == 1 else 10_000)
        except ZeroDivisionError:
            return "failed"
        except ConstraintViolated:
            return "twice"
        return "kept"

    found = list(pool.map(add, range(30 * 8)))
    assert found.count("failed") == 80
    assert found.count("twice") == 79
    assert counted.numbers == {number for number in range(240) if number % 3 == 1} | {
        10_000
    }


def test_a_commit_that_fails_fails_every_turn(
    counted: Counted, pool: ThreadPoolExecutor
) -> None:
    def refuse(action: int, argument: str | None, *_: object) -> int:
        if action == sqlite3.SQLITE_TRANSACTION and argument == "COMMIT":
            return sqlite3.SQLITE_DENY
        return sqlite3.SQLITE_OK

    def fails(number: int) -> bool:
        try:
            counted.add(number)
        except sqlite3.DatabaseError:
            return True
        return False

    counted.connection.set_authorizer(refuse)
    assert all(pool.map(fails, range(64)))
    counted.connection.set_authorizer(None)
    counted.add(100)
    assert counted.numbers == {100}


def test_a_transaction_that_cannot_be_undone_holds_up_no_other(
    counted: Counted,
) -> None:
    def refuse(action: int, argument: str | None, *_: object) -> int:
        if action == sqlite3.SQLITE_TRANSACTION and argument != "BEGIN":
            return sqlite3.SQLITE_DENY
        return sqlite3.SQLITE_OK

    counted.connection.set_authorizer(refuse)
    with pytest.raises(sqlite3.DatabaseError):
        counted.add(1)
    with pytest.raises(sqlite3.DatabaseError):
        counted.add(2)
    counted.connection.set_authorizer(None)
    counted.add(3)
    assert counted.numbers == {3}


def test_a_wait_that_is_interrupted_holds_up_no_other(
    counted: Counted, pool: ThreadPoolExecutor
) -> None:
    """Ctrl-C reaches the main thread while it waits for its turn."""
    begun, goes_on = threading.Event(), threading.Event()

    def hold() -> None:
        begun.set()
        goes_on.wait()

    def interrupt(*_: object) -> None:
        # Only then the first turn ends, so that it may leave its commit to the main thread.
        goes_on.set()
        raise ZeroDivisionError

    first = pool.submit(counted.add, 1, then=hold)
    begun.wait()
    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    try:
        with pytest.raises(ZeroDivisionError):
            counted.add(2)
    finally:
        signal.signal(signal.SIGALRM, before)
    first.result(60)
    counted.add(3)
    assert counted.numbers == {1, 3}


def test_a_full_disk_fails_turns_and_the_next_ones_go_on(
    counted: Counted, pool: ThreadPoolExecutor
) -> None:
    pages = counted.connection.execute("PRAGMA page_count").fetchone()[0]
    counted.connection.execute(f"PRAGMA max_page_count = {pages + 2}")

    def kept(number: int) -> bool:
        try:
            counted.add(number)
        except StorageFull:
            return False
        return True

    found = list(pool.map(kept, range(4000)))
    assert not all(found)
    assert counted.numbers == {number for number, ok in enumerate(found) if ok}
    counted.connection.execute("PRAGMA max_page_count = 100000")
    counted.add(5000)
    assert 5000 in counted.numbers


def test_what_is_watched_is_committed_alone(
    counted: Counted, pool: ThreadPoolExecutor
) -> None:
    list(pool.map(lambda number: counted.add(number, "a"), range(40)))
    assert counted.commits == 40
    assert counted.engine.row("SELECT version FROM changes WHERE topic = 'a'", ()) == (
        40,
    )


def test_housekeeping_and_closing_wait_for_what_is_open(
    counted: Counted, pool: ThreadPoolExecutor
) -> None:
    def clean(number: int) -> None:
        counted.add(number)
        with counted.engine.alone() as db:
            assert not db.in_transaction

    list(pool.map(clean, range(60)))
    added = [pool.submit(counted.add, number) for number in range(100, 140)]
    counted.engine.close()
    ended = [item.exception() for item in added]
    reopened = sqlite3.connect(counted.engine.where)
    found = {row[0] for row in reopened.execute("SELECT number FROM rows")}
    reopened.close()
    expected = {100 + number for number, error in enumerate(ended) if error is None}
    assert found == expected | set(range(60))
