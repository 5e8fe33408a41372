"""For all tests: a machine that is busy must not fail a property, so no example has a time
limit.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("kapi", deadline=None)
settings.load_profile("kapi")

HERE = Path(__file__).parent
LONG = "\npytestmark = pytest.mark.long\n"


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Modules of long proofs only are not imported when no long proof is run: their clients are
    large.
    """
    if config.option.markexpr != "not long" or collection_path.suffix != ".py":
        return None
    if HERE / "interop" in collection_path.parents:
        return True
    return LONG in collection_path.read_text("utf-8") or None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with a platform first, those with many tests first: the end of a run on several
    processes is then of short files. A folder may change the order of its own afterwards.
    """
    tests = Counter(item.path for item in items)
    items.sort(
        key=lambda item: (HERE / "live" not in item.path.parents, -tests[item.path])
    )
