"""Policies for everyday needs, through the real gateway."""

from __future__ import annotations

import json
from typing import Any

import pytest

from harness import DEFINITION, Answer, Platform

HOST = "default.gw.wso2.com"


def deployed(platform: Platform, name: str, port: int, **operations: list[dict[str, Any]]) -> None:
    """An API without tokens; each operation has these policies of requests and responses."""
    conf = {
        "name": name,
        "basePath": f"/{name}",
        "version": "1.0.0",
        "type": "REST",
        "endpointConfigurations": {"production": {"endpoint": f"http://127.0.0.1:{port}/backend"}},
        "operations": [
            {
                "target": f"/{path}",
                "verb": "GET",
                "secured": False,
                "operationPolicies": {"request": policies},
            }
            for path, policies in operations.items()
        ],
    }
    answer = platform.deploy(json.dumps(conf), DEFINITION)
    assert answer.status == 200, answer.body


def policy(policy_name: str, **parameters: Any) -> dict[str, Any]:
    return {"policyName": policy_name, "parameters": parameters}


def call(platform: Platform, path: str, *more: str) -> Answer:
    return platform.request(HOST, path, *more)


@pytest.fixture(scope="module")
def restricted(platform: Platform, echo: int) -> str:
    deployed(
        platform,
        "restricted",
        echo,
        mine=[policy("IPRestriction", allow=["10.0.0.0/8", "127.0.0.0/8"])],
        others=[policy("IPRestriction", allow=["10.0.0.0/8"])],
        denied=[policy("IPRestriction", allow=["127.0.0.0/8"], deny=["127.0.0.1"])],
    )
    return "/restricted/1.0.0"


def test_an_address_that_is_allowed_may_call(platform: Platform, restricted: str) -> None:
    assert call(platform, f"{restricted}/mine").status == 200


@pytest.mark.parametrize("path", ["others", "denied"])
def test_other_addresses_are_refused_whatever_they_say(
    platform: Platform, restricted: str, path: str
) -> None:
    answer = call(platform, f"{restricted}/{path}", "-H", "X-Forwarded-For: 10.1.2.3")
    assert answer.status == 403
    assert answer.json() == {
        "error_message": "Message blocked",
        "code": "900805",
        "error_description": "Calls from this address are not allowed",
    }
