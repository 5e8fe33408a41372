"""Two deployers on one store, as on two nodes: each takes up what the other deployed. No Envoy runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from harness import DEFINITION
from harness import conf as text_of
from kapi.apis.compile import Compiled, compile_api
from kapi.errors import GatewayRejected, GatewayUnavailable, Invalid, Problem
from kapi.gateway.deployment.compiler import ApiCompiler
from kapi.gateway.deployment.deployer import Deployer
from kapi.gateway.deployment.shared_resources import SharedResources
from kapi.gateway.envoy.process.tls import ensure_certificate
from kapi.gateway.envoy.resources.context import render_context
from kapi.gateway.envoy.resources.names import SCOPE
from kapi.gateway.envoy.resources.resource import Resource
from kapi.settings import Settings
from kapi.store import Store

Key = tuple[str, str]


@dataclass(slots=True)
class Envoy:
    """What an Envoy holds; it refuses scopes of these names."""

    held: dict[Key, Resource] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    before: Callable[[], object] = lambda: None
    """Called before each publication."""

    def set_initial(self, resources: Iterable[Resource]) -> None:
        self.held = {(item.type_url, item.name): item for item in resources}

    def publish(self, changed: Sequence[Resource], removed: Sequence[Key] = ()) -> None:
        self.before()
        for item in changed:
            if item.name in self.refused:
                raise GatewayRejected(f"{item.name} is refused")
        self.held |= {(item.type_url, item.name): item for item in changed}
        for key in removed:
            self.held.pop(key, None)

    def wanted(self, keys: Iterable[Key]) -> dict[Key, Resource | None]:
        return {key: self.held.get(key) for key in keys}

    def scope(self, name: str) -> bytes:
        found = self.held.get((SCOPE, name))
        return b"" if found is None else found.body


Node = tuple[Deployer, Envoy]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path / "kapi.db")
    yield opened
    opened.close()


@pytest.fixture
def node(store: Store, tmp_path: Path) -> Callable[..., Node]:
    settings = Settings(data_dir=tmp_path)
    certificate = ensure_certificate(settings, time.time)

    def made(**compiling: Any) -> Node:
        envoy = Envoy()
        deployer = Deployer(
            store=store,
            publisher=envoy,
            compiler=ApiCompiler(check=lambda *_: None, **compiling),
            shared=SharedResources(render_context(settings), certificate),
            now=time.time,
        )
        deployer.restore()
        return deployer, envoy

    return made


def deploy(deployer: Deployer, base: str, version: str = "1.0.0", name: str = "") -> str:
    text = text_of(name or base.strip("/"), base, version, port=80)
    return deployer.deploy(text.encode(), DEFINITION.encode(), "default").id


def test_a_node_takes_up_what_another_deploys_and_undeploys(node: Callable[..., Node]) -> None:
    (one, at_one), (other, at_other) = node(), node()
    api = deploy(one, "/pets")
    assert at_other.scope("pets") == b""
    assert other.follow() == 1
    assert at_other.scope("pets") == at_one.scope("pets") != b""
    assert [item.id for item in other.list("default")] == [api]
    assert other.undeploy(api, "default") == 2
    assert one.follow() == 2
    assert at_one.scope("pets") == at_other.scope("pets") == b""
    assert one.list("default") == ()


def test_conflicts_with_what_another_node_deployed_are_found(node: Callable[..., Node]) -> None:
    (one, _), (other, _) = node(), node()
    deploy(one, "/pets")
    with pytest.raises(Invalid):
        deploy(other, "/pets", name="second")


def test_a_node_that_is_overtaken_tries_again(node: Callable[..., Node]) -> None:
    (one, at_one), (other, at_other) = node(), node()
    turns = []

    def overtaken() -> None:
        if not turns:
            turns.append("taken")
            deploy(other, "/shops")

    at_one.before = overtaken
    deploy(one, "/pets")
    assert other.follow() == 2
    for envoy in (at_one, at_other):
        assert envoy.scope("pets") != b""
        assert envoy.scope("shops") != b""


def test_what_envoy_refuses_here_does_not_hold_up_the_rest(node: Callable[..., Node]) -> None:
    (one, _), (other, at_other) = node(), node()
    at_other.refused.add("bad")
    deploy(one, "/bad")
    deploy(one, "/good")
    assert other.follow() == 0
    assert at_other.scope("good") != b""
    deploy(other, "/own")
    assert other.follow() == 0
    at_other.refused.clear()
    assert other.follow() == 3
    assert at_other.scope("bad") != b""


def test_what_an_older_version_cannot_read_stays_as_it_was(node: Callable[..., Node]) -> None:
    def older(text: bytes, definition: bytes, **arguments: Any) -> Compiled:
        if b"2.0.0" in text:
            raise Problem(400, "1", "unknown")
        return compile_api(text, definition, **arguments)

    (newer, _), (old, at_old) = node(), node(compile_new=older, compile_stored=older)
    api = deploy(newer, "/pets", name="pets")
    old.follow()
    before = at_old.scope("pets")
    text = text_of("pets", "/pets", "2.0.0", port=80).replace("---\n", f"---\nid: {api}\n")
    newer.deploy(text.encode(), DEFINITION.encode(), "default")
    deploy(newer, "/shops")
    assert old.follow() == 1
    assert at_old.scope("pets") == before
    assert at_old.scope("shops") != b""
    with pytest.raises(GatewayUnavailable, match="ask another node, or upgrade this one"):
        deploy(old, "/pets/more", name="more")
    deploy(old, "/others")
    newer.undeploy(api, "default")
    assert old.follow() == 5
    assert at_old.scope("pets") == b""
