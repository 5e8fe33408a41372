"""What a program may do with a database that a newer version has migrated, and the other way
round.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from kapi.errors import KapiError, StorageNewer
from kapi.store.engine import migrations
from kapi.store.engine.database import Database, refuse_newer
from kapi.store.nodes import Confirmed, Node, Nodes
from postgres import PostgresServer

NEWEST = max(migrations.scripts())
ADDED = (
    f"-- compatible from {NEWEST}\n"
    "ALTER TABLE users ADD COLUMN motto TEXT NOT NULL DEFAULT '';\n"
)
CHANGED = "DROP TABLE tries;\n"


def upgraded(
    monkeypatch: pytest.MonkeyPatch, where: Path | str, more: Mapping[str, str]
) -> None:
    """Open a database with a later version, which has more migrations."""
    known = migrations.scripts()
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "scripts", lambda: {**known, **more})
        Database.open(where).close()


def test_an_older_program_works_with_what_was_only_added(
    where: Path | str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = Database.open(where)
    upgraded(
        monkeypatch,
        where,
        {"9001_added.sql": ADDED, "9002_added.sql": ADDED.replace("motto", "x")},
    )
    again = Database.open(where)
    refuse_newer(where)
    for database in (before, again):
        with database.transaction() as db:
            db.execute("DELETE FROM users")
        database.close()


def test_an_older_program_refuses_what_was_changed(
    where: Path | str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Database.open(where).close()
    steps = {
        "9001_added.sql": ADDED,
        "9002_changed.sql": CHANGED,
        "9003_added.sql": ADDED.replace("motto", "x"),
    }
    upgraded(monkeypatch, where, steps)
    for opening in (Database.open, refuse_newer):
        with pytest.raises(StorageNewer, match=r"9002_changed\.sql"):
            opening(where)


def test_what_needs_a_version_in_between_is_refused(
    where: Path | str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Database.open(where).close()
    later = ADDED.replace(NEWEST, "9001_added.sql").replace("motto", "x")
    upgraded(monkeypatch, where, {"9001_added.sql": ADDED, "9002_later.sql": later})
    with pytest.raises(StorageNewer, match=r"9002_later\.sql"):
        Database.open(where)


def test_a_migration_without_a_name_of_this_version_is_refused(
    where: Path | str,
) -> None:
    database = Database.open(where)
    with database.transaction() as db:
        db.execute("INSERT INTO migrations (name) VALUES ('0000_unknown.sql')")
    database.close()
    with pytest.raises(StorageNewer, match=r"0000_unknown\.sql"):
        Database.open(where)


@pytest.mark.long
def test_tables_that_running_nodes_use_are_not_changed(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = postgres.database()
    database = Database.open(url)
    Nodes(database).report(Node("a", "host a:9095", "1.0", "f"), Confirmed(0, 0))
    upgraded(monkeypatch, url, {"9001_added.sql": ADDED})
    with pytest.raises(
        KapiError, match=r"needs the migration 9002_changed\.sql"
    ) as raised:
        upgraded(
            monkeypatch, url, {"9001_added.sql": ADDED, "9002_changed.sql": CHANGED}
        )
    assert "host a:9095" in raised.value.detail
    Nodes(database).remove("a")
    upgraded(monkeypatch, url, {"9001_added.sql": ADDED, "9002_changed.sql": CHANGED})
    database.close()
