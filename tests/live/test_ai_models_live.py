"""Models that share the calls of an API, through the real gateway.

Shares, suspension, the next model after a failure.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from harness import DEFINITION, Answer, Platform
from models_backend import Models, models_backend

GW, SANDBOX = "default.gw.wso2.com", "default.sandbox.gw.wso2.com"


@pytest.fixture(scope="module")
def providers() -> Iterator[Models]:
    with models_backend() as models:
        yield models


@pytest.fixture(autouse=True)
def all_models_work(providers: Models) -> None:
    providers.reset()


def deployed(
    platform: Platform,
    providers: Models,
    name: str,
    *models: dict[str, Any],
    **parameters: Any,
) -> None:
    """An API with these models; each one's endpoint is a path of the backend."""
    address = f"http://127.0.0.1:{providers.port}"
    listed = [
        {**item, "endpoint": address + item.get("endpoint", "/v1")} for item in models
    ]
    secret = {"secretName": "model-keys", "in": "Header", "apiKeyNameKey": "x-api-key"}
    first = {
        "endpoint": f"{address}/v1",
        "endpointSecurity": {
            "enabled": True,
            "securityType": {**secret, "apiKeyValueKey": "first"},
        },
    }
    conf = {
        "name": name,
        "basePath": f"/{name}",
        "version": "1.0.0",
        "type": "REST",
        "aiProvider": {"name": "OpenAI", "apiVersion": "v1"},
        "endpointConfigurations": {
            "production": [first, {"endpoint": f"{address}/other"}],
            "sandbox": {"endpoint": f"{address}/sandbox"},
        },
        "operations": [{"target": "/chat", "verb": "POST", "secured": False}],
        "apiPolicies": {
            "request": [
                {
                    "policyName": "ModelBasedRoundRobin",
                    "parameters": {
                        "onQuotaExceedSuspendDuration": 600,
                        "productionModels": listed,
                        **parameters,
                    },
                }
            ]
        },
    }
    platform.cli("secret", "set", "model-keys", "first", stdin="key-of-the-first")
    answer = platform.deploy(json.dumps(conf), DEFINITION)
    assert answer.status == 200, answer.body


def ask(
    platform: Platform, name: str, *more: str, host: str = GW, **body: Any
) -> Answer:
    sent = json.dumps(
        {"model": "asked", "messages": [{"content": 'a "model"'}], **body}
    )
    json_type = ("-H", "Content-Type: application/json")
    # curl 7.88 takes the early answer to a body over HTTP/2 for an error now and then.
    target = f"/{name}/1.0.0/chat?a=b"
    return platform.request(host, target, "--http1.1", *json_type, "-d", sent, *more)


def test_models_share_the_calls_by_their_weights(
    platform: Platform, providers: Models
) -> None:
    deployed(platform, providers, "shares", {"model": "a", "weight": 2}, {"model": "b"})
    first = ask(platform, "shares")
    assert first.status == 200, first.body
    assert first.json()["asked"]["messages"] == [{"content": 'a "model"'}]
    for _ in range(11):
        assert ask(platform, "shares").status == 200
    # Each of the two threads counts by itself, so a share may be off by one for each.
    found = Counter(model for model, _, _ in providers.asked)
    assert set(found) == {"a", "b"}
    assert 7 <= found["a"] <= 9
    assert {path for _, path, _ in providers.asked} == {"/v1/chat?a=b"}


@pytest.mark.parametrize("status", [429, 402, 0])
def test_a_model_that_fails_is_suspended_and_the_next_one_answers(
    platform: Platform, providers: Models, status: int
) -> None:
    name = f"next{status}"
    models = ({"model": "a"}, {"model": "b", "endpoint": "/other"})
    deployed(platform, providers, name, *models, selection="failover")
    providers.fails = {"a": status}
    answers = [ask(platform, name) for _ in range(4)]
    assert [answer.json()["model"] for answer in answers] == ["b"] * 4
    assert [(model, path) for model, path, _ in providers.asked] == [
        ("a", "/v1/chat?a=b"),
        *[("b", "/other/chat?a=b")] * 4,
    ]
    # The key of the first provider is not sent to the second.
    keys = [headers.get("x-api-key") for _, _, headers in providers.asked]
    assert keys == ["key-of-the-first", None, None, None, None]


def test_a_quota_that_an_answer_says_is_used_up_suspends_the_model(
    platform: Platform, providers: Models
) -> None:
    deployed(
        platform,
        providers,
        "quota",
        {"model": "a"},
        {"model": "b"},
        selection="failover",
    )
    providers.headers = {"a": {"x-ratelimit-remaining-tokens": "0"}}
    answers = [ask(platform, "quota").json()["model"] for _ in range(3)]
    assert answers == ["a", "b", "b"]


def test_with_all_models_suspended_a_call_is_refused_and_says_until_when(
    platform: Platform, providers: Models
) -> None:
    deployed(platform, providers, "none", {"model": "a"}, {"model": "b"})
    providers.fails = {"a": 429, "b": 500}
    assert ask(platform, "none").status in {429, 500}
    before = len(providers.asked)
    assert before == 2
    refused = ask(platform, "none")
    assert refused.status == 503
    assert "All models of this API are suspended" in refused.json()["error_description"]
    assert 1 <= int(refused.headers["retry-after"]) <= 600
    assert len(providers.asked) == before


def test_a_suspension_ends_and_none_is_made_where_the_duration_is_zero(
    platform: Platform, providers: Models
) -> None:
    models = ({"model": "a"}, {"model": "b"})
    duration = {"onQuotaExceedSuspendDuration": 0}
    deployed(platform, providers, "zero", *models, selection="failover", **duration)
    providers.fails = {"a": 429}
    assert [ask(platform, "zero").json()["model"] for _ in range(2)] == ["b", "b"]
    providers.fails = {}
    assert ask(platform, "zero").json()["model"] == "a"


def test_the_sandbox_has_models_of_its_own(
    platform: Platform, providers: Models
) -> None:
    address = f"http://127.0.0.1:{providers.port}/sandbox"
    own = [{"model": name, "endpoint": address} for name in ("s", "t")]
    parameters = {"selection": "failover", "sandboxModels": own}
    deployed(platform, providers, "kinds", {"model": "a"}, **parameters)
    providers.fails = {"s": 429}
    answer = ask(platform, "kinds", host=SANDBOX)
    assert (answer.status, answer.json()["model"]) == (200, "t")
    assert ask(platform, "kinds").json()["model"] == "a"
    assert [(model, path) for model, path, _ in providers.asked] == [
        ("s", "/sandbox/chat?a=b"),
        ("t", "/sandbox/chat?a=b"),
        ("a", "/v1/chat?a=b"),
    ]


def test_a_body_that_is_not_one_object_is_refused(
    platform: Platform, providers: Models
) -> None:
    deployed(platform, providers, "bodies", {"model": "a"})
    json_type = ("-H", "Content-Type: application/json")
    for body in ('{"model": "x", "model": "y"}', "[1]", "{"):
        answer = platform.request(GW, "/bodies/1.0.0/chat", *json_type, "-d", body)
        assert answer.status == 400, body
    assert providers.asked == []
