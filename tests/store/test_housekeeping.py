"""What has expired goes in small pieces, the space comes back, and nobody waits for it."""

from __future__ import annotations

import itertools
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from kapi.errors import StorageBusy, StorageFull, StorageNewer
from kapi.store.engine.database import Database
from kapi.store.housekeeping import API_KEYS_KEPT, BATCH, REMOVED_KEPT, keep_house

ROWS = 3000


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Database]:
    """A database whose engine is SQLite."""
    opened = Database.open(tmp_path / "kapi.db")
    yield opened
    opened.close()


def fill(database: Database, rows: int = ROWS, expires_at: int = 10) -> None:
    with database.transaction() as db:
        db.executemany(
            (
                "INSERT INTO records (kind, key, family, payload, expires_at) VALUES ('code', ?, "
                "'', "
                "?, ?)"
            ),
            (
                (f"{expires_at} {number}", "x" * 3000, expires_at)
                for number in range(rows)
            ),
        )


def count(database: Database, table: str = "records") -> int:
    return int(database.row(f"SELECT count(*) FROM {table}")[0])


def test_it_goes_in_small_pieces_between_which_others_write(
    database: Database, where: Path | str
) -> None:
    fill(database)
    fill(database, 3, expires_at=1000)
    left = []
    other = Database.open(where)

    def pause(_: float) -> None:
        left.append(count(database))
        with other.transaction() as db:
            db.execute(
                "INSERT INTO duties (name, done) VALUES (?, 0)", (str(len(left)),)
            )

    keep_house(database, 10, pause)
    other.close()
    assert count(database) == 3
    steps = [before - after for before, after in itertools.pairwise(left)]
    assert len(left) >= ROWS // BATCH
    assert max(steps) <= BATCH


def test_the_space_comes_back(file: Database, tmp_path: Path) -> None:
    fill(file)
    size = (tmp_path / "kapi.db").stat().st_size
    keep_house(file, 10, lambda _: None)
    assert (tmp_path / "kapi.db").stat().st_size < size / 2
    assert (tmp_path / "kapi.db-wal").stat().st_size <= 4 * 1024**2


def test_the_space_comes_back_while_others_write(
    file: Database, tmp_path: Path
) -> None:
    fill(file)
    size = (tmp_path / "kapi.db").stat().st_size
    other = sqlite3.connect(tmp_path / "kapi.db", isolation_level=None)
    pauses = 0

    def pause(_: float) -> None:
        nonlocal pauses
        pauses += count(file) == 0
        # After the last rows, while the file is shortened: every other time somebody else is
        # writing.
        if pauses > 1:
            other.execute("COMMIT" if other.in_transaction else "BEGIN IMMEDIATE")

    keep_house(file, 10, pause)
    if other.in_transaction:
        other.execute("COMMIT")
    other.close()
    assert pauses > 3
    assert (tmp_path / "kapi.db").stat().st_size < size / 2


def test_a_file_of_an_older_version_is_shortened_too(tmp_path: Path) -> None:
    path = tmp_path / "kapi.db"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE first (a)")
    db.close()
    database = Database.open(path)
    fill(database)
    keep_house(database, 10, lambda _: None)
    size = path.stat().st_size
    assert size < 4 * 1024**2
    fill(database, ROWS)
    keep_house(database, 10, lambda _: None)
    assert path.stat().st_size < 4 * 1024**2
    database.close()


def test_every_table_that_grows(database: Database) -> None:
    now = 10**9
    with database.transaction() as db:
        db.execute(
            "INSERT INTO revocations VALUES ('', 'old', 5, ''), ('', 'live', ?, '')",
            (now,),
        )
        db.execute("INSERT INTO tries VALUES ('old', 5, 1), ('live', ?, 1)", (now,))
        for name, expires_at in (
            ("old", now - API_KEYS_KEPT),
            ("late", now - 5),
            ("endless", 0),
        ):
            db.execute(
                "INSERT INTO api_keys VALUES (?, '', 'jwt', '', '{}', 0, ?, 0)",
                (name, expires_at),
            )
        for number in range(1, REMOVED_KEPT + 3):
            db.execute(
                "INSERT INTO registered_clients VALUES (?, '{}', '', '', '', 0, ?, ?)",
                (str(number), number, number != 2),
            )
    keep_house(database, now, lambda _: None)
    assert database.rows("SELECT jti FROM revocations") == [("live",)]
    assert database.rows("SELECT name FROM tries") == [("live",)]
    assert database.rows("SELECT id FROM api_keys ORDER BY id") == [
        ("endless",),
        ("late",),
    ]
    assert database.rows("SELECT min(revision), count(*) FROM registered_clients") == [
        (2, REMOVED_KEPT + 1)
    ]


def test_a_read_never_waits_for_a_writer(database: Database, where: Path | str) -> None:
    fill(database, 1)
    other = Database.open(where)
    with database.transaction() as db:
        db.execute("DELETE FROM records")
        assert count(database) == 0  # as the transaction sees it
        seen: list[int] = []
        reading = threading.Thread(
            target=lambda: seen.extend((count(database), count(other)))
        )
        reading.start()
        reading.join(60)
        assert seen == [1, 1]
    other.close()


def test_a_read_never_waits_for_a_write_that_waits_for_another_process(
    file: Database, tmp_path: Path
) -> None:
    fill(file, 1)
    other = sqlite3.connect(tmp_path / "kapi.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    written = threading.Event()

    def write() -> None:
        fill(file, 1, expires_at=20)
        written.set()

    threading.Thread(target=write, daemon=True).start()
    for _ in range(50):
        assert count(file) == 1
    assert not written.is_set()
    other.execute("COMMIT")
    assert written.wait(60)
    assert count(file) == 2
    other.close()


def test_what_stays_busy_is_said_as_that(
    file: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kapi.store.engine.sqlite.turns.BUSY_SECONDS", 0.0)
    other = sqlite3.connect(tmp_path / "kapi.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageBusy):
        fill(file, 1)
    other.execute("COMMIT")
    fill(file, 1)
    assert count(file) == 1
    other.close()


def test_a_full_disk_is_said_as_that_and_changes_nothing(file: Database) -> None:
    fill(file, 1)
    pages = file.row("PRAGMA page_count")[0]
    with file.transaction() as db:
        db.execute(f"PRAGMA max_page_count={pages}")
    with pytest.raises(StorageFull) as raised:
        fill(file, 10_000, expires_at=20)
    assert (raised.value.status, raised.value.title) == (507, "The disk is full")
    assert count(file) == 1


def test_a_newer_data_directory_is_refused_and_not_changed(tmp_path: Path) -> None:
    path = tmp_path / "kapi.db"
    database = Database.open(path)
    with database.transaction() as db:
        db.execute("INSERT INTO migrations (name) VALUES ('9999_of_later.sql')")
    database.close()
    before = path.read_bytes()
    with pytest.raises(
        StorageNewer, match=r"9999_of_later\.sql, which this version does not have"
    ):
        Database.open(path)
    assert path.read_bytes() == before
