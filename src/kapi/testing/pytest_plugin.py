"""The pytest plugin: a server, and for each test a fresh issuer with its powers.

Its entry point is imported by every pytest of the environment, so it imports nothing of kapi before
a fixture is used. Each worker of pytest-xdist has a server of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from kapi.testing.faults.plan import FaultPlan
    from kapi.testing.issuer import Issuer
    from kapi.testing.platforms import EchoApi, Gateway
    from kapi.testing.powers.clock import Clock
    from kapi.testing.powers.journal import Journal
    from kapi.testing.server import Server


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker, so that `--strict-markers` accepts it."""
    config.addinivalue_line(
        "markers",
        "kapi(seed=None, level='strict', sockets=False): the issuer of this test; `sockets` gives"
        " it a real port",
    )


@pytest.fixture(scope="session")
def kapi_server() -> Iterator[Server]:
    """A server without a socket; its ASGI application is `kapi_server.app`."""
    from kapi.testing import Server

    with Server() as server:
        yield server


@pytest.fixture(scope="session")
def kapi_http_server() -> Iterator[Server]:
    """A server on a free port of this machine."""
    from kapi.testing import serve

    with serve() as server:
        yield server


@pytest.fixture(scope="session")
def kapi_gateway() -> Iterator[Gateway]:
    """A platform with the real gateway, on a free port: `deploy`, `request`, `token`, `trust`."""
    from kapi.testing import gateway

    with gateway() as running:
        yield running


@pytest.fixture(scope="session")
def kapi_api(kapi_gateway: Gateway) -> Iterator[EchoApi]:
    """An API that is deployed there: its backend answers with what it received."""
    from kapi.testing import echo_api

    with echo_api(kapi_gateway) as api:
        yield api


@pytest.fixture
def kapi_issuer(request: pytest.FixtureRequest) -> Iterator[Issuer]:
    """A fresh issuer: own keys, clients, users, clock, faults, journal."""
    marker = request.node.get_closest_marker("kapi")
    options: dict[str, Any] = {}
    if marker:
        options = dict(marker.kwargs)
    sockets = options.pop("sockets", False)
    server = request.getfixturevalue("kapi_http_server" if sockets else "kapi_server")
    issuer = server.issuer(**options)
    yield issuer
    server.remove(issuer.name)


@pytest.fixture
def kapi_token(kapi_issuer: Issuer) -> Callable[..., str]:
    """Makes right tokens: `kapi_token(user="org1user", scope="read")`."""
    return kapi_issuer.token


@pytest.fixture
def kapi_clock(kapi_issuer: Issuer) -> Clock:
    """The clock of the issuer."""
    return kapi_issuer.clock


@pytest.fixture
def kapi_faults(kapi_issuer: Issuer) -> FaultPlan:
    """The plan of faults of the issuer."""
    return kapi_issuer.faults


@pytest.fixture
def kapi_journal(kapi_issuer: Issuer) -> Journal:
    """The journal of the issuer."""
    return kapi_issuer.journal
