"""Fetching by URL: what is fetched, and what is not."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from kapi.errors import Problem, Unfetched
from kapi.fetch import FetchOptions, fetch, is_on_this_machine
from kapi.fetch import get as document

ENDED = threading.Event()


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        sent = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(int(self.path.removeprefix("/")))
        self.end_headers()
        self.wfile.write(self.headers["Content-Type"].encode() + b" " + sent)

    def do_GET(self) -> None:
        status, _, target = self.path.removeprefix("/status/").partition("/")
        if self.path.startswith("/status/"):
            self.send_response(int(status))
            if target:
                self.send_header("Location", f"/{target}")
            self.end_headers()
            return
        if self.path == "/cut":
            self.send_response(200)
            self.send_header("Content-Length", "9")
            self.end_headers()
            self.wfile.write(b"xxxxx")
            return
        if self.path == "/drip":
            self.send_response(200)
            self.end_headers()
            with contextlib.suppress(OSError):
                while not ENDED.wait(0.05):
                    self.wfile.write(b"x")
            return
        if self.path == "/seen":
            self.send_response(200)
            self.send_header("ETag", '"1"')
            self.end_headers()
            self.wfile.write(
                json.dumps({k.lower(): v for k, v in self.headers.items()}).encode()
            )
            return
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
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    ENDED.set()
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


def way(**fields: Any) -> FetchOptions:
    return FetchOptions(
        **{"max_bytes": 1000, "timeout": 20, "allow_private": True, **fields}
    )


def refusal(url: str, **fields: Any) -> str:
    """The code of the error."""
    with pytest.raises(Unfetched) as caught:
        document(url, way(**fields))
    return caught.value.code


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_every_redirect_is_followed(base: str, status: int) -> None:
    assert document(f"{base}/status/{status}/ok", way()).content == b"xxxxx"


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (200, 200),
        (304, 304),
        (201, "status"),
        (300, "status"),
        (305, "status"),
        (404, "status"),
    ],
)
def test_what_counts_as_a_document(base: str, status: int, expected: int | str) -> None:
    url = f"{base}/status/{status}"
    found = refusal(url) if isinstance(expected, str) else document(url, way()).status
    assert found == expected


def test_a_redirect_without_a_target_is_no_document(base: str) -> None:
    assert refusal(f"{base}/status/302") == "status"


@pytest.mark.parametrize("hops", [0, 1, 3, 4])
def test_so_many_redirects_are_followed_and_no_more(base: str, hops: int) -> None:
    url = base + "/to/" * hops + "/ok"
    for most in (0, 1, 3):
        if hops <= most:
            assert document(url, way(redirects=most)).content == b"xxxxx"
        else:
            assert refusal(url, redirects=most) == "redirect"
    if hops == 3:
        assert fetch(url, max_bytes=5, timeout=20, allow_private=True) == b"xxxxx"


def test_redirects_to_another_host_only_where_they_may(base: str) -> None:
    other = base.replace("127.0.0.1", "localhost")
    assert document(f"{base}/to/{other}/ok", way()).content == b"xxxxx"
    assert refusal(f"{base}/to/{other}/ok", other_hosts=False) == "redirect"
    assert document(f"{base}/to/{base}/ok", way(other_hosts=False)).content == b"xxxxx"
    assert document(f"{base}/to//ok", way(other_hosts=False)).content == b"xxxxx"
    scheme = base.replace("http:", "https:")
    assert refusal(f"{base}/to/{scheme}/ok", other_hosts=False) == "redirect"


@pytest.mark.parametrize(("most", "expected"), [(5, b"xxxxx"), (4, "size")])
def test_a_document_may_have_so_many_bytes(
    base: str, most: int, expected: bytes | str
) -> None:
    url = f"{base}/ok"
    long = expected == "size"
    found = (
        refusal(url, max_bytes=most)
        if long
        else document(url, way(max_bytes=most)).content
    )
    assert found == expected


@pytest.mark.parametrize(("length", "expected"), [(2048, "status"), (2049, "url")])
def test_a_url_may_have_so_many_characters(
    base: str, length: int, expected: str
) -> None:
    url = f"{base}/status/404/"
    assert refusal(url + "a" * (length - len(url))) == expected


def test_an_answer_that_ends_too_soon_is_refused(base: str) -> None:
    assert refusal(f"{base}/cut") == "connect"


def test_a_server_that_drips_its_answer_is_cut_off(base: str) -> None:
    assert refusal(f"{base}/drip", timeout=0.5, max_bytes=10**6) == "timeout"


def test_a_server_that_drips_its_first_line_is_cut_off() -> None:
    """Each byte begins the socket's own timeout again."""
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            peer, _ = server.accept()
            with peer, contextlib.suppress(OSError):
                while not ended.wait(0.05):
                    peer.sendall(b"H")

        threading.Thread(target=drip, daemon=True).start()
        try:
            code = refusal(f"http://127.0.0.1:{server.getsockname()[1]}/", timeout=0.5)
        finally:
            ended.set()
    assert code == "timeout"


