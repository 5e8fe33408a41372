"""Escaped slashes in a path, as each API wants them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from live_gateway import Gateway, api, backend, gateway, operation

from kapi.apis.ir import Endpoint


@pytest.fixture(scope="module")
def live() -> Iterator[Gateway]:
    with backend() as port, gateway() as it:
        end = Endpoint("http", "127.0.0.1", port, "/v2")
        targets = ("/files/{name}", "/files/{name}/parts/{part}", "/all/*")
        for choice in ("unescape", "reject", "keep"):
            operations = [
                operation("GET", target, end, secured=False) for target in targets
            ]
            made = api(
                f"/{choice}",
                [*operations, operation("GET", "/closed/{name}", end)],
                default=True,
            )
            it.put(dataclasses.replace(made, escaped_slashes=choice))
        yield it


@pytest.mark.parametrize("base", ["/unescape/1.0.0", "/unescape"])
@pytest.mark.parametrize(
    ("path", "plain"),
    [
        ("/files/a%2Fb?x=%2F", "/files/a/b?x=%2F"),
        ("/files/a%5cb", "/files/a/b"),
        ("/files%2fa", "/files/a"),
        ("/none%2F", "/none/"),
    ],
)
def test_usually_a_caller_is_sent_to_the_plain_path(
    live: Gateway, base: str, path: str, plain: str
) -> None:
    reply = live.call(base + path)
    assert reply.status == 307
    location = urlsplit(reply.headers["location"])
    assert f"{location.path}?{location.query}".rstrip("?") == base + plain
    assert location.netloc in {"", f"default.gw.wso2.com:{live.settings.gateway.port}"}


def test_an_api_may_refuse_them(live: Gateway) -> None:
    for path in ("/files/a%2Fb", "/all/a%5Cb", "/closed/a%2fb", "/none/%2F"):
        reply = live.call(f"/reject/1.0.0{path}")
        assert (reply.status, reply.json["code"]) == (400, "400")
        assert (
            reply.json["description"]
            == "The path has an escaped slash, which this API does not take."
        )
    assert (
        live.call("/reject/1.0.0/files/a%20b?x=%2F").json["path"]
        == "/v2/files/a%20b?x=%2F"
    )


@pytest.mark.parametrize("base", ["/keep/1.0.0", "/keep"])
def test_an_api_may_keep_them(live: Gateway, base: str) -> None:
    for path in (
        "/files/a%2Fb",
        "/files/a%5Cb",
        "/files/a%2fb/parts/%2F",
        "/all/a%2Fb/c",
        "/files/..%2f..%2Fx?y=/",
    ):
        assert live.call(base + path).json["path"] == f"/v2{path}"
    assert live.call(f"{base}/closed/a%2Fb").status == 401


def test_an_escape_in_a_base_path_leads_to_no_api(live: Gateway) -> None:
    for choice in ("unescape", "reject", "keep"):
        assert live.call(f"/{choice}/1.0.0%2Ffiles/a").status in {307, 400, 404}
        assert live.call(f"/{choice}%2F1.0.0/files/a").status == 404


def test_two_slashes_are_one(live: Gateway) -> None:
    for choice in ("unescape", "reject", "keep"):
        assert live.call(f"//{choice}//1.0.0/files//a").json["path"] == "/v2/files/a"
