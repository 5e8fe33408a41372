"""Methods that a target does not have (RFC 9110 §15.5.6), HEAD (§9.3.2), cross-origin rules of such
answers, and the id of each answer.
"""

from __future__ import annotations

import contextlib
import dataclasses
import http.server
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from live_gateway import Gateway, Reply, api, gateway, operation

from kapi.apis.ir import Api, Endpoint
from kapi.policies.authentication.node import Authentication
from kapi.policies.cors import Cors

ORIGIN = "https://app.example"
GRANTING = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Credentials": "true",
    "Access-Control-Allow-Methods": "DELETE",
    "Access-Control-Allow-Headers": "X-Any",
    "Access-Control-Expose-Headers": "X-Secret",
    "Access-Control-Max-Age": "86400",
}


class _Granting(http.server.BaseHTTPRequestHandler):
    """A backend that allows every origin everything, and has an id of its own for each answer."""

    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        self.send_response(200)
        for name, value in {
            **GRANTING,
            "X-Method": self.command,
            "X-Request-Id": "of the backend",
            "Content-Length": "2",
        }.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(b"{}")

    do_GET = do_POST = do_HEAD = do_OPTIONS = answer

    def log_message(self, *_: Any) -> None:
        pass


@contextlib.contextmanager
def granting() -> Iterator[Endpoint]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Granting)
    threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
    ).start()
    try:
        yield Endpoint("http", "127.0.0.1", server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()


def crossing(made: Api) -> Api:
    """The API with cross-origin rules on each operation."""
    node = Cors((ORIGIN,), expose_headers=("X-Method",))
    operations = [
        dataclasses.replace(item, policies=(node, *item.policies))
        for item in made.operations
    ]
    for item in made.operations:
        if item.verb == "GET":
            answered = (
                dataclasses.replace(node, options=("GET", "OPTIONS")),
                Authentication(required=False),
            )
            operations.append(
                dataclasses.replace(item, verb="OPTIONS", policies=answered)
            )
    return dataclasses.replace(made, operations=tuple(operations))


@pytest.fixture(scope="module")
def end() -> Iterator[Endpoint]:
    with granting() as it:
        yield it


def apis(end: Endpoint) -> tuple[Api, Api]:
    operations = [
        operation("GET", "/items", end, secured=False),
        operation("POST", "/items", end, scopes=("write",)),
        operation("GET", "/closed", end, scopes=("read",)),
        operation("GET", "/own", end, secured=False),
        operation("HEAD", "/own", end),
        operation("GET", "/items/{id}", end, secured=False),
    ]
    return api("/plain", operations), crossing(api("/cross", operations))


@pytest.fixture(scope="module")
def live(end: Endpoint) -> Iterator[Gateway]:
    with gateway() as it:
        it.put(*apis(end))
        yield it


@pytest.mark.parametrize("base", ["/plain/1.0.0", "/cross/1.0.0"])
def test_another_method_is_told_those_that_there_are(live: Gateway, base: str) -> None:
    for path, allow in (
        ("/items", "GET, HEAD, OPTIONS, POST"),
        ("/items/7/", "GET, HEAD, OPTIONS"),
        ("/closed", "GET, HEAD, OPTIONS"),
    ):
        reply = live.call(base + path, method="DELETE")
        assert (reply.status, reply.headers["allow"]) == (405, allow)
        assert reply.json == {
            "code": "405",
            "message": "Method Not Allowed",
            "description": "The requested resource does not have this method.",
        }
    assert live.call(f"{base}/nothing", method="DELETE").status == 404


def test_head_is_get_without_the_body(live: Gateway) -> None:
    head = live.call("/plain/1.0.0/items", method="HEAD")
    assert (head.status, head.headers["x-method"], head.body) == (200, "HEAD", b"")
    assert live.call("/plain/1.0.0/items/7", method="HEAD").status == 200
    assert live.call("/plain/1.0.0/closed", method="HEAD").status == 401
    assert (
        live.call(
            "/plain/1.0.0/closed", method="HEAD", token=live.minter.token(scope="other")
        ).status
        == 403
    )
    assert (
        live.call(
            "/plain/1.0.0/closed", method="HEAD", token=live.minter.token(scope="read")
        ).status
        == 200
    )


def test_a_head_operation_of_the_conf_has_its_own_rules(live: Gateway) -> None:
    assert live.call("/plain/1.0.0/own", method="HEAD").status == 401
    assert live.call("/plain/1.0.0/own").status == 200


def test_the_settings_may_ask_for_the_answers_of_apk(end: Endpoint) -> None:
    with gateway(apk_methods=True) as it:
        it.put(*apis(end))
        for base in ("/plain/1.0.0", "/cross/1.0.0"):
            assert it.call(f"{base}/items", method="DELETE").status == 404
            assert it.call(f"{base}/items", method="HEAD").status == 404
            assert (
                it.call(f"{base}/own", method="HEAD", token=it.minter.token()).status
                == 200
            )
        assert (
            it.call("/plain/1.0.0/items", method="OPTIONS").headers["allow"]
            == "GET, OPTIONS, POST"
        )


def permissions(reply: Reply) -> dict[str, str]:
    return {
        name.lower(): value
        for name, value in reply.headers.items()
        if name.lower().startswith("access-control-")
    }


def test_a_backend_permits_nothing_that_the_conf_does_not(live: Gateway) -> None:
    granted = {
        "access-control-allow-origin": ORIGIN,
        "access-control-expose-headers": "X-Method",
    }
    for path, method in (
        ("/cross/1.0.0/items", "GET"),
        ("/cross/1.0.0/items/7", "HEAD"),
    ):
        assert (
            permissions(live.call(path, method=method, headers={"Origin": ORIGIN}))
            == granted
        )
        assert (
            permissions(
                live.call(
                    path, method=method, headers={"Origin": "https://evil.example"}
                )
            )
            == {}
        )
        assert permissions(live.call(path, method=method)) == {}
    # Without rules in the conf they are the backend's.
    assert (
        permissions(live.call("/plain/1.0.0/items", headers={"Origin": ORIGIN}))[
            "access-control-allow-origin"
        ]
        == "*"
    )


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [("/nothing", "GET", 404), ("/items/7/8", "GET", 404), ("/items", "DELETE", 405)],
)
def test_a_page_may_read_that_there_is_nothing(
    live: Gateway, path: str, method: str, status: int
) -> None:
    reply = live.call(f"/cross/1.0.0{path}", method=method, headers={"Origin": ORIGIN})
    assert (
        reply.status,
        reply.json["code"],
        permissions(reply)["access-control-allow-origin"],
    ) == (status, str(status), ORIGIN)
    assert (reply.headers["content-type"], reply.headers["vary"]) == (
        "application/json; charset=UTF-8",
        "Origin",
    )
    assert (
        permissions(
            live.call(
                f"/cross/1.0.0{path}",
                method=method,
                headers={"Origin": "https://evil.example"},
            )
        )
        == {}
    )
    asked = {"Origin": ORIGIN, "Access-Control-Request-Method": method}
    answer = live.call(f"/cross/1.0.0{path}", method="OPTIONS", headers=asked)
    assert (answer.status, permissions(answer)["access-control-allow-origin"]) == (
        200,
        ORIGIN,
    )


def test_every_answer_has_the_id_of_its_request(live: Gateway) -> None:
    large = {"X-Large": "y" * 40_000}
    replies = [
        live.call("/plain/1.0.0/items"),
        live.call("/plain/1.0.0/closed"),
        live.call("/plain/1.0.0/items", method="DELETE"),
        live.call("/cross/1.0.0/nothing"),
        live.call("/nothing"),
        live.call("/plain/1.0.0/items", host="nobody.gw.wso2.com"),
        live.call("/plain/1.0.0/items", headers=large),
        live.call("/plain/1.0.0/it%2Fems"),
    ]
    assert [reply.status for reply in replies] == [
        200,
        401,
        405,
        404,
        404,
        404,
        431,
        307,
    ]
    ids = [reply.headers["x-request-id"] for reply in replies]
    assert all(ids), ids
    assert len(set(ids)) == len(replies)
    assert "of the backend" not in ids
