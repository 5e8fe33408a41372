"""Failed attempts: one count for all processes, kept over restarts, bounded, with an end."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from kapi.store.engine.database import Database
from kapi.store.login_attempts import WINDOW, LoginAttempts

NOW = 1_800_000_000
MOST = {"name alice": 3, "address 203.0.113.7": 5}


def test_processes_share_a_count_that_outlives_them(where: Path | str) -> None:
    one, two = (LoginAttempts(Database.open(where)) for _ in range(2))
    assert [
        one.count(MOST, NOW),
        two.count(MOST, NOW + 1),
        one.count(MOST, NOW + 2),
    ] == [0, 0, 0]
    assert (one.count(MOST, NOW + 10), two.wait(MOST, NOW + 10)) == (
        WINDOW - 10,
        WINDOW - 10,
    )
    later = LoginAttempts(Database.open(where))
    assert later.wait(MOST, NOW + 20) == WINDOW - 20
    assert later.wait({"name bob": 3}, NOW + 20) == 0


def test_of_parallel_tries_no_more_than_allowed_are_counted(where: Path | str) -> None:
    databases = [Database.open(where) for _ in range(4)]
    with ThreadPoolExecutor(16) as pool:
        waits = list(
            pool.map(
                lambda number: LoginAttempts(databases[number % 4]).count(
                    {"name alice": 7}, NOW
                ),
                range(40),
            )
        )
    assert waits.count(0) == 7


def test_one_that_has_none_left_uses_up_nothing_of_the_other(where: Path | str) -> None:
    attempts = LoginAttempts(Database.open(where))
    for name in ("a", "b", "c"):
        attempts.count({"address x": 3, f"name {name}": 1}, NOW)
    assert attempts.count({"address x": 3, "name alice": 1}, NOW) > 0
    assert attempts.count({"address y": 3, "name alice": 1}, NOW) == 0


def test_a_window_ends_however_often_somebody_tries_and_wherever_the_clock_is_set(
    where: Path | str,
) -> None:
    attempts = LoginAttempts(Database.open(where))
    for second in range(0, WINDOW, 10):
        attempts.count(MOST, NOW + second)
    assert attempts.count(MOST, NOW + WINDOW) == 0
    for _ in range(5):
        attempts.count(MOST, NOW + 10 * WINDOW)
    assert attempts.wait(MOST, NOW + 10 * WINDOW) > 0
    assert attempts.count(MOST, NOW + WINDOW) == 0


def test_a_right_try_does_not_count(where: Path | str) -> None:
    attempts = LoginAttempts(Database.open(where))
    for _ in range(3):
        attempts.count(MOST, NOW)
    attempts.take_back(MOST, "name alice")
    assert attempts.wait(MOST, NOW) == 0
    assert [attempts.count(MOST, NOW) for _ in range(4)] == [0, 0, 0, WINDOW]


def test_the_table_is_bounded_and_keeps_what_was_counted_last(
    where: Path | str,
) -> None:
    database = Database.open(where)
    attempts = LoginAttempts(database, most_counted=50)
    for number in range(200):
        attempts.count({f"name {number}": 1}, NOW + number % 100)
    assert database.row("SELECT count(*) FROM tries") == (50,)
    assert attempts.wait({"name 199": 1}, NOW + 99) > 0
    attempts.count({"name new": 1}, NOW + 100 + WINDOW)
    assert database.row("SELECT count(*) FROM tries") == (1,)
