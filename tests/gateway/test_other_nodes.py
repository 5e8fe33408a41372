"""Two deployers on one store, as on two nodes: each takes up what the other deployed. No Envoy
runs.
"""

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
from kapi.apis.secrets import Secrets
from kapi.errors import (
    GatewayRejected,
    GatewayUnavailable,
    Invalid,
    Problem,
    StorageBusy,
)
from kapi.gateway.applications import Applications
from kapi.gateway.deployment.compiler import ApiCompiler
from kapi.gateway.deployment.deployer import Deployer
from kapi.gateway.deployment.shared_resources import SharedResources
from kapi.gateway.envoy.process.tls import ensure_certificate
from kapi.gateway.envoy.resources.context import render_context
from kapi.gateway.envoy.resources.names import SCOPE
from kapi.gateway.envoy.resources.resource import Resource
from kapi.gateway.secrets import NamedSecrets, known_secrets
from kapi.settings import Settings, SubscriptionsSettings, TierSettings
from kapi.store import Store
from kapi.store.gateway.applications import ApplicationStore, Subscription
from kapi.store.gateway.secrets import SecretStore

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
LOGIN = (
    "    endpointSecurity: {{enabled: true, securityType:"
    " {{secretName: {}, userNameKey: user, passwordKey: word}}}}"
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path / "kapi.db")
    yield opened
    opened.close()


@pytest.fixture
def node(store: Store, tmp_path: Path) -> Callable[..., Node]:
    settings = Settings(data_dir=tmp_path)
    certificate = ensure_certificate(settings, time.time)

    def made(*, secrets: Callable[[], Secrets] | None = None, **compiling: Any) -> Node:
        envoy = Envoy()
        deployer = Deployer(
            store=store,
            publisher=envoy,
            compiler=ApiCompiler(check=lambda *_: None, **compiling),
            shared=SharedResources(render_context(settings), certificate),
            now=time.time,
            secrets=secrets
            or (lambda: known_secrets(settings, SecretStore(store.database))),
        )
        deployer.restore()
        return deployer, envoy

    return made


def deploy(
    deployer: Deployer,
    base: str,
    version: str = "1.0.0",
    name: str = "",
    login: str = "",
) -> str:
    text = text_of(name or base.strip("/"), base, version, port=80)
    if login:
        text = text.replace('/backend"', f'/backend"\n{LOGIN.format(login)}')
    return deployer.deploy(text.encode(), DEFINITION.encode(), "default").id


def test_a_node_takes_up_what_another_deploys_and_undeploys(
    node: Callable[..., Node],
) -> None:
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


def test_conflicts_with_what_another_node_deployed_are_found(
    node: Callable[..., Node],
) -> None:
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


def test_what_envoy_refuses_here_does_not_hold_up_the_rest(
    node: Callable[..., Node],
) -> None:
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


def test_what_an_older_version_cannot_read_stays_as_it_was(
    node: Callable[..., Node],
) -> None:
    def older(text: bytes, definition: bytes, **arguments: Any) -> Compiled:
        if b"2.0.0" in text:
            raise Problem(400, "1", "unknown")
        return compile_api(text, definition, **arguments)

    (newer, _), (old, at_old) = node(), node(compile_new=older, compile_stored=older)
    api = deploy(newer, "/pets", name="pets")
    old.follow()
    before = at_old.scope("pets")
    text = text_of("pets", "/pets", "2.0.0", port=80).replace(
        "---\n", f"---\nid: {api}\n"
    )
    newer.deploy(text.encode(), DEFINITION.encode(), "default")
    deploy(newer, "/shops")
    assert old.follow() == 1
    assert at_old.scope("pets") == before
    assert at_old.scope("shops") != b""
    with pytest.raises(
        GatewayUnavailable, match="ask another node, or upgrade this one"
    ):
        deploy(old, "/pets/more", name="more")
    deploy(old, "/others")
    newer.undeploy(api, "default")
    assert old.follow() == 5
    assert at_old.scope("pets") == b""


def set_login(deployer: Deployer, store: Store, name: str, word: str) -> None:
    named = NamedSecrets(
        Settings(data_dir=Path()), SecretStore(store.database), deployer, time.time
    )
    named.set("default", name, "user", "me")
    named.set("default", name, "word", word)


