"""A cluster that is upgraded node by node: the newer version has one more migration.

The newer version is a copy of the package with another version number and an additive migration.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import kapi
from flows import code_for, redeem, refresh
from harness import Platform
from kapi.store.engine import migrations
from node_pair import Load, Pair, call, deployed, node_pair
from person import Person, over_https
from postgres import PostgresServer
from waiting import until

pytestmark = pytest.mark.long
VERSION = "99.0.0"


@pytest.fixture(scope="module")
def newer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for PYTHONPATH."""
    folder = tmp_path_factory.mktemp("newer")
    source = Path(kapi.__file__).parent
    shutil.copytree(
        source, folder / "kapi", ignore=shutil.ignore_patterns("__pycache__")
    )
    start = folder / "kapi" / "__init__.py"
    assert kapi.__version__ in start.read_text()
    start.write_text(start.read_text().replace(kapi.__version__, VERSION))
    (folder / "kapi" / "store" / "migrations" / "9001_next.sql").write_text(
        f"-- compatible from {max(migrations.scripts())}\n"
        "ALTER TABLE apis ADD COLUMN motto TEXT NOT NULL DEFAULT '';\n"
        "CREATE TABLE of_later (id TEXT PRIMARY KEY);\n"
    )
    return folder


@pytest.fixture(scope="module")
def nodes(
    postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pair]:
    url = postgres.database()
    with node_pair(
        tmp_path_factory.mktemp("kapi"), (url, url), postgres.password
    ) as pair:
        yield pair


def upgrade(node: Platform, newer: Path) -> None:
    node.stop()
    node.environment["PYTHONPATH"] = str(newer)
    node.start()


def versions(node: Platform) -> list[str]:
    return sorted(
        item["version"]
        for item in json.loads(node.cli("nodes", "-o", "json").stdout)["nodes"]
    )


def test_half_upgraded_both_versions_serve_and_deploy(
    nodes: Pair, newer: Path, echo: int
) -> None:
    a, b = nodes
    deployed(a, "Before", echo)
    token = a.token()
    person = Person(over_https(a.port, address=a.address))
    tokens = redeem(person, code_for(person, scope="openid default")).json()
    with Load(a, "/before/1.0.0/items", token) as load:
        upgrade(b, newer)
        until(lambda: versions(a) == sorted([kapi.__version__, VERSION]))
        deployed(a, "ByOlder", echo)
        deployed(b, "ByNewer", echo)
        for node in nodes:
            for base in ("/before", "/byolder", "/bynewer"):
                until(
                    lambda node=node, base=base: call(node, base, token).status == 200
                )
        at_newer = Person(over_https(b.port, address=b.address))
        renewed = refresh(at_newer, tokens["refresh_token"])
        assert renewed.status == 200
        assert refresh(person, tokens["refresh_token"]).status == 400
    assert set(load.statuses) == {200}
    # The older version starts again on the newer tables.
    a.stop()
    a.start()
    assert call(a, "/bynewer", token).status == 200
    with Load(b, "/before/1.0.0/items", token) as load:
        upgrade(a, newer)
    assert set(load.statuses) == {200}
    until(lambda: versions(b) == [VERSION, VERSION])
    for base in ("/before", "/byolder", "/bynewer"):
        assert call(a, base, token).status == 200
