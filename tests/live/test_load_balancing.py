"""Several endpoints as one backend, through the real gateway."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from harness import DEFINITION, Answer, Platform, free_port
from waiting import until

HOST = "default.gw.wso2.com"
Deploy = Callable[[str, dict[str, Any], list[dict[str, Any]]], str]


@pytest.fixture
def deploy(platform: Platform) -> Deploy:
    def deployed(
        name: str, balancing: dict[str, Any], endpoints: list[dict[str, Any]]
    ) -> str:
        conf = {
            "name": name,
            "basePath": f"/{name}",
            "version": "1.0.0",
            "type": "REST",
            "loadBalancing": balancing,
            "endpointConfigurations": {"production": endpoints},
            "operations": [{"target": "/items", "verb": "GET", "secured": False}],
        }
        answer = platform.deploy(json.dumps(conf), DEFINITION)
        assert answer.status == 200, answer.body
        return f"/{name}/1.0.0/items"

    return deployed


def endpoint(port: int, **more: Any) -> dict[str, Any]:
    return {"endpoint": f"http://127.0.0.1:{port}/backend", **more}


def call(platform: Platform, path: str, *more: str) -> Answer:
    return platform.request(HOST, path, *more)


def port_of(answer: Answer) -> int:
    """The backend that answered, which got its own name as Host."""
    seen = answer.json()
    assert seen["headers"]["host"] == f"127.0.0.1:{seen['port']}"
    return int(seen["port"])


def test_calls_go_where_the_checks_succeed(
    platform: Platform, deploy: Deploy, echo: int, other_echo: int
) -> None:
    check = {"path": "/backend/health", "intervalSeconds": 1, "unhealthyThreshold": 1}
    near = [endpoint(free_port()), endpoint(echo)]
    path = deploy(
        "checked", {"healthCheck": check}, [*near, endpoint(other_echo, priority=4)]
    )
    until(lambda: call(platform, path).status == 200)
    assert {port_of(call(platform, path)) for _ in range(4)} <= {echo, other_echo}


def test_the_next_priority_answers_when_nothing_else_does(
    platform: Platform, deploy: Deploy, echo: int
) -> None:
    failing = {"outlierDetection": {"gatewayErrors": 1}}
    path = deploy(
        "failing-over", failing, [endpoint(free_port()), endpoint(echo, priority=1)]
    )
    until(lambda: call(platform, path).status == 200)
    assert [call(platform, path).status for _ in range(4)] == [200] * 4


def test_a_retry_goes_to_another_endpoint(
    platform: Platform, deploy: Deploy, echo: int
) -> None:
    retried = {"resiliency": {"retryPolicy": {"count": 2}}}
    endpoints = [endpoint(free_port(), **retried), endpoint(echo, **retried)]
    path = deploy("retried", {}, endpoints)
    assert [call(platform, path).status for _ in range(4)] == [200] * 4


@pytest.mark.parametrize("kind", ["maglev", "ringHash"])
def test_calls_with_one_header_stay_with_one_endpoint(
    platform: Platform, deploy: Deploy, echo: int, other_echo: int, kind: str
) -> None:
    balancing = {"kind": kind, "hashOn": {"header": "X-User"}}
    path = deploy(
        f"hashed-{kind.lower()}", balancing, [endpoint(echo), endpoint(other_echo)]
    )

    def of(user: int) -> int:
        return port_of(call(platform, path, "-H", f"X-User: user-{user}"))

    users = range(32)  # Of eight, all may have one endpoint by chance.
    chosen = {user: of(user) for user in users}
    assert {of(user) for user in users if chosen[user] == echo} <= {echo}
    assert set(chosen.values()) == {echo, other_echo}


def test_a_cookie_of_the_gateway_keeps_a_caller_with_one_endpoint(
    platform: Platform, deploy: Deploy, echo: int, other_echo: int
) -> None:
    balancing = {"kind": "maglev", "hashOn": {"cookie": "backend"}}
    path = deploy("sticky", balancing, [endpoint(echo), endpoint(other_echo)])
    first = call(platform, path)
    cookie, *attributes = first.headers["set-cookie"].split("; ")
    assert {"Secure", "HttpOnly", "SameSite=Lax"} <= set(attributes)
    again = [call(platform, path, "-H", f"Cookie: {cookie}") for _ in range(5)]
    assert {port_of(item) for item in again} == {port_of(first)}
    assert "set-cookie" not in again[0].headers
