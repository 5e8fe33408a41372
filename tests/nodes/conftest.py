"""Platforms on PostgreSQL. All of these are long proofs: each module starts its own server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from harness import echo_backend
from postgres import PostgresServer, postgres_server


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    """A server with a password, which must not be in any log."""
    with postgres_server("correct-horse-battery") as server:
        yield server


@pytest.fixture(scope="module")
def echo() -> Iterator[int]:
    """Port of a backend that answers with what it received."""
    with echo_backend() as port:
        yield port


@pytest.fixture(scope="module")
def other_echo() -> Iterator[int]:
    """Port of another such backend."""
    with echo_backend() as port:
        yield port
