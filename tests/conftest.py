"""For all tests: a machine that is busy must not fail a property, so no example has a time limit."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("kapi", deadline=None)
settings.load_profile("kapi")

LONG = "\npytestmark = pytest.mark.long\n"


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Modules of long proofs only are not imported when no long proof is run: their clients are large."""
    if config.option.markexpr != "not long" or collection_path.suffix != ".py":
        return None
    return LONG in collection_path.read_text("utf-8") or None
