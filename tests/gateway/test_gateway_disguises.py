"""Paths that a backend may take for a secured operation do not fall through to an open one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from live_gateway import Gateway, api, backend, gateway, operation

from kapi.apis.ir import Endpoint

BASE = "/names/1.0.0"


@pytest.fixture(scope="module")
def live() -> Iterator[Gateway]:
    with backend() as port, gateway() as it:
        end = Endpoint("http", "127.0.0.1", port)
        operations = [
            operation("GET", "/admin", end, scopes=("admin",)),
            operation("GET", "/admin.css", end, secured=False),
            operation("GET", "/users/me", end),
            operation("GET", "/users/{id}", end, secured=False),
            operation("GET", "/same", end, secured=False),
            operation("POST", "/{name}", end, secured=False),
            operation("GET", "/{name}", end, secured=False),
        ]
        it.put(api("/names", operations))
        yield it


DISGUISES = [
    "/Admin",
    "/ADM%49N",
    "/admin;x=1",
    "/admin%3Bx=1",
    "/admin%20",
    "/admin%00",
    "/admin.json",
    "/admin.",
]


@pytest.mark.parametrize("path", [*DISGUISES, "/admin;x/", "/users/ME", "/users/me;a"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_secured_operation_has_no_open_twin(
    live: Gateway, path: str, method: str
) -> None:
    assert live.call(BASE + path, method=method).status in {400, 404}


def test_other_names_are_open(live: Gateway) -> None:
    for path in (
        "/adam",
        "/administrator",
        "/admin-2",
        "/users/meg",
        "/Same",
        "/same;x",
        "/admin.css",
    ):
        assert live.call(BASE + path).json["path"] == path
    # Another method is another operation.
    assert live.call(f"{BASE}/Admin", method="POST").json["path"] == "/Admin"
    for path in ("/admin", "/%61dmin", "/users/%6De"):
        assert live.call(BASE + path).status == 401
    assert (
        live.call(f"{BASE}/admin", token=live.minter.token(scope="admin")).status == 200
    )
