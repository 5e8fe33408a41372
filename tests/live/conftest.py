"""Live tests: fixtures that start the whole platform. Everything started is stopped by its process id."""

from __future__ import annotations

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


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    running = Platform(free_port(), tmp_path_factory.mktemp("kapi") / "data")
    running.start()
    yield running
    running.stop()
    assert "Traceback" not in "".join(
        path.read_text() for path in (running.data_dir / "logs").glob("*.log")
    )