def test_a_secret_and_an_api_that_names_it_are_taken_up_together(
    store: Store, node: Callable[..., Node]
) -> None:
    (one, at_one), (other, at_other) = node(), node()
    set_login(one, store, "login", "first")
    deploy(one, "/pets", login="login")
    assert other.follow() == 3
    assert at_other.scope("pets") == at_one.scope("pets") != b""


def test_an_api_may_name_a_secret_that_another_node_has_just_stored(
    store: Store, node: Callable[..., Node]
) -> None:
    (one, at_one), (other, at_other) = node(), node()
    set_login(one, store, "login", "first")
    deploy(other, "/pets", login="login")
    assert one.follow() == 3
    assert at_one.scope("pets") == at_other.scope("pets") != b""


def test_a_secret_is_taken_up_after_the_store_failed_meanwhile(
    store: Store, node: Callable[..., Node]
) -> None:
    faults: list[Exception] = []

    def read() -> Secrets:
        if faults:
            raise faults.pop()
        return known_secrets(Settings(data_dir=Path()), SecretStore(store.database))

    (one, at_one), (other, at_other) = node(), node(secrets=read)
    set_login(one, store, "login", "first")
    deploy(one, "/pets", login="login")
    other.follow()
    set_login(one, store, "login", "second")
    faults.append(StorageBusy())
    with pytest.raises(StorageBusy):
        other.follow()
    assert other.follow() == store.change()
    assert at_other.held == at_one.held


def test_a_node_that_starts_has_the_secrets_of_the_apis_that_it_reads(
    store: Store, node: Callable[..., Node]
) -> None:
    """They were set after it had read its settings."""
    one, at_one = node()
    set_login(one, store, "login", "first")
    deploy(one, "/pets", login="login")
    other, at_other = node()
    deploy(other, "/pets/more", name="more", login="login")
    one.follow()
    assert at_other.scope("pets") == at_one.scope("pets") != b""


def test_a_secret_that_another_node_has_begun_to_use_is_not_removed(
    store: Store, node: Callable[..., Node]
) -> None:
    """This node does not know of the API yet."""
    (one, at_one), (other, _) = node(), node()
    set_login(one, store, "login", "first")
    deploy(other, "/pets", login="login")
    named = NamedSecrets(
        Settings(data_dir=Path()), SecretStore(store.database), one, time.time
    )
    with pytest.raises(Problem) as error:
        named.remove("default", "login", "word")
    assert error.value.status == 409
    assert named.value("default", "login", "word") == "first"
    assert at_one.scope("pets") != b""


def test_a_deployment_finds_that_its_secret_was_removed_meanwhile(
    store: Store, node: Callable[..., Node]
) -> None:
    """Another node removes it between the check of the API and its publication here."""
    (one, at_one), (other, _) = node(), node()
    set_login(one, store, "login", "first")
    named = NamedSecrets(
        Settings(data_dir=Path()), SecretStore(store.database), other, time.time
    )
    turns: list[str] = []

    def overtaken() -> None:
        if not turns:
            turns.append("taken")
            named.remove("default", "login", "word")

    at_one.before = overtaken
    with pytest.raises(Invalid, match="no secret login with the key word"):
        deploy(one, "/pets", login="login")
    assert store.apis() == ()
    assert at_one.scope("pets") == b""


def test_nodes_that_change_one_subscription_at_once_lose_neither_change(
    store: Store, tmp_path: Path
) -> None:
    """One blocks it while the other, which has read it before, changes its tier."""
    tiers = (TierSettings("Gold", requests=10), TierSettings("Silver", requests=1))
    settings = Settings(tmp_path, subscriptions=SubscriptionsSettings(tiers=tiers))
    one = Applications(settings, ApplicationStore(store.database), time.time)

    class Meanwhile(ApplicationStore):
        """Another node is faster between the read and the write."""

        def change(self, *arguments: Any) -> None:
            one.change("default", made.id, "BLOCKED", None)
            super().change(*arguments)

    other = Applications(settings, Meanwhile(store.database), time.time)
    one.create("default", "shop")
    made = one.subscribe(
        "default", "shop", Subscription("", "Pets", "1.0.0", tier="Gold")
    )
    other.change("default", made.id, None, "Silver")
    (found,) = one.get("default", "shop").subscriptions
    assert (found.status, found.tier) == ("BLOCKED", "Silver")
