"""`/orders/v1` leads to the newest deployed `v1.x`, through the real Envoy, as APIs come and go."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import grpc
import pytest
from live_gateway import Gateway, backend, gateway
from live_gateway import deployer as make_deployer

from grpc_backend import Backend, name_of, student
from kapi.gateway.deployment.deployer import Deployer
from kapi.gateway.envoy.resources.routes.version_aliases import aliases
from kapi.store import Store

DEFINITION = (
    b'{"openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "paths": {}}'
)


@pytest.fixture(scope="module")
def live() -> Iterator[Gateway]:
    with gateway(timeout=30, version_routing=True) as it:
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
        f"name: orders\nbasePath: {base}\nversion: '{version}'\ntype: REST\n"
        f"{extra}endpointConfigurations:\n  production:\n"
        f"    endpoint: http://127.0.0.1:{port}/{version}\noperations:\n"
        f"- {{target: /x, verb: GET, secured: false}}\n"
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


def test_what_is_really_deployed_wins(
    live: Gateway, deployer: Deployer, port: int
) -> None:
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


def test_a_default_version_takes_no_part(
    live: Gateway, deployer: Deployer, port: int
) -> None:
    deployer.deploy(conf("v6.1", port, "defaultVersion: true\n"), DEFINITION, "default")
    assert (answers(live, "/orders/x"), answers(live, "/orders/v6/x")) == (
        "/v6.1/x",
        "404",
    )


def test_without_the_setting_there_are_no_such_paths(
    deployer: Deployer, live: Gateway, port: int, store: Store
) -> None:
    off = dataclasses.replace(live.context.gateway, version_routing=False)
    context = dataclasses.replace(live.context, gateway=off)
    restarted = make_deployer(live, store, context=context)
    restarted.restore()
    restarted.deploy(conf("v7.1", port), DEFINITION, "default")
    assert (answers(live, "/orders/v7.1/x"), answers(live, "/orders/v7/x")) == (
        "/v7.1/x",
        "404",
    )


def test_a_version_within_a_segment_has_an_alias() -> None:
    api = SimpleNamespace(
        id="a",
        organization="default",
        environment="",
        version="v1.2",
        base_path="/org.apk.v1.2",
        default_base_path=None,
        base_paths=("/org.apk.v1.2",),
    )
    assert aliases([api]) == {"a": "/org.apk.v1"}


PROTO = """syntax = "proto3";
package org.apk.v1_2;
message Student { string name = 1; }
service Students { rpc GetStudent (Student) returns (Student); }
service Grades { rpc GetStudent (Student) returns (Student); }
"""


def grpc_conf(
    version: str, port: int, services: tuple[str, ...], extra: str = ""
) -> bytes:
    operations = "".join(
        f"- {{target: {service}, verb: GetStudent, secured: false}}\n"
        for service in services
    )
    return (
        f"name: students\nbasePath: /org.apk\nversion: '{version}'\ntype: GRPC\n{extra}"
        f"grpc: {{package: {PACKAGES[version]}}}\nendpointConfigurations:\n  production:\n"
        f"    endpoint: http://127.0.0.1:{port}\noperations:\n{operations}"
    ).encode()


PACKAGES = {"v1.2": "two", "v1.10": "ten", "v1.11": "eleven", "v1": "one"}


@pytest.fixture(scope="module")
def ports() -> Iterator[dict[str, int]]:
    """Backends by version, whose services answer with their package."""
    running = {}
    for version, name in PACKAGES.items():
        services = (f"{name}.Students", f"{name}.Grades")
        running[version] = Backend(services, more={"GetStudent": student(name)})
    yield {version: item.port for version, item in running.items()}
    for item in running.values():
        item.stop()


@pytest.fixture
def called(live: Gateway) -> Iterator[Callable[[str], str]]:
    """The package of the backend that a path leads to, or the status."""
    credentials = grpc.ssl_channel_credentials(live.certificate.ca_file.read_bytes())
    options = [("grpc.ssl_target_name_override", "default.gw.wso2.com")]
    address = f"127.0.0.1:{live.settings.gateway.port}"
    with closing(grpc.secure_channel(address, credentials, options)) as channel:

        def call(path: str) -> str:
            try:
                answer = channel.unary_unary(path)(student("path"), timeout=20)
            except grpc.RpcError as error:
                return str(error.code().name)
            return name_of(answer)

        yield call


def test_a_service_of_grpc_is_that_of_the_newest_version_that_has_it(
    deployer: Deployer,
    ports: dict[str, int],
    called: Callable[[str], str],
    live: Gateway,
) -> None:
    both = ("Students", "Grades")
    plan = (("v1.10", both), ("v1.2", both), ("v1.11", ("Students",)))
    ids = {}
    for version, services in plan:
        conf = grpc_conf(version, ports[version], services)
        ids[version] = deployer.deploy(conf, PROTO.encode(), "default").id
    students, grades = (
        "/org.apk.v1.Students/GetStudent",
        "/org.apk.v1.Grades/GetStudent",
    )
    assert called("/org.apk.v1.2.Students/GetStudent") == "two"
    assert (called(students), called(grades)) == ("eleven", "ten")
    assert live.call("/org.apk.v1/api-definition").json["apiDefinition"] == PROTO
    deployer.undeploy(ids["v1.11"], "default")
    assert (called(students), called(grades)) == ("ten", "ten")
    exact = deployer.deploy(
        grpc_conf("v1", ports["v1"], ("Grades",)), PROTO.encode(), "default"
    )
    assert (called(students), called(grades)) == ("ten", "one")
    deployer.undeploy(exact.id, "default")
    for version in ("v1.2", "v1.10"):
        deployer.undeploy(ids[version], "default")
    assert called(students) == "UNIMPLEMENTED"


def test_grpc_routes_of_newest_versions_are_restored(
    live: Gateway,
    deployer: Deployer,
    store: Store,
    ports: dict[str, int],
    called: Callable[[str], str],
) -> None:
    conf = grpc_conf("v1.2", ports["v1.2"], ("Students",))
    made = deployer.deploy(conf, PROTO.encode(), "default")
    again = make_deployer(live, store)
    again.restore()
    assert called("/org.apk.v1.Students/GetStudent") == "two"
    again.undeploy(made.id, "default")
    assert called("/org.apk.v1.Students/GetStudent") == "UNIMPLEMENTED"
