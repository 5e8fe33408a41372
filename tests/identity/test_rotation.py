"""Rotation of signing keys: what verifiers know at each step, the schedule, refusals."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from kapi.app.process import open_store
from kapi.errors import GatewayUnavailable, Problem
from kapi.identity.keys.keyring import Keyring, ensure_keyring, load_keyring
from kapi.identity.keys.rotation import SETTLE_SECONDS, Rotation
from kapi.settings import ClientSettings, IdentitySettings, Settings
from kapi.store import Store
from kapi.store.keys import TOPIC, Keys
from waiting import until

NOW = 1_800_000_000


@dataclass
class World:
    """The gateway and the clock."""

    keys: Keys
    time: float = NOW
    down: bool = False
    gateway: list[set[str]] = field(default_factory=list)
    waited: list[float] = field(default_factory=list)

    def publish(self, keyring: Keyring) -> None:
        if self.down:
            raise GatewayUnavailable("it is down")
        # Nothing may be active that the gateway has not confirmed before.
        self.gateway.append({key.kid for key in keyring.keys})

    def rotation(self, **settings: object) -> Rotation:
        identity = IdentitySettings(**{"algorithms": (), **settings})  # type: ignore[arg-type]
        return Rotation(
            keys=self.keys,
            identity=identity,
            publish=self.publish,
            now=lambda: self.time,
            wait=self.waited.append,
        )

    def states(self) -> dict[str, str]:
        return {key.kid: key.state for key in self.keys.all()}

    def shown(self) -> set[str]:
        return {key["kid"] for key in json.loads(load_keyring(self.keys).jwks)["keys"]}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    store = Store.open(tmp_path / "kapi.db")
    keys = Keys(store.database)
    ensure_keyring(keys, "first", NOW)
    yield World(keys)
    store.close()


def test_a_key_signs_only_after_gateway_and_workers_know_it(world: World) -> None:
    rotation = world.rotation()
    new = rotation.stage("RS256")
    assert (new.state, new.due_at) == ("published", None)
    assert world.gateway == [{"first", new.kid}]
    assert world.shown() == {"first", new.kid}
    assert load_keyring(world.keys).active().kid == "first"
    rotation.activate(new.kid)
    assert world.waited == [SETTLE_SECONDS]
    assert load_keyring(world.keys).active().kid == new.kid
    assert world.states() == {"first": "retired", new.kid: "active"}
    assert world.shown() == {"first", new.kid}


def test_a_retired_key_stays_until_its_last_token_has_expired(world: World) -> None:
    clients = (ClientSettings(id="long", secret="s", token_lifetime=9000),)
    rotation = world.rotation(clients=clients)
    new = rotation.rotate("RS256", at_once=True)
    for passed, there in ((9000, True), (9059, True), (9060, False)):
        world.time = NOW + passed
        rotation.tick()
        assert ("first" in world.shown()) is there
    assert world.gateway[-1] == {new.kid}


def test_the_schedule_shows_a_successor_first_and_lets_it_sign_after_the_overlap(
    world: World,
) -> None:
    rotation = world.rotation(key_lifetime=1000, key_overlap=300)
    told: list[str] = []
    rotation.told = lambda event, _: told.append(event)
    for passed, count, active_is_first in (
        (0, 1, True),
        (999, 1, True),
        (1000, 2, True),
        (1299, 2, True),
        (1300, 2, False),
        (1301, 2, False),
    ):
        world.time = NOW + passed
        rotation.tick()
        assert (
            len(world.states()),
            load_keyring(world.keys).active().kid == "first",
        ) == (
            count,
            active_is_first,
        ), passed
    assert told == ["key.add", "key.activate"]


def test_rotating_without_hurry_waits_for_the_overlap(world: World) -> None:
    rotation = world.rotation(key_overlap=300)
    new = rotation.rotate("RS256")
    assert (new.state, new.due_at) == ("published", NOW + 300)
    world.time += 299
    rotation.tick()
    assert load_keyring(world.keys).active().kid == "first"
    world.time += 1
    rotation.tick()
    assert load_keyring(world.keys).active().kid == new.kid


def test_an_emergency_takes_the_old_keys_away_at_once(world: World) -> None:
    rotation = world.rotation()
    other = rotation.stage("RS256")
    new = rotation.rotate("RS256", emergency=True)
    assert world.states() == {new.kid: "active"}
    assert world.gateway[-1] == world.shown() == {new.kid}
    assert other.kid not in world.shown()


def test_missing_keys_are_made_and_become_active(world: World) -> None:
    rotation = world.rotation(algorithms=("ES256", "PS256"))
    rotation.tick()
    rotation.tick()
    assert load_keyring(world.keys).algorithms == ("RS256", "ES256", "PS256") or set(
        load_keyring(world.keys).algorithms
    ) == {
        "RS256",
        "ES256",
        "PS256",
    }
    before = world.states()
    rotation.tick()
    assert world.states() == before


def test_while_the_gateway_is_down_nothing_becomes_active(world: World) -> None:
    rotation = world.rotation()
    world.down = True
    with pytest.raises(GatewayUnavailable):
        rotation.stage("RS256")
    rotation.tick()
    staged = next(kid for kid, state in world.states().items() if state == "staged")
    assert staged not in world.shown()
    world.down = False
    rotation.tick()
    assert world.states()[staged] == "published"
    world.down = True
    with pytest.raises(GatewayUnavailable):
        rotation.activate(staged)
    assert load_keyring(world.keys).active().kid == "first"


def test_what_makes_no_sense_is_refused(world: World) -> None:
    rotation = world.rotation()
    for call, status in (
        (lambda: rotation.stage("none"), 400),
        (lambda: rotation.stage("HS256"), 400),
        (lambda: rotation.activate("nobody"), 404),
        (lambda: rotation.activate("first"), 409),
        (lambda: rotation.retire("first"), 409),
        (lambda: rotation.retire("nobody"), 404),
    ):
        with pytest.raises(Problem) as refused:
            call()
        assert refused.value.status == status
    assert world.states() == {"first": "active"}
    new = rotation.stage("EdDSA")
    rotation.retire(new.kid)
    assert world.states() == {"first": "active"}


def test_a_process_that_starts_during_a_rotation_gets_the_new_key(
    tmp_path: Path,
) -> None:
    store, watch, keyring = open_store(Settings(tmp_path))
    keys = Keys(store.database)
    World(keys).rotation().stage("RS256")
    keyrings = [keyring]
    watch.on(TOPIC, lambda: keyrings.append(load_keyring(keys)))
    watch.start()
    until(lambda: len(keyrings[-1].keys) == len(keyring.keys) + 1)
    watch.stop()
    store.close()
