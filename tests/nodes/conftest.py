"""Platforms on PostgreSQL. All of these are long proofs: each module starts its own server."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer

import pytest

from harness import Echo
from postgres import PostgresServer, postgres_server


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    """A server with a password, which must not be in any log."""
    with postgres_server("correct-horse-battery") as server:
        yield server


@pytest.fixture(scope="module")
def echo() -> Iterator[int]:
    """Port of a backend that answers with what it received."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield server.server_address[1]
    server.shutdown()


@pytest.fixture(scope="module")
def other_echo() -> Iterator[int]:
    """Port of another such backend."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
