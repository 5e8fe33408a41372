"""Which paths a backend may take for another one, and where that makes a difference."""

from __future__ import annotations

import re

import pytest

from kapi.apis.compile import compile_api
from kapi.apis.disguises import disguised, may_pass_for
from kapi.policies import POLICIES

CONF = """
name: "Orders"
basePath: "/orders"
version: "1.0.0"
type: "REST"
endpointConfigurations: {production: {endpoint: "http://orders:8080"}}
operations:
"""
DEFINITION = (
    b'{"openapi": "3.0.3", "info": {"title": "Orders", "version": "1"}, "paths": {"/admin": '
    b'{"get": {}}, "/{name}": {"get": {}}}}'
)


@pytest.mark.parametrize(
    ("wider", "narrower", "expected"),
    [
        ("/{name}", "/admin", True),
        ("/{name}", "/admin/", True),
        ("/*", "/admin/users", True),
        ("/users/{id}", "/users/me", True),
        ("/{a}/b", "/c/b", True),
        ("/files/{name}.json", "/files/all.json", True),
        ("/{a}", "/{b}", False),
        ("/{a}/b", "/{c}/b", False),
        ("/{name}", "/admin/users", False),
        ("/users/{id}", "/admin/me", False),
        ("/admin", "/admin", False),
        ("/*", "/{a}/{b}", False),
    ],
)
def test_which_targets_can_be_mistaken(
    wider: str, narrower: str, expected: bool
) -> None:
    assert may_pass_for(wider, narrower) is expected


@pytest.mark.parametrize(
    "path",
    [
        "/Admin",
        "/ADMIN",
        "/admin;x=1",
        "/admin%3bx",
        "/admin%20",
        "/admin%00",
        "/admin.json",
        "/admin.",
        "/admin",
    ],
)
def test_what_a_backend_may_take_for_a_target(path: str) -> None:
    assert re.fullmatch(disguised("/admin"), path)


@pytest.mark.parametrize(
    "path",
    ["/administrator", "/admi", "/x/admin", "/admin/x", "/admin-2", "/admin%2Fx"],
)
def test_what_is_another_name(path: str) -> None:
    assert not re.fullmatch(disguised("/admin"), path)


def warned(operations: str) -> list[str]:
    made = compile_api(
        (CONF + operations).encode(),
        DEFINITION,
        organization="default",
        policies=POLICIES,
    )
    return [item.message for item in made.warnings if item.code == "KAPI1305"]


def test_a_deployment_is_warned_of_a_weaker_sibling() -> None:
    (message,) = warned(
        '- {target: "/admin", verb: GET, scopes: [admin]}\n'
        '- {target: "/{name}", verb: GET, secured: false}\n'
    )
    assert message == (
        "GET /{name} needs other credentials or scopes than GET /admin, and a backend may "
        "mistake one for the other"
    )
    assert not warned(
        '- {target: "/admin", verb: GET, scopes: [a]}\n'
        '- {target: "/{name}", verb: GET, scopes: [a]}\n'
    )
    assert not warned(
        '- {target: "/admin", verb: GET, secured: false}\n'
        '- {target: "/{name}", verb: GET, scopes: [a]}\n'
    )
    assert not warned(
        '- {target: "/admin", verb: POST, scopes: [admin]}\n'
        '- {target: "/{name}", verb: GET, secured: false}\n'
    )
