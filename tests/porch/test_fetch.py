"""Fetching by URL: what is fetched, and what is not."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from kapi.errors import Problem
from kapi.fetch import fetch


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/to/"))
            self.end_headers()
            return
        if self.path == "/slow":
            time.sleep(1.5)
        self.send_response(404 if self.path == "/missing" else 200)
        self.end_headers()
        self.wfile.write(b"x" * (5000 if self.path == "/large" else 5))

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def base() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()


def get(url: str, *, allow_private: bool = True) -> bytes:
    return fetch(url, max_bytes=1000, timeout=0.5, allow_private=allow_private)


def test_a_document_is_fetched_also_through_a_redirect(base: str) -> None:
    assert get(f"{base}/ok?x=1") == b"xxxxx"
    assert get(f"{base}/to//ok") == b"xxxxx"


@pytest.mark.parametrize(
    "path",
    [
        "/missing",
        "/large",
        "/slow",
        "/to/file:///etc/passwd",
        "/to/http://169.254.169.254/",
        "/to//to//to//to//to//ok",
        "/to/gopher://x",
        "/to/http://[",
    ],
)
def test_what_leads_nowhere_good_is_refused(base: str, path: str) -> None:
    with pytest.raises(Problem) as caught:
        get(base + path)
    assert (caught.value.status, caught.value.code) == (406, "909044")
    assert caught.value.hint


@pytest.mark.parametrize(
    "url",
    [
        *(
            "",
            "x",
            "file:///etc/passwd",
            "http://",
            "http:///x",
            "ftp://x/",
            "http://u:p@127.0.0.1/",
            "http://127.0.0.1:99999/",
            "http://[::1",
        ),
        *(
            "http://169.254.169.254/",
            "http://0.0.0.0/",
            "http://224.0.0.1/",
            "http://[fe80::1]/",
            "http://[::ffff:169.254.169.254]/",
        ),
        *(
            "http://127.0.0.1:1/",
            "http://name.invalid/",
            "http://exa mple/",
            "http://127.0.0.1/\r\nX: y",
            "http://ä/",
            "http://x/" + "a" * 5000,
        ),
    ],
)
def test_bad_addresses_are_refused(url: str) -> None:
    with pytest.raises(Problem) as caught:
        get(url)
    assert caught.value.code == "909044"


def test_private_addresses_only_when_allowed(base: str) -> None:
    for url in (
        base,
        base.replace("127.0.0.1", "localhost"),
        base.replace("127.0.0.1", "[::ffff:127.0.0.1]"),
    ):
        with pytest.raises(Problem):
            get(f"{url}/ok", allow_private=False)
