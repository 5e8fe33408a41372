"""What a target says of itself: plain OPTIONS (RFC 9110 §9.3.7), HEAD of a definition (§9.3.2), and
targets as long as a conf allows.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest
from live_gateway import Gateway, api, backend, gateway, operation

from kapi.apis.ir import ApiDefinition, Endpoint

SANDBOX = "default.sandbox.gw.wso2.com"
TEXT = "openapi: 3.0.3"


@pytest.fixture(scope="module")
def end() -> Iterator[Endpoint]:
    with backend() as port:
        yield Endpoint("http", "127.0.0.1", port)


@pytest.fixture(scope="module")
def live(end: Endpoint) -> Iterator[Gateway]:
    with gateway() as it:
        operations = [
            operation("GET", "/pets", end),
            operation("POST", "/pets", end),
            operation("DELETE", "/pets/mine", end, secured=False),
            operation("GET", "/pets/{id}", end, sandbox=end),
            operation("PUT", "/pets/{name}", end),
            *(operation("GET", f"/many/{number}", end) for number in range(100)),
            operation("GET", "/own", end),
            operation("OPTIONS", "/own", end, secured=False),
            operation("PATCH", "/files/*", end),
        ]
        item = api("/shop", operations, default=True)
        it.put(
            dataclasses.replace(
                item,
                definition=ApiDefinition("/api-definition", "application/yaml", TEXT),
            )
        )
        yield it


@pytest.mark.parametrize(
    ("path", "allow"),
    [
        ("/pets", "GET, HEAD, OPTIONS, POST"),
        ("/pets/", "GET, HEAD, OPTIONS, POST"),
        ("/pets/mine", "DELETE, OPTIONS"),
        ("/pets/7?x=y", "GET, HEAD, OPTIONS, PUT"),
        ("/many/99", "GET, HEAD, OPTIONS"),
        ("/files", "OPTIONS, PATCH"),
        ("/files/a/b", "OPTIONS, PATCH"),
        ("/api-definition", "GET, HEAD, OPTIONS"),
    ],
)
@pytest.mark.parametrize("base", ["/shop/1.0.0", "/shop"])
def test_a_plain_options_request_is_told_the_methods_of_the_target(
    live: Gateway, base: str, path: str, allow: str
) -> None:
    reply = live.call(base + path, method="OPTIONS")
    assert (reply.status, reply.headers["allow"], reply.body) == (204, allow, b"")


def test_it_counts_what_the_host_has(live: Gateway) -> None:
    assert (
        live.call("/shop/pets/7", method="OPTIONS", host=SANDBOX).headers["allow"]
        == "GET, HEAD, OPTIONS"
    )
    assert live.call("/shop/pets", method="OPTIONS", host=SANDBOX).status == 404
    assert live.call("/shop/nothing", method="OPTIONS").status == 404


def test_a_browsers_question_gets_no_permission(live: Gateway) -> None:
    asked = {"Origin": "https://app.example", "Access-Control-Request-Method": "GET"}
    reply = live.call("/shop/pets", method="OPTIONS", headers=asked)
    assert reply.status == 204
    assert not [
        name for name in reply.headers if name.lower().startswith("access-control-")
    ]


def test_an_options_operation_of_the_conf_is_the_backends(live: Gateway) -> None:
    # The backend knows no OPTIONS: that it says so shows who was asked.
    assert live.call("/shop/1.0.0/own", method="OPTIONS").status == 501


def test_head_of_a_definition_is_get_without_the_body(live: Gateway) -> None:
    got, head = (
        live.call("/shop/api-definition", method=method) for method in ("GET", "HEAD")
    )
    assert (got.status, got.body.decode()) == (200, TEXT)
    assert (head.status, head.body) == (200, b"")
    for name in ("content-type", "content-length"):
        assert head.headers[name] == got.headers[name]
    assert live.call("/shop/api-definition", method="POST").status == 405


@pytest.mark.parametrize("credential", ["Bearer x.y.z", "Basic Og==", "DPoP a", ""])
@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("OPTIONS", "/pets", 204),
        ("PATCH", "/pets", 405),
        ("GET", "/api-definition", 200),
        ("GET", "/pets%2F7", 307),
    ],
)
def test_what_the_gateway_answers_itself_needs_no_valid_credential(
    live: Gateway, method: str, path: str, status: int, credential: str
) -> None:
    headers = {"Authorization": credential}
    assert live.call(f"/shop{path}", method=method, headers=headers).status == status


@pytest.mark.parametrize(
    "target",
    ["/" + "a" * 255, "/{x}" * 60, "/ä" * 100, "/{x}" * 20 + "/*"],
    ids=["letters", "parameters", "escapes", "wildcard"],
)
def test_a_target_may_be_as_long_as_a_conf_allows(
    live: Gateway, end: Endpoint, target: str
) -> None:
    live.put(api("/long", [operation("GET", target, end, secured=False)]))
    path = target.replace("{x}", "7").replace("*", "a/b").replace("ä", "%C3%A4")
    assert live.call(f"/long/1.0.0{path}").json["path"] == path
    assert (
        live.call(f"/long/1.0.0{path}", method="OPTIONS").headers["allow"]
        == "GET, HEAD, OPTIONS"
    )
