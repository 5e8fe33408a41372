"""Which open calls end with a deployment: the rules of their routes, and who is told."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Sequence
from typing import Any

import pytest

from kapi.apis.compile import compile_api
from kapi.apis.secrets import Secrets
from kapi.errors import GatewayUnavailable
from kapi.gateway.changed_streams import Key, StreamEndingPublisher
from kapi.gateway.envoy.resources.resource import Resource, resource
from kapi.policies import POLICIES
from kapi.policies.contract import Place
from kapi.policies.streams.rules import PREFIX, rules

DEFINITION = (
    b'{"openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "paths": {}}'
)
OPERATION = {"target": "/chat", "verb": "GET", "stream": {"type": "WebSocket"}}
CERTIFICATES = [
    {
        "authType": "mTLS",
        "required": "mandatory",
        "certificates": [{"name": "c", "key": "crt"}],
    }
]


def place(port: int = 80, secrets: Secrets | None = None, **more: Any) -> Place:
    fields = {
        name: more.pop(name)
        for name in ("scopes", "secured", "rateLimit")
        if name in more
    }
    conf = {
        "name": "A",
        "basePath": "/a",
        "version": "1",
        "type": "REST",
        "endpointConfigurations": {
            "production": {"endpoint": f"http://backend:{port}"}
        },
        "operations": [{**OPERATION, **fields}],
        **more,
    }
    text = json.dumps(conf).encode()
    api = compile_api(text, DEFINITION, organization="o", policies=POLICIES).api
    operation = api.operations[0]
    made = Place(api, operation, operation.production, "host", "/a/1", sandbox=False)
    if secrets is not None:
        made = dataclasses.replace(made, secrets=secrets)
    return made


def test_rules_change_with_who_may_call() -> None:
    usual = rules(place())
    assert usual.startswith(PREFIX)
    assert (
        rules(place(port=81, rateLimit={"requestsPerUnit": 1, "unit": "Day"})) == usual
    )
    others = (
        place(scopes=["a"]),
        place(secured=False),
        place(subscriptionValidation=True),
        place(authentication=[{"authType": "APIKey"}]),
        place(basePath="/b", id="another"),
        place(authentication=CERTIFICATES),
    )
    assert len({usual, *map(rules, others)}) == len(others) + 1


def test_rules_change_with_the_certificates_that_a_secret_holds() -> None:
    def known(pem: str) -> Secrets:
        return Secrets({("o", "c", "crt"): pem})

    one, other = (
        rules(place(secrets=known(pem), authentication=CERTIFICATES)) for pem in "12"
    )
    assert one != other


BASIC = {"policyName": "BasicAuthentication"}
ASKING = {"policyName": "ExternalAuthorization"}


def test_rules_change_with_users_and_authorization_services() -> None:
    def found(secret: str = "", **policy: Any) -> str:
        policies = {"apiPolicies": {"request": [policy]}} if policy else {}
        return rules(
            place(secrets=Secrets({("o", "s", "k"): secret}), secured=False, **policies)
        )

    users = {"secretName": "s", "secretKey": "k"}
    every = {
        found(),
        found("one", **BASIC, parameters=users),
        found("two", **BASIC, parameters=users),
        found(**ASKING, parameters={"url": "http://one:80"}),
        found(**ASKING, parameters={"url": "http://two:80"}),
    }
    assert len(every) == 5


class Stream:
    """The configuration stream."""

    def __init__(self) -> None:
        self.state: dict[Key, Resource] = {}
        self.rejects = False

    def set_initial(self, resources: Iterable[Resource]) -> None:
        self.state = {(item.type_url, item.name): item for item in resources}

    def publish(self, changed: Sequence[Resource], removed: Sequence[Key] = ()) -> None:
        if self.rejects:
            raise GatewayUnavailable("no")
        self.state |= {(item.type_url, item.name): item for item in changed}
        for key in removed:
            self.state.pop(key, None)

    def wanted(self, keys: Iterable[Key]) -> dict[Key, Resource | None]:
        return {key: self.state.get(key) for key in keys}


def name(number: int) -> str:
    return f"{PREFIX}{number:032x}"


def scope(segment: str, *numbers: int) -> Resource:
    return resource(
        "scope", segment, b"\n".join(name(number).encode() for number in numbers)
    )


def test_rules_that_are_gone_are_told_once_envoy_has_the_new_routes() -> None:
    told: list[frozenset[str]] = []
    stream = Stream()
    publisher = StreamEndingPublisher(stream, told.append)
    publisher.set_initial([scope("a", 1, 2)])
    publisher.publish([scope("a", 1, 2, 3)])
    assert told == []
    stream.rejects = True
    with pytest.raises(GatewayUnavailable):
        publisher.publish([scope("a")])
    assert told == []
    stream.rejects = False
    publisher.publish([scope("a", 2)])
    publisher.publish([], [("scope", "a")])
    assert told == [frozenset({name(1), name(3)}), frozenset({name(2)})]
