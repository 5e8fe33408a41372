"""The tests of the store run on both engines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engines import postgres, where
from kapi.store.engine.database import Database

__all__ = ["postgres", "where"]


@pytest.fixture
def database(where: Path | str) -> Iterator[Database]:
    opened = Database.open(where)
    yield opened
    opened.close()
