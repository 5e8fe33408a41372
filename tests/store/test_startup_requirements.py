"""Startup requirements: a worker that requests one waits until it is met, and later does not
wait.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from kapi.store.engine.database import Database
from kapi.store.gateway.startup_requirements import (
    CERTIFICATE_BOUND,
    StartupRequirements,
)
from postgres import PostgresServer
from waiting import LIMIT, until


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """One without other nodes."""
    opened = Database.open(tmp_path / "kapi.db")
    yield opened
    opened.close()


def test_every_caller_waits_until_it_is_met(database: Database) -> None:
    asking, doing = StartupRequirements(database), StartupRequirements(database)
    assert not doing.is_requested(CERTIFICATE_BOUND)
    waiting = threading.Thread(target=asking.ensure, args=(CERTIFICATE_BOUND,))
    waiting.start()
    until(lambda: doing.is_requested(CERTIFICATE_BOUND))
    assert not doing.is_met(CERTIFICATE_BOUND)
    waiting.join(0.2)
    assert waiting.is_alive()
    doing.mark_met(CERTIFICATE_BOUND)
    waiting.join(LIMIT)
    assert not waiting.is_alive()
    assert StartupRequirements(database).is_met(CERTIFICATE_BOUND)


def test_a_request_does_not_wait_for_ever(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kapi.store.gateway.startup_requirements.LONGEST_WAIT", 0.05)
    asking = StartupRequirements(database)
    asking.ensure(CERTIFICATE_BOUND)
    assert asking.is_requested(CERTIFICATE_BOUND)
    assert not asking.is_met(CERTIFICATE_BOUND)


def test_what_was_not_requested_cannot_be_met(database: Database) -> None:
    requirements = StartupRequirements(database)
    requirements.mark_met(CERTIFICATE_BOUND)
    assert not requirements.is_met(CERTIFICATE_BOUND)
    assert not requirements.is_requested(CERTIFICATE_BOUND)


@pytest.mark.long
def test_each_node_meets_all_from_its_start(postgres: PostgresServer) -> None:
    shared = Database.open(postgres.database())
    requirements = StartupRequirements(shared)
    assert requirements.is_requested(CERTIFICATE_BOUND)
    assert requirements.is_met(CERTIFICATE_BOUND)
    requirements.ensure(CERTIFICATE_BOUND)
    shared.close()
