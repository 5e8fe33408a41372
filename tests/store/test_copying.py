"""All data moves between the engines, in either direction, and a difference would be noticed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from kapi.errors import KapiError
from kapi.store.engine.database import Database
from kapi.store.families import Families, Issue
from kapi.store.gateway.applications import (
    Application,
    ApplicationStore,
    ConsumerKey,
    Subscription,
)
from kapi.store.platform_keys import PlatformKeys
from kapi.store.records import Record, Records
from kapi.store.whole.copying import COMPUTED, TABLES, copy


@pytest.fixture
def filled(tmp_path: Path) -> Iterator[Database]:
    """A SQLite database with rows of many kinds."""
    database = Database.open(tmp_path / "filled.db")
    records = Records(database)
    for number in range(1200):
        records.put(
            "pushed", Record(f"k{number:05}", "ä\0\ue0001", {"n": "\0"}, 10**10, None)
        )
    session = Record("f", "s", {"user": "ada"}, 10**10)
    Families(database).start(session, Issue("jti", 10**10, "refresh", 10**10), 1)
    PlatformKeys(database).get_or_make("nonces", lambda: bytes(range(256)))
    applications = ApplicationStore(database)
    shop = Application("id", "org", "shop")
    applications.create(shop)
    applications.add_key(shop, ConsumerKey("key", "PRODUCTION"))
    applications.subscribe("id", Subscription("s", "Petstore", "1"))
    yield database
    database.close()


def test_every_table_and_column_is_copied(filled: Database, tmp_path: Path) -> None:
    db = sqlite3.connect(tmp_path / "filled.db")
    tables = [
        row[0]
        for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    ]
    assert sorted({*TABLES, "migrations", "compatible_migrations"}) == sorted(tables)
    # 2 and 3 are generated columns.
    hidden = [
        row[1]
        for table in TABLES
        for row in db.execute(f"PRAGMA table_xinfo({table})")
        if row[6] in {2, 3}
    ]
    assert frozenset(hidden) == COMPUTED
    for table, key in TABLES.items():
        own = sorted(
            (row[5], row[1])
            for row in db.execute(f"PRAGMA table_info({table})")
            if row[5]
        )
        assert tuple(name for _, name in own) == key
    db.close()


def test_everything_arrives_and_comes_back(
    filled: Database, database: Database, tmp_path: Path
) -> None:
    there = copy(filled, database)
    assert {
        item.name: item.rows
        for item in there
        if item.name in {"records", "subscriptions"}
    } == {
        "records": 1203,
        "subscriptions": 1,
    }
    again = Database.open(tmp_path / "again.db")
    assert copy(database, again) == there
    found = Records(again).get("pushed", "k01199", 1)
    assert found == Record("k01199", "ä\0\ue0001", {"n": "\0"}, 10**10, None)
    person = "SELECT kind FROM records WHERE person = 'ada'"
    assert database.rows(person) == again.rows(person) == [("family",)]
    again.close()


def test_a_target_with_data_is_refused(filled: Database, database: Database) -> None:
    PlatformKeys(database).get_or_make("nonces", lambda: b"own")
    with pytest.raises(KapiError, match="Tables with rows: platform_keys"):
        copy(filled, database)
    assert Records(database).get("pushed", "k00000", 1) is None
