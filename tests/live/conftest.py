"""Live tests: fixtures that start the whole platform. Everything started is stopped by its process
id.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing

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
    """A platform with default settings for all modules that one process runs.

    But on a busy machine, a script that is ended after its time may take long by the clock.
    """
    patience = {"KAPI_GATEWAY__WATCHDOG_SECONDS": "60"}
    running = Platform(
        free_port(), tmp_path_factory.mktemp("kapi") / "data", environment=patience
    )
    running.start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def platform(one_platform: Platform) -> Iterator[Platform]:
    """The platform of all modules. What the module deployed or trusted is removed at its end."""
    yield one_platform
    for issuer in _issuers(one_platform):
        one_platform.cli("issuer", "remove", issuer)
    for deployed in json.loads(one_platform.cli("apis", "-o", "json").stdout)["apis"]:
        one_platform.cli("undeploy", deployed["id"])
    assert "Traceback" not in "".join(
        path.read_text() for path in (one_platform.data_dir / "logs").glob("*.log")
    )


def _issuers(platform: Platform) -> list[str]:
    """Names of the issuers that were added to the store."""
    with closing(sqlite3.connect(platform.data_dir / "kapi.db")) as db:
        return [name for (name,) in db.execute("SELECT name FROM issuers")]
