"""Tokens of AI backends and tiers of consumers that two nodes count together in Redis."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from ai_backend import ai_backend
from harness import DEFINITION, Answer, Platform
from kapi.settings import WELL_KNOWN_CLIENT_ID
from node_pair import GW, Pair, call, deployed, node_pair
from postgres import PostgresServer
from redis_server import redis_server
from waiting import until

pytestmark = pytest.mark.long
PASSWORD = "tr0ub4dor-and-4"
TIERS = """
[[subscriptions.tiers]]
name = "Twelve"
requests = 12
unit = "Day"

[[subscriptions.tiers]]
name = "Tokens"
total_tokens = 1000
token_unit = "Day"
"""


@pytest.fixture(scope="module")
def nodes(
    postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pair]:
    folder, database = tmp_path_factory.mktemp("consumers"), postgres.database()
    config = folder / "kapi.toml"
    config.write_text(TIERS)
    with redis_server(PASSWORD) as redis:
        environment = {"KAPI_LIMITS__REDIS": redis.url, "KAPI_CONFIG": str(config)}
        urls = (database, database)
        with node_pair(folder, urls, PASSWORD, environment=environment) as pair:
            client = redis.client()
            until(lambda: client.zcard("kapi:limit-nodes") == 2)
            yield pair


@pytest.fixture(scope="module")
def ai() -> Iterator[int]:
    with ai_backend() as port:
        yield port


def chat(node: Platform, name: str, token: str, prompt: int, completion: int) -> Answer:
    """A call whose answer says that it took so many tokens.

    Without a body: curl 7.88 takes an early answer to one over HTTP/2 for an error now and then.
    """
    asked = json.dumps({"say": [prompt, completion]})
    sent = (
        "-H",
        f"Authorization: Bearer {token}",
        "-H",
        f"X-Ask: {asked}",
        "-X",
        "POST",
    )
    return node.request(GW, f"/{name}/1.0.0/chat", *sent)


def deploy_chat(nodes: Pair, name: str, port: int, **endpoint: Any) -> None:
    conf = {
        "name": name,
        "basePath": f"/{name}",
        "version": "1.0.0",
        "type": "REST",
        "aiProvider": {"name": "OpenAI", "apiVersion": "v1"},
        "endpointConfigurations": {
            "production": {"endpoint": f"http://127.0.0.1:{port}", **endpoint}
        },
        "operations": [
            {"target": "/chat", "verb": "POST"},
            {"target": "/free", "verb": "POST", "secured": False},
        ],
    }
    answer = nodes[0].deploy(json.dumps(conf), DEFINITION)
    assert answer.status == 200, answer.body
    for node in nodes:
        path = f"/{name}/1.0.0/free"
        until(
            lambda node=node, path=path: (
                node.request(GW, path, "-X", "POST").status == 200
            )
        )


def passes_at_the_other(nodes: Pair, name: str, code: str) -> int:
    """One node takes 999 of 1,000 tokens; how many calls of one token each the other lets in.

    What an answer took is told to the other node after the answer, so a few may pass before.
    """
    token = nodes[0].token()
    assert chat(nodes[0], name, token, 900, 99).status == 200
    passed = 0
    while (answer := chat(nodes[1], name, token, 1, 0)).status == 200:
        passed += 1
    assert (answer.status, answer.json()["code"]) == (429, code)
    assert chat(nodes[0], name, token, 1, 0).status == 429
    return passed


def test_tokens_of_a_backend_are_counted_over_both(nodes: Pair, ai: int) -> None:
    tokens = {
        "promptLimit": 5000,
        "completionLimit": 5000,
        "totalLimit": 1000,
        "unit": "Day",
    }
    limits = {
        "token": tokens,
        "request": {"requestLimit": 5000, "unit": "Day"},
        "enabled": True,
    }
    deploy_chat(nodes, "tokens", ai, aiRatelimit=limits)
    assert passes_at_the_other(nodes, "tokens", "900800") < 100


def system(node: Platform, path: str, body: dict[str, Any]) -> Any:
    sent = (
        "-X",
        "POST",
        "-H",
        "Content-Type: application/json",
        "-d",
        json.dumps(body),
    )
    answer = node.api(path, *sent, token=node.token("apk:api_create"))
    assert answer.status == 201, answer.body
    return answer.json()


def test_tiers_of_subscription_and_application_are_counted_over_both(
    nodes: Pair, ai: int, echo: int
) -> None:
    """Each is counted as consumers have it: the subscription's for its API, then all calls."""
    deploy_chat(nodes, "subscribed", ai)
    system(nodes[0], "/api/applications", {"name": "shop"})
    key = {"consumerKey": WELL_KNOWN_CLIENT_ID}
    system(nodes[0], "/api/applications/shop/keys", key)
    of = {"application": "shop", "api": {"name": "subscribed"}, "tier": "Tokens"}
    system(nodes[0], "/api/subscriptions", of)
    assert passes_at_the_other(nodes, "subscribed", "900804") < 100

    deployed(nodes[0], "Plain", echo)
    for node in nodes:
        until(lambda node=node: call(node, "/plain", path="/open").status == 200)
    token = nodes[0].token()
    system(nodes[1], "/api/applications", {"name": "mill", "tier": "Twelve"})
    answer = nodes[0].api(
        f"/api/applications/shop/keys/{WELL_KNOWN_CLIENT_ID}",
        *("-X", "DELETE"),
        token=nodes[0].token("apk:api_create"),
    )
    assert answer.status in {200, 204}, answer.body
    system(nodes[1], "/api/applications/mill/keys", key)
    answers = [call(nodes[number % 2], "/plain", token) for number in range(30)]
    found = Counter(answer.status for answer in answers)
    assert set(found) == {200, 429}
    # A node that learns late of the key lets a call pass; alone, each would let in twelve.
    assert 12 <= found[200] <= 16
    assert answers[-1].json()["code"] == "900803"
