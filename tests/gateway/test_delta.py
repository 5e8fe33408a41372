"""The state machine of the configuration stream, with an Envoy that takes and rejects at random."""

from __future__ import annotations

import random

import pytest
from envoy.config.route.v3.route_pb2 import RouteConfiguration
from envoy.config.route.v3.scoped_route_pb2 import ScopedRouteConfiguration

from kapi.gateway.envoy.resources.names import CLUSTER, EXTENSION, SCOPE
from kapi.gateway.envoy.resources.resource import Resource, resource
from kapi.gateway.envoy.stream.delta import (
    ORDER,
    DeltaStream,
    Request,
    Response,
    Wanted,
)

TYPES = (CLUSTER, EXTENSION, SCOPE)


def item(kind: str, number: int, version: int, *, bad: bool = False) -> Resource:
    text = f"{'bad' if bad else 'good'} {version}"
    if kind != SCOPE:
        return resource(kind, f"r{number}", text.encode())
    scope = ScopedRouteConfiguration(route_configuration=RouteConfiguration(name=text))
    return resource(kind, f"r{number}", scope.SerializeToString())


def text_of(kind: str, body: bytes) -> str:
    """What is in a resource; a scope that Envoy has to use again got another route name."""
    if kind != SCOPE:
        return body.decode()
    return ScopedRouteConfiguration.FromString(body).route_configuration.name.rstrip(
        "~"
    )


class Envoy:
    """Confirms a message, or rejects it if it contains something bad.

    It keeps a scope that was in one message with a rejected one, does not use it, and skips it as
    unchanged when it gets the same again.
    """

    def __init__(self, stream: DeltaStream) -> None:
        self.stream = stream
        self.held: dict[tuple[str, str], str] = {}
        self.unused: dict[str, bytes] = {}
        self.waiting: list[Response] = []

    def ask(self, kind: str, *names: str, leave: tuple[str, ...] = ()) -> None:
        request = Request(type_url=kind)
        request.resource_names_subscribe.extend(names)
        request.resource_names_unsubscribe.extend(leave)
        for name in (*names, *leave):
            self.held.pop((kind, name), None)
        self.waiting += self.stream.on_request(request)

    def answer(self) -> None:
        response = self.waiting.pop(0)
        request = Request(type_url=response.type_url, response_nonce=response.nonce)
        kind = response.type_url
        sent = {entry.name: entry.resource.value for entry in response.resources}
        for name in response.removed_resources:
            self.held.pop((kind, name), None)
            if kind == SCOPE:
                self.unused.pop(name, None)
        if any(text_of(kind, body).startswith("bad") for body in sent.values()):
            request.error_detail.message = "it is bad"
            if kind == SCOPE:
                self.unused |= sent
        else:
            self.take(kind, sent)
        self.waiting += self.stream.on_request(request)

    def take(self, kind: str, sent: dict[str, bytes]) -> None:
        for name, body in sent.items():
            if kind == SCOPE and self.unused.pop(name, None) == body:
                self.unused[name] = body
            else:
                self.held[kind, name] = text_of(kind, body)

    def settle(self) -> None:
        for _ in range(1000):
            if not self.waiting:
                return
            self.answer()
        pytest.fail("it never ends")


@pytest.mark.parametrize("seed", range(40))
def test_envoy_ends_with_what_is_desired(seed: int) -> None:
    chance = random.Random(seed)
    desired = {kind: Wanted() for kind in ORDER}
    for kind in TYPES:
        for number in range(chance.randrange(6)):
            desired[kind].put(item(kind, number, 0))
    envoy = Envoy(DeltaStream(desired))
    for kind in (CLUSTER, SCOPE):
        envoy.ask(kind)
    envoy.ask(EXTENSION, "r0", "r1")
    asked = {"r0", "r1"}
    for step in range(60):
        kind, number = chance.choice(TYPES), chance.randrange(6)
        match chance.randrange(5):
            case 0 | 1:
                desired[kind].put(item(kind, number, step, bad=chance.random() < 0.2))
            case 2:
                desired[kind].drop(f"r{number}")
            case 3:
                envoy.ask(EXTENSION, f"r{number}")
                asked.add(f"r{number}")
            case _ if envoy.waiting:
                envoy.answer()
        envoy.waiting += envoy.stream.next_responses()
    envoy.settle()
    for kind in TYPES:
        for name, wanted in desired[kind].items.items():
            if kind == EXTENSION and name not in asked:
                assert (kind, name) not in envoy.held
            elif (text := text_of(kind, wanted.body)).startswith("good"):
                assert envoy.held[kind, name] == text
                assert envoy.stream.holds(kind, name)
            else:
                assert envoy.stream.rejection(kind, name) == "it is bad"
    gone = [
        (kind, name) for kind, name in envoy.held if name not in desired[kind].items
    ]
    assert gone == []


def test_an_envoy_that_is_back_gets_the_difference_only() -> None:
    desired = {kind: Wanted() for kind in ORDER}
    for number in range(5):
        desired[CLUSTER].put(item(CLUSTER, number, 1))
    stream = DeltaStream(desired)
    (empty,) = stream.on_request(Request(type_url=SCOPE))
    stream.on_request(Request(type_url=SCOPE, response_nonce=empty.nonce))
    request = Request(type_url=CLUSTER)
    versions = {
        f"r{number}": item(CLUSTER, number, 1).version for number in (0, 1, 2, 7)
    }
    versions["r1"] = "older"
    request.initial_resource_versions.update(versions)
    (response,) = stream.on_request(request)
    assert sorted(entry.name for entry in response.resources) == ["r1", "r3", "r4"]
    assert list(response.removed_resources) == ["r7"]
