"""The built cache module: which answers it stores, and for whom it uses them (RFC 9111)."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import wasmtime
from envoy_host import ENGINE, Reply, Shared, Thread

from kapi.apis.compile import compile_api
from kapi.gateway.envoy.resources.context import render_context
from kapi.gateway.envoy.resources.render import render_api
from kapi.policies import POLICIES
from kapi.policies.traffic import response_cache
from kapi.settings import Settings

COMPILED = wasmtime.Module.from_file(ENGINE, response_cache.MODULE)
OPENAPI = b'{"openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "paths": {}}'
NOW = 1_800_000_000
DATE = "Fri, 15 Jan 2027 08:00:00 GMT"
"""`NOW` as HTTP writes it."""
LATER = "Fri, 15 Jan 2027 08:00:30 GMT"


class Cached(Thread):
    """One thread of Envoy with the module."""

    def __init__(self, shared: Shared | None = None) -> None:
        self.shared = shared or Shared(NOW)
        self.headers: dict[int, dict[str, str]] = {0: {}, 2: {}}
        self.buffers: dict[int, bytes] = {}
        self.reply: Reply | None = None
        self.said: dict[str, str] = {}
        self.before_set = lambda: None
        self.contexts = 10
        self.properties: dict[str, bytes] = {}
        self.store = wasmtime.Store(ENGINE)
        linker = wasmtime.Linker(ENGINE)
        linker.allow_shadowing = True
        for item in COMPILED.imports:
            linker.define_func("env", item.name, item.type, getattr(self, item.name))
        self.exports = linker.instantiate(self.store, COMPILED).exports(self.store)
        self.memory: Any = self.exports["memory"]

    def call_with(
        self,
        request: dict[str, str] | None = None,
        answer: dict[str, str] | None = None,
        body: bytes = b"body",
        *,
        path: str = "/a",
        method: str = "GET",
        mark: str = "m",
        lifetime: int = 0,
        most: int = 100,
        personal: bool = False,
        details: str = "via_upstream",
        trailers: bool = False,
        bare: bool = True,
    ) -> str:
        """`backend`, or the status, age and body of an answer from memory."""
        config = f"api\t{mark}\t{lifetime}\t{most}\t{int(personal)}"
        self.properties = {"id": config.encode(), "config": config.encode()}
        self.properties["code_details"] = details.encode()
        self.reply, self.contexts = None, self.contexts + 1
        context = self.contexts
        self.headers[0] = {
            ":method": method,
            ":path": path,
            ":authority": "h",
            **(request or {}),
        }
        self.call("proxy_on_request_headers", context, 1, int(bare))
        if self.reply is not None:
            self.headers[2] = {
                ":status": str(self.reply.status),
                "content-type": "text/plain",
            }
            self.call("proxy_on_response_headers", context, 1, 0)
            self.call("proxy_on_delete", context)
            return f"{self.reply.status} {self.headers[2].get('age', '')} {self.reply.body}".strip()
        self.headers[2] = {":status": "200", "content-type": "a/b", **(answer or {})}
        assert self.call("proxy_on_response_headers", context, 1, 0) == 0
        for number, piece in enumerate((body[:2], body[2:])):
            self.buffers[1] = piece
            last = int(number == 1 and not trailers)
            assert self.call("proxy_on_response_body", context, len(piece), last) == 0
        if trailers:
            self.call("proxy_on_response_trailers", context, 1)
        self.call("proxy_on_delete", context)
        return "backend"


@pytest.fixture
def module() -> Cached:
    return Cached()


def test_organizations_have_answers_of_their_own() -> None:
    """Also with the id of an API that another organization has removed."""
    conf = b"id: news\n" + Path("tests/golden/response_cache/api.apk-conf").read_bytes()
    owners = set()
    for organization in ("blue", "green"):
        api = compile_api(
            conf, OPENAPI, organization=organization, policies=POLICIES
        ).api
        rendered = json.dumps(render_api(api, render_context(Settings(Path("/data")))))
        owners |= set(re.findall(r'"config": "(\w{32})\\t', rendered))
    assert len(owners) == 2


FRESH = {"cache-control": "max-age=60"}
PUBLIC = {"cache-control": "public, max-age=60"}
TOKEN = {"authorization": "Bearer a"}


@pytest.mark.parametrize(
    ("answer", "more"),
    [
        ({}, {}),
        ({"cache-control": "no-store, max-age=60"}, {}),
        ({"cache-control": "private, max-age=60"}, {}),
        ({"cache-control": 'private="x-a", max-age=60'}, {}),
        ({"cache-control": "No-Cache, max-age=60"}, {}),
        ({"cache-control": "max-age=60, s-maxage=0"}, {}),
        ({"cache-control": "max-age=60, max-age=0"}, {}),
        ({"cache-control": "max-age=x"}, {"lifetime": 60}),
        ({"cache-control": "max-age=60", "age": "60"}, {}),
        ({"expires": DATE, "date": DATE}, {"lifetime": 60}),
        ({"expires": "0"}, {"lifetime": 60}),
        ({**FRESH, "vary": "*"}, {}),
        ({**FRESH, "set-cookie": "a=b"}, {}),
        ({**FRESH, ":status": "404"}, {}),
        ({**FRESH, ":status": "206"}, {}),
        ({**FRESH, "content-length": "101"}, {}),
        ({**FRESH, "x-large": "x" * 9000}, {}),
        (FRESH, {"body": b"x" * 101}),
        (FRESH, {"trailers": True}),
        (FRESH, {"details": "mock"}),
        (FRESH, {"method": "HEAD"}),
        (FRESH, {"bare": False}),
        (FRESH, {"request": TOKEN}),
        (FRESH, {"request": {"cookie": "a=b"}}),
        (FRESH, {"personal": True}),
        (FRESH, {"request": {"cache-control": "no-store"}}),
        (FRESH, {"request": {"range": "bytes=0-1"}}),
    ],
)
def test_what_is_not_stored(
    module: Cached, answer: dict[str, str], more: dict[str, Any]
) -> None:
    assert module.call_with(answer=answer, **more) == "backend"
    assert module.call_with() == "backend"


@pytest.mark.parametrize(
    ("answer", "more"),
    [
        (FRESH, {}),
        ({"cache-control": "max-age=1, s-maxage=60"}, {}),
        ({"cache-control": 'max-age="60"'}, {}),
        ({"expires": LATER, "date": DATE}, {}),
        ({}, {"lifetime": 30}),
        (PUBLIC, {"request": TOKEN}),
        (PUBLIC, {"personal": True}),
        (FRESH, {"body": b"x" * 100}),
    ],
)
def test_what_is_stored(
    module: Cached, answer: dict[str, str], more: dict[str, Any]
) -> None:
    assert module.call_with(answer=answer, **more) == "backend"
    module.shared.now += 20
    body = more.get("body", b"body").decode()
    assert module.call_with() == f"200 20 {body}"
    module.shared.now += 40
    assert module.call_with() == "backend"


@pytest.mark.parametrize(
    ("request_headers", "found"),
    [
        ({}, "200 20 body"),
        (TOKEN, "backend"),
        ({"cookie": "a=b"}, "backend"),
        ({"cache-control": "no-cache"}, "backend"),
        ({"pragma": "no-cache"}, "backend"),
        ({"pragma": "no-cache", "cache-control": "max-age=30"}, "200 20 body"),
        ({"cache-control": "max-age=19"}, "backend"),
        ({"cache-control": "max-age=20"}, "200 20 body"),
        ({"cache-control": "min-fresh=40"}, "backend"),
        ({"cache-control": "min-fresh=39"}, "200 20 body"),
        ({"if-none-match": 'W/"a", "b"'}, "304 20"),
        ({"if-none-match": "*"}, "304 20"),
        ({"if-none-match": '"c"'}, "200 20 body"),
        ({"if-modified-since": LATER}, "304 20"),
        ({"if-modified-since": "Thu, 14 Jan 2027 08:00:00 GMT"}, "200 20 body"),
        ({"if-none-match": '"c"', "if-modified-since": LATER}, "200 20 body"),
        ({"if-match": '"a"'}, "backend"),
    ],
)
def test_for_which_requests_it_is_used(
    module: Cached, request_headers: dict[str, str], found: str
) -> None:
    answer = {**FRESH, "etag": '"a"', "last-modified": DATE, "x-own": "1"}
    module.call_with(answer=answer)
    module.shared.now += 20
    assert module.call_with(request_headers) == found
    if found != "backend":
        assert module.headers[2]["etag"] == '"a"'
        assert ("x-own" in module.headers[2]) is found.startswith("200")


def test_a_caller_with_a_token_gets_what_is_public(module: Cached) -> None:
    module.call_with(TOKEN, PUBLIC)
    assert module.call_with({"authorization": "Bearer b"}) == "200 0 body"
    assert module.call_with(personal=True) == "200 0 body"


def test_headers_that_an_answer_varies_by(module: Cached) -> None:
    answer = {**FRESH, "vary": "Accept-Language , X-Kind", "content-encoding": "gzip"}
    given = {"accept-language": "de", "accept-encoding": "gzip"}
    module.call_with(given, answer)
    assert module.call_with(given) == "200 0 body"
    for more in ({"accept-language": "fr"}, {"x-kind": ""}, {"accept-encoding": "br"}):
        assert (
            module.call_with({**given, **more}, {"cache-control": "no-store"})
            == "backend"
        )


@pytest.mark.parametrize(
    "more",
    [{"path": "/a?x=1"}, {"mark": "other"}, {"request": {":authority": "other"}}],
)
def test_an_answer_is_of_one_url_and_one_deployment(
    module: Cached, more: dict[str, Any]
) -> None:
    module.call_with(answer=FRESH)
    assert module.call_with(**more) == "backend"


def test_a_change_makes_it_wrong(module: Cached) -> None:
    module.call_with(answer=FRESH)
    module.call_with(method="POST", answer={":status": "409"})
    assert module.call_with() == "200 0 body"
    module.call_with(method="POST", answer={":status": "204"})
    assert module.call_with() == "backend"


def test_a_caller_may_want_nothing_of_the_backend(module: Cached) -> None:
    assert module.call_with({"cache-control": "only-if-cached"}).startswith("504")


@pytest.mark.long
def test_threads_share_a_bounded_number_of_answers() -> None:
    shared = Shared(NOW)
    first, second = Cached(shared), Cached(shared)
    first.call_with(answer=FRESH)
    assert second.call_with() == "200 0 body"
    for number in range(1300):
        first.call_with(answer=FRESH, path=f"/{number}")
    assert len(shared.data) <= 512 + 1024
    kept = [second.call_with(path=f"/{number}") for number in range(1200, 1300)]
    assert kept.count("200 0 body") > 80


@pytest.mark.parametrize(
    "value", ["\x80", "x" * 70_000, '"', f"max-age={2**64 - 1}", ",,=,="]
)
def test_no_header_stops_it(module: Cached, value: str) -> None:
    for name in (
        "cache-control",
        "vary",
        "expires",
        "etag",
        "age",
        "connection",
        "date",
    ):
        module.call_with({name: value}, {**FRESH, name: value})
        module.call_with({"if-none-match": value, "if-modified-since": value})
    assert module.call_with(path="/b") == "backend"
