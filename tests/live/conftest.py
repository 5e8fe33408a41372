"""Live tests: fixtures that start the whole platform. Everything started is stopped by its process id."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from harness import Platform, echo_backend, free_port


@pytest.fixture(scope="module")
def echo() -> Iterator[int]:
    """Port of a backend that answers with what it received."""
    with echo_backend() as port:
        yield port


@pytest.fixture(scope="module")
def other_echo() -> Iterator[int]:
    with echo_backend() as port:
        yield port


@pytest.fixture(scope="session")
def one_platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A platform with default settings for all modules that one process runs."""
    running = Platform(free_port(), tmp_path_factory.mktemp("kapi") / "data")
    running.start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def platform(one_platform: Platform) -> Iterator[Platform]:
    """The platform of all modules. What the module deployed is removed at its end."""
    yield one_platform
    for deployed in json.loads(one_platform.cli("apis", "-o", "json").stdout)["apis"]:
        one_platform.cli("undeploy", deployed["id"])
    assert "Traceback" not in "".join(
        path.read_text() for path in (one_platform.data_dir / "logs").glob("*.log")
    )