def test_what_is_asked_and_answered(base: str) -> None:
    port = base.rpartition(":")[2]
    found = document(f"{base}/seen", way(), {"If-None-Match": "0"})
    seen = json.loads(found.content)
    assert (seen["host"], seen["if-none-match"]) == (f"127.0.0.1:{port}", "0")
    assert (seen["connection"], found.headers["etag"]) == ("close", '"1"')
    # A stand-in for a name is called by its name; with or without the port.
    for name in ("name.invalid", f"name.invalid:{port}"):
        hosts = {name: f"127.0.0.1:{port}"}
        seen = json.loads(
            document(f"http://name.invalid:{port}/seen", way(hosts=hosts)).content
        )
        assert seen["host"] == f"name.invalid:{port}"
    hosts = {"name.invalid": f"127.0.0.1:{port}"}
    found = document("http://name.invalid/seen", way(hosts=hosts, allow_private=False))
    assert json.loads(found.content)["host"] == "name.invalid"
    hosts = {"name.invalid": "127.0.0.1"}
    assert (
        document(f"http://name.invalid:{port}/ok", way(hosts=hosts)).content == b"xxxxx"
    )
    assert (
        refusal(f"http://name.invalid:{port}/ok", hosts={"name.invalid": "::1"})
        == "connect"
    )


@pytest.mark.parametrize(
    ("status", "expected"),
    [(199, "status"), (200, 200), (299, 299), (300, "status"), (400, "status")],
)
def test_a_form_is_posted_and_any_success_counts(
    base: str, status: int, expected: int | str
) -> None:
    if isinstance(expected, str):
        assert refusal(f"{base}/{status}", form=b"a=b") == expected
        return
    found = document(f"{base}/{status}", way(form=b"a=b"))
    assert (found.status, found.content) == (
        expected,
        b"application/x-www-form-urlencoded a=b",
    )


def test_why_nothing_came(base: str) -> None:
    assert refusal("http://name.invalid/") == "name"
    assert refusal(base.replace("http:", "https:")) == "tls"
    with pytest.raises(Unfetched, match=r"TLS: [A-Z0-9]+(_[A-Z0-9]+)+"):
        document(base.replace("http:", "https:"), way())
    assert refusal(base.replace("http:", "ftp:")) == "url"
    assert refusal("http://169.254.169.254/") == "address"
    assert refusal(f"{base}/to/http://[") == "redirect"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(Unfetched, match="Connection refused") as caught:
            document(f"http://127.0.0.1:{taken.getsockname()[1]}/a?secret=1", way())
    assert caught.value.code == "connect"
    assert "secret" not in caught.value.detail


def test_an_answer_that_is_not_http() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            peer, _ = server.accept()
            with peer:
                peer.recv(1000)
                peer.sendall(b"SSH-2.0-x\r\n")

        threading.Thread(target=answer, daemon=True).start()
        assert refusal(f"http://127.0.0.1:{server.getsockname()[1]}/") == "http"


@pytest.mark.parametrize(
    ("url", "hosts", "expected"),
    [
        ("http://127.0.0.1/", {}, True),
        ("http://127.0.0.1:81/", {}, True),
        ("http://[::1]/", {}, True),
        ("http://192.0.2.1/", {}, False),
        ("http://name.example/", {}, False),
        ("http://name.example/", {"name.example": "127.0.0.1"}, True),
        ("http://name.example/", {"name.example:80": "127.0.0.1:81"}, True),
        ("https://name.example/", {"name.example:80": "127.0.0.1:81"}, False),
        ("https://name.example/", {"name.example:443": "[::1]:81"}, True),
        ("http://name.example/", {"name.example": "::1"}, True),
        ("http://127.0.0.1/", {"127.0.0.1": "192.0.2.1"}, False),
        ("http://127.0.0.1:x/", {}, False),
        ("http://[::1/", {}, False),
    ],
)
def test_what_is_on_this_machine(
    url: str, hosts: dict[str, str], *, expected: bool
) -> None:
    assert is_on_this_machine(url, hosts) is expected
