"""Calls that a service of the API decides on, through the real gateway."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from authorization_service import over_grpc, over_http
from harness import DEFINITION, Answer, Platform, free_port
from waiting import until

HOST = "default.gw.wso2.com"


def deployed(platform: Platform, name: str, echo: int, services: dict[str, Any]) -> str:
    conf = {
        "name": name,
        "basePath": f"/{name}",
        "version": "1.0.0",
        "type": "REST",
        "endpointConfigurations": {
            "production": {"endpoint": f"http://127.0.0.1:{echo}"}
        },
        "operations": [
            {
                "target": path,
                "verb": "POST",
                "secured": path == "/secured",
                "operationPolicies": {
                    "request": [
                        {
                            "policyName": "ExternalAuthorization",
                            "parameters": parameters,
                        }
                    ]
                },
            }
            for path, parameters in services.items()
        ],
    }
    answer = platform.deploy(json.dumps(conf), DEFINITION)
    assert answer.status == 200, answer.body
    return f"/{name}/1.0.0"


def call(platform: Platform, path: str, *more: str) -> Answer:
    return platform.request(HOST, path, "-X", "POST", *more)


@pytest.fixture(scope="module")
def service() -> Iterator[tuple[int, list[dict[str, Any]]]]:
    with over_http() as found:
        yield found


@pytest.fixture(scope="module")
def decided(platform: Platform, echo: int, service: tuple[int, list[Any]]) -> str:
    url = f"http://127.0.0.1:{service[0]}"
    closed = f"http://127.0.0.1:{free_port()}"
    some = {
        "url": f"{url}/check",
        "requestHeaders": ["x-decide", "x-tenant"],
        "backendHeaders": ["x-user"],
        "removedHeaders": ["x-tenant"],
        "responseHeaders": ["x-decision"],
        "bodyBytes": 64,
    }
    services = {
        "/items": some,
        "/secured": {"url": url},
        "/closed": {"url": closed},
        "/open": {"url": closed, "failOpen": True},
    }
    return deployed(platform, "decided", echo, services)


def test_the_service_gets_what_the_conf_names_and_changes_no_more(
    platform: Platform, decided: str, service: tuple[int, list[dict[str, Any]]]
) -> None:
    sent = (
        "X-Tenant: t",
        "X-User: forged",
        "Authorization: Bearer secret",
        "X-Own: mine",
    )
    headers = [part for item in sent for part in ("-H", item)]
    answer = call(platform, f"{decided}/items?q=1", *headers, "-d", "hello")
    asked = service[1][-1]
    assert (asked["path"], asked["method"]) == (
        "/check/decided/1.0.0/items?q=1",
        "POST",
    )
    assert (asked["x-tenant"], asked["body"]) == ("t", "hello")
    assert not {"authorization", "x-user", "x-own", "cookie"} & set(asked)
    got = answer.json()["headers"]
    assert (got["x-user"], got["x-own"]) == ("of-the-service", "mine")
    assert not {"x-tenant", "x-other"} & set(got)
    assert (answer.headers["x-decision"], answer.headers.get("x-other")) == (
        "of-the-service",
        None,
    )


@pytest.mark.parametrize("status", [401, 403, 429])
def test_a_refusal_is_that_of_the_service(
    platform: Platform, decided: str, status: int
) -> None:
    answer = call(platform, f"{decided}/items", "-H", f"X-Decide: {status}")
    assert (answer.status, answer.body) == (status, b"not on Sundays")


@pytest.mark.parametrize(
    ("path", "decision"),
    [("/items", "500"), ("/items", "hang up"), ("/closed", "allow")],
)
def test_a_service_that_does_not_answer_refuses(
    platform: Platform, decided: str, path: str, decision: str
) -> None:
    answer = call(platform, f"{decided}{path}", "-H", f"X-Decide: {decision}")
    assert (answer.status, answer.json()["code"]) == (500, "102500")


def test_the_conf_may_let_calls_go_on_without_the_service(
    platform: Platform, decided: str
) -> None:
    assert call(platform, f"{decided}/open").status == 200


def test_a_larger_body_is_refused(platform: Platform, decided: str) -> None:
    assert call(platform, f"{decided}/items", "--http1.1", "-d", "x" * 65).status == 413


def test_it_is_asked_after_the_token(
    platform: Platform, decided: str, service: tuple[int, list[dict[str, Any]]]
) -> None:
    before = len(service[1])
    assert call(platform, f"{decided}/secured").status == 401
    assert len(service[1]) == before
    token = platform.token()
    assert (
        call(
            platform, f"{decided}/secured", "-H", f"Authorization: Bearer {token}"
        ).status
        == 200
    )
    assert service[1][-1]["authorization"] == f"Bearer {token}"


def test_why_names_the_service(platform: Platform, decided: str) -> None:
    number = call(platform, f"{decided}/items", "-H", "X-Decide: 403").headers[
        "x-request-id"
    ]
    until(lambda: platform.cli("why", number, check=False).returncode == 0)
    assert (
        "the authorization service of the API refused"
        in platform.cli("why", number).stdout
    )


def test_a_grpc_service_decides(platform: Platform, echo: int) -> None:
    with over_grpc() as (port, seen):
        parameters = {
            "url": f"http://127.0.0.1:{port}",
            "protocol": "GRPC",
            "requestHeaders": [],
            "backendHeaders": ["x-user"],
            "bodyBytes": 64,
        }
        base = deployed(platform, "decided-grpc", echo, {"/items": parameters})
        forged = ("-H", "X-User: forged", "-H", "Authorization: Basic eDp5")
        answer = call(platform, f"{base}/items", *forged, "-d", "yes")
        assert answer.status == 200
        got = answer.json()["headers"]
        assert (got["x-user"], got.get("x-other")) == ("of-the-service", None)
        assert not {"authorization", "x-user"} & set(seen[-1])
        refused = call(platform, f"{base}/items", "-d", "no")
        assert (refused.status, refused.body) == (403, b"not on Sundays")
