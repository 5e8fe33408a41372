"""Answers of a backend that name the backend: callers read the public address instead."""

from __future__ import annotations

import contextlib
import dataclasses
import http.server
import json
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import pytest
from live_gateway import Gateway, Reply, api, gateway, operation

from kapi.apis.ir import Endpoint
from kapi.policies import Place
from kapi.policies.public_address import FILTER, PublicAddress, everywhere
from kapi.settings import GatewaySettings


class _Saying(http.server.BaseHTTPRequestHandler):
    """Answers with the headers that the query holds as JSON; `$` in one is the backend's
    own host and port.
    """

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        own = f"127.0.0.1:{self.server.server_address[1]}"
        self.send_response(201)
        for name, value in json.loads(unquote(urlsplit(self.path).query)):
            self.send_header(name, value.replace("$", own))
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@contextlib.contextmanager
def saying() -> Iterator[int]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Saying)
    threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
    ).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def live() -> Iterator[Gateway]:
    with saying() as port, gateway(public_port=443) as it:
        for name, base in (("based", "/v2"), ("bare", "")):
            end = Endpoint("http", "127.0.0.1", port, base)
            left = operation("GET", "/left", end, secured=False)
            operations = [
                operation("GET", "/x", end, sandbox=end, secured=False),
                dataclasses.replace(left, policies=(*left.policies, PublicAddress())),
            ]
            it.put(api(f"/{name}", operations, default=True))
        yield it


def ask(
    live: Gateway,
    path: str,
    *headers: tuple[str, str],
    host: str = "default.gw.wso2.com",
) -> Reply:
    return live.call(f"{path}?{quote(json.dumps(headers))}", host=host)


@pytest.mark.parametrize(
    ("path", "said", "read"),
    [
        ("/based/1.0.0/x", "http://$/v2/items/7?a=b#c", "/based/1.0.0/items/7?a=b#c"),
        ("/based/x", "http://$/v2/items/7", "/based/items/7"),
        ("/based/1.0.0/x", "HTTP://$/v2", "/based/1.0.0"),
        ("/based/1.0.0/x", "/v2/items/7", "/based/1.0.0/items/7"),
        ("/based/1.0.0/x", "/v2?next=/v2/x", "/based/1.0.0?next=/v2/x"),
        ("/based/1.0.0/x", "items/7", "items/7"),
        ("/based/1.0.0/x", "/v21/items", "/v21/items"),
        ("/based/1.0.0/x", "/based/1.0.0/items", "/based/1.0.0/items"),
        ("/based/1.0.0/x", "http://$/other", "http://$/other"),
        ("/based/1.0.0/x", "http://$1/v2/x", "http://$1/v2/x"),
        ("/based/1.0.0/x", "https://$/v2/x", "https://$/v2/x"),
        ("/based/1.0.0/x", "http://$@evil.example/v2", "http://$@evil.example/v2"),
        ("/based/1.0.0/x", "https://login.example/v2/x", "https://login.example/v2/x"),
        ("/based/1.0.0/x", "//login.example/v2/x", "//login.example/v2/x"),
        ("/bare/1.0.0/x", "http://$/items/7", "/bare/1.0.0/items/7"),
        ("/bare/1.0.0/x", "http://$", "/bare/1.0.0"),
        ("/bare/1.0.0/x", "/items/7", "/bare/1.0.0/items/7"),
        ("/bare/1.0.0/x", "/bare/1.0.0/items/7", "/bare/1.0.0/items/7"),
        ("/based/1.0.0/left", "http://$/v2/items/7", "http://$/v2/items/7"),
        ("/bare/1.0.0/x", "http://$//login.example/", "/bare/1.0.0//login.example/"),
    ],
)
def test_a_location_that_names_the_backend_is_public(
    live: Gateway, path: str, said: str, read: str
) -> None:
    backend = next(
        endpoint.authority
        for item in live.apis.values()
        for endpoint in item.operations[0].production
    )
    assert ask(live, path, ("Location", said)).headers["location"] == read.replace(
        "$", backend
    )


@pytest.mark.parametrize(
    "host", ["default.sandbox.gw.wso2.com", "default.gw.localhost"]
)
def test_the_host_is_the_one_that_was_called(live: Gateway, host: str) -> None:
    told = ask(live, "/based/1.0.0/x", ("Location", "http://$/v2/y"), host=host)
    assert told.headers["location"] == "/based/1.0.0/y"


@pytest.mark.parametrize(
    ("names", "public"), [(True, ""), (False, "https://default.gw.wso2.com")]
)
def test_with_one_name_the_location_has_it(names: bool, public: str) -> None:
    end = Endpoint("http", "127.0.0.1", 80, "")
    made = api("/x", [operation("GET", "/x", end)])
    settings = GatewaySettings(public_port=443, localhost_names=names)
    place = Place(
        made,
        made.operations[0],
        (end,),
        "default.gw.wso2.com",
        "/x",
        False,
        gateway=settings,
    )
    added = everywhere(place)
    assert added is not None
    assert added.metadata[FILTER]["place"].split("\t")[-1] == public


@pytest.mark.parametrize(
    ("path", "said", "read"),
    [
        (
            "/based/1.0.0/x",
            "a=1; Path=/v2; HttpOnly",
            "a=1; Path=/based/1.0.0; HttpOnly",
        ),
        ("/based/1.0.0/x", "a=1; path=/v2/cart", "a=1; path=/based/1.0.0/cart"),
        ("/based/1.0.0/x", "a=1; Path=/", "a=1; Path=/based/1.0.0"),
        ("/based/1.0.0/x", "a=1; Secure", "a=1; Secure"),
        ("/based/1.0.0/x", "a=1; Path=/elsewhere", "a=1; Path=/elsewhere"),
        ("/based/1.0.0/x", "__Host-a=1; Path=/; Secure", "__Host-a=1; Path=/; Secure"),
        ("/bare/1.0.0/x", "a=1; Path=/cart", "a=1; Path=/bare/1.0.0/cart"),
        ("/bare/1.0.0/x", "a=1; Path=/bare/1.0.0/cart", "a=1; Path=/bare/1.0.0/cart"),
        ("/based/1.0.0/left", "a=1; Path=/v2", "a=1; Path=/v2"),
        ("/bare/1.0.0/x", "a=1; Path=/a  b ", "a=1; Path=/bare/1.0.0/a  b"),
    ],
)
def test_the_path_of_a_cookie_is_public(
    live: Gateway, path: str, said: str, read: str
) -> None:
    reply = ask(
        live,
        path,
        ("Set-Cookie", "first=1"),
        ("Set-Cookie", said),
        ("Set-Cookie", "last=1; Max-Age=0"),
    )
    assert reply.headers.get_all("set-cookie") == ["first=1", read, "last=1; Max-Age=0"]
