"""Fixtures of tests on both engines: on SQLite always, on PostgreSQL as a long proof."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from postgres import PostgresServer, postgres_server

ENGINES = ("sqlite", pytest.param("postgresql", marks=pytest.mark.long))


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with postgres_server(durable=False) as server:
        yield server


@pytest.fixture(params=ENGINES)
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """Where a new database of an engine is."""
    if request.param == "sqlite":
        return tmp_path / "kapi.db"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.database()
