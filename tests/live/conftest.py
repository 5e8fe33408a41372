"""Live tests: fixtures that start the whole platform. Everything started is stopped by its process id."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer

import pytest

from harness import Echo, Platform, free_port


@pytest.fixture(scope="module")
def echo() -> Iterator[int]:
    """Port of a backend that answers with what it received."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield server.server_address[1]
    server.shutdown()


@pytest.fixture(scope="module")
def other_echo() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield server.server_address[1]
    server.shutdown()


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    running = Platform(free_port(), tmp_path_factory.mktemp("kapi") / "data")
    running.start()
    yield running
    running.stop()
    assert "Traceback" not in "".join(
        path.read_text() for path in (running.data_dir / "logs").glob("*.log")
    )
