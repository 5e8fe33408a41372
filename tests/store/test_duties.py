"""The table of duties: who asks waits until somebody has done it, and later for nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kapi.store.database import Database
from kapi.store.duties import CERTIFICATE_BOUND, Duties


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database.open(tmp_path / "kapi.db")
    yield opened
    opened.close()


def test_whoever_asks_waits_until_it_is_done(database: Database) -> None:
    asking, doing = Duties(database), Duties(database)
    assert not doing.is_wanted(CERTIFICATE_BOUND)
    waiting = threading.Thread(target=asking.ensure, args=(CERTIFICATE_BOUND,))
    waiting.start()
    while not doing.is_wanted(CERTIFICATE_BOUND):
        time.sleep(0.005)
    assert not doing.is_done(CERTIFICATE_BOUND)
    waiting.join(0.2)
    assert waiting.is_alive()
    doing.done(CERTIFICATE_BOUND)
    waiting.join(5)
    assert not waiting.is_alive()
    assert Duties(database).is_done(CERTIFICATE_BOUND)


def test_nobody_waits_for_ever(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kapi.store.duties.LONGEST_WAIT", 0.05)
    asking = Duties(database)
    asking.ensure(CERTIFICATE_BOUND)
    assert asking.is_wanted(CERTIFICATE_BOUND)
    assert not asking.is_done(CERTIFICATE_BOUND)


def test_what_was_never_asked_for_cannot_be_done(database: Database) -> None:
    duties = Duties(database)
    duties.done(CERTIFICATE_BOUND)
    assert not duties.is_done(CERTIFICATE_BOUND)
    assert not duties.is_wanted(CERTIFICATE_BOUND)
