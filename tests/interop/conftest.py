"""Foreign clients and servers: what they need besides Python is installed by `make interop-tools`,
so these run with the long proofs.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from clients import write

from harness import Platform, free_port

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.long)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--screenshots", action="store_true", help="renew the pictures in docs/images"
    )


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """One provider for all foreign clients (`clients.py`); other tests here start what they
    need.
    """
    folder, port = tmp_path_factory.mktemp("kapi"), free_port()
    running = Platform(port, folder / "data", ("--config", str(write(folder, port))))
    running.start()
    yield running
    running.stop()
