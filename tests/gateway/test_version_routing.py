"""`/orders/v1` leads to the newest deployed `v1.x`, through the real Envoy, as APIs come and go."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from live_gateway import Gateway, backend, gateway
from live_gateway import deployer as make_deployer

from kapi.gateway.deployment.deployer import Deployer
from kapi.gateway.envoy.resources.routes.version_aliases import aliases
from kapi.store import Store

DEFINITION = b'{"openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "paths": {}}'


@pytest.fixture(scope="module")
def live() -> Iterator[Gateway]:
    with gateway(timeout=5, version_routing=True) as it:
        yield it


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path / "kapi.db")
    yield opened
    opened.close()


@pytest.fixture
def deployer(live: Gateway, store: Store) -> Deployer:
    made = make_deployer(live, store)
    made.restore()
    return made


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with backend() as number:
        yield number


def conf(version: str, port: int, extra: str = "", base: str = "/orders") -> bytes:
    return (
        f"name: orders\nbasePath: {base}\nversion: '{version}'\ntype: REST\n{extra}endpointConfigurations:\n  production:\n"
        f"    endpoint: http://127.0.0.1:{port}/{version}\noperations:\n- {{target: /x, verb: GET, secured: false}}\n"
    ).encode()


def answers(live: Gateway, path: str, organization: str = "default") -> str:
    reply = live.call(path, host=f"{organization}.gw.wso2.com")
    return str(reply.json["path"]) if reply.status == 200 else str(reply.status)


def test_the_newest_minor_version_answers_and_its_predecessor_when_it_goes(
    live: Gateway, deployer: Deployer, port: int
) -> None:
    assert answers(live, "/orders/v1/x") == "404"
    ids = {
        version: deployer.deploy(conf(version, port), DEFINITION, "default").id
        for version in ("v1.9", "v1.2", "v1.10", "v2.0")
    }
    assert answers(live, "/orders/v1/x") == "/v1.10/x"
    assert answers(live, "/orders/v1.2/x") == "/v1.2/x"
    assert answers(live, "/orders/v2/x") == "/v2.0/x"
    assert live.call("/orders/v1/api-definition").body == DEFINITION
    deployer.undeploy(ids["v1.10"], "default")
    assert answers(live, "/orders/v1/x") == "/v1.9/x"
    for version in ("v1.9", "v1.2"):
        deployer.undeploy(ids[version], "default")
    assert answers(live, "/orders/v1/x") == "404"
    assert answers(live, "/orders/v2/x") == "/v2.0/x"


def test_organizations_have_versions_of_their_own(
    live: Gateway, deployer: Deployer, port: int
) -> None:
    deployer.deploy(conf("v3.1", port), DEFINITION, "default")
    deployer.deploy(conf("v3.2", port), DEFINITION, "acme")
    assert (answers(live, "/orders/v3/x"), answers(live, "/orders/v3/x", "acme")) == (
        "/v3.1/x",
        "/v3.2/x",
    )


def test_what_is_really_deployed_wins(live: Gateway, deployer: Deployer, port: int) -> None:
    deployer.deploy(conf("v4.1", port), DEFINITION, "default")
    deployer.deploy(conf("v4", port), DEFINITION, "default")
    assert answers(live, "/orders/v4/x") == "/v4/x"


@pytest.mark.parametrize("version", ["5.1", "v5", "v5.1.0", "v05.1", "V5.1"])
def test_only_versions_of_two_numbers_take_part(
    live: Gateway, deployer: Deployer, port: int, version: str
) -> None:
    deployer.deploy(conf(version, port, base="/others"), DEFINITION, "default")
    assert answers(live, f"/others/{version}/x") == f"/{version}/x"
    if version != "v5":
        assert answers(live, "/others/v5/x") == "404"


def test_a_default_version_takes_no_part(live: Gateway, deployer: Deployer, port: int) -> None:
    deployer.deploy(conf("v6.1", port, "defaultVersion: true\n"), DEFINITION, "default")
    assert (answers(live, "/orders/x"), answers(live, "/orders/v6/x")) == ("/v6.1/x", "404")


def test_without_the_setting_there_are_no_such_paths(
    deployer: Deployer, live: Gateway, port: int, store: Store
) -> None:
    off = dataclasses.replace(live.context.gateway, version_routing=False)
    context = dataclasses.replace(live.context, gateway=off)
    restarted = make_deployer(live, store, context=context)
    restarted.restore()
    restarted.deploy(conf("v7.1", port), DEFINITION, "default")
    assert (answers(live, "/orders/v7.1/x"), answers(live, "/orders/v7/x")) == ("/v7.1/x", "404")


def test_a_version_within_a_segment_has_no_alias() -> None:
    api = SimpleNamespace(
        id="a",
        organization="default",
        environment="",
        version="v1.2",
        base_path="/org.apk.v1.2",
        default_base_path=None,
        base_paths=("/org.apk.v1.2",),
    )
    assert aliases([api]) == {}
