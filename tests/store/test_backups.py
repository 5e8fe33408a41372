"""The tables of a dump: an older version's dump is restored, a newer one's is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kapi.errors import Problem
from kapi.store.engine.database import Database
from kapi.store.whole.backups import Backups

TABLE = "platform_keys"


def backups(where: Path | str) -> tuple[Backups, dict[str, Any]]:
    database = Database.open(where)
    with database.transaction() as db:
        db.execute(f"INSERT INTO {TABLE} (name, value) VALUES ('a', ?)", (b"1",))
    made = Backups(database)
    return made, made.read()


def test_what_is_read_can_be_put_back(where: Path | str) -> None:
    made, rows = backups(where)
    made.replace({})
    assert made.read()[TABLE]["rows"] == []
    made.replace(rows)
    assert made.read() == rows


def test_rows_without_columns_are_those_of_the_first_dumps(where: Path | str) -> None:
    made, rows = backups(where)
    made.replace({name: item["rows"] for name, item in rows.items()})
    assert made.read() == rows


def test_a_column_that_an_older_version_lacks_has_its_default(
    where: Path | str,
) -> None:
    made, _ = backups(where)
    user = {
        "columns": ["username", "digest", "profile", "created_at", "subject"],
        "rows": [["ada", "d", "{}", 1, "s"]],
    }
    made.replace({"users": user})
    assert made.read()["users"]["rows"] == [["ada", "d", "{}", 1, "s", 0]]


@pytest.mark.parametrize(
    ("rows", "named"),
    [
        ({"users": {"columns": ["username", "badge"], "rows": []}}, "users.badge"),
        ({"badges": {"columns": ["id"], "rows": []}}, "badges"),
    ],
)
def test_what_is_not_known_is_refused_and_nothing_is_changed(
    where: Path | str, rows: dict[str, Any], named: str
) -> None:
    made, before = backups(where)
    with pytest.raises(Problem, match=named) as refused:
        made.replace(rows)
    assert refused.value.title == "The dump is of a newer version of kapi"
    assert made.read() == before
