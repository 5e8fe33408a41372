"""User names and passwords at the gateway."""

from __future__ import annotations

import base64
import json

import pytest

from harness import DEFINITION, Answer, Platform
from waiting import until

HOST = "default.gw.wso2.com"
PASSWORD = "W6ph5Mm5Pz8GgiULbPgzG37mj9g="
"""The SHA-1 digest of `password`."""
OTHER_PASSWORD = "0DPiKuNIrrVmD8IUCuw1hQxNqZc="
"""That of `admin`."""


def call(platform: Platform, credentials: str, *more: str) -> Answer:
    encoded = base64.b64encode(credentials.encode()).decode()
    authorization = ("-H", f"Authorization: Basic {encoded}")
    return platform.request(HOST, "/partners/1.0.0/items", *authorization, *more)


@pytest.fixture(scope="module")
def partners(platform: Platform, echo: int) -> None:
    parameters = {
        "secretName": "partners",
        "secretKey": "users",
        "userHeader": "X-User",
    }
    policies = {
        "request": [{"policyName": "BasicAuthentication", "parameters": parameters}]
    }
    conf = {
        "name": "partners",
        "basePath": "/partners",
        "version": "1.0.0",
        "type": "REST",
        "endpointConfigurations": {
            "production": {"endpoint": f"http://127.0.0.1:{echo}"}
        },
        "apiPolicies": policies,
        "operations": [{"target": "/items", "verb": "GET", "secured": False}],
    }
    platform.cli("secret", "set", "partners", "users", stdin="partner: plain\n")
    refused = platform.deploy(json.dumps(conf), DEFINITION)
    assert (refused.status, b"not a list of users" in refused.body) == (400, True)
    users = f"partner:{{SHA}}{PASSWORD}\nother:{{SHA}}{PASSWORD}\n"
    platform.cli("secret", "set", "partners", "users", stdin=users)
    answer = platform.deploy(json.dumps(conf), DEFINITION)
    assert answer.status == 200, answer.body


@pytest.mark.usefixtures("partners")
def test_a_user_may_call_and_the_backend_gets_the_name_alone(
    platform: Platform,
) -> None:
    answer = call(
        platform, "partner:password", "-H", "X-User: forged", "-H", "X_User: forged"
    )
    assert answer.status == 200
    headers = answer.json()["headers"]
    assert headers["x-user"] == "partner"
    assert not {"authorization", "x_user"} & set(headers)


@pytest.mark.usefixtures("partners")
@pytest.mark.parametrize(
    "credentials", ["partner:admin", "nobody:password", "nobody:", "partner"]
)
def test_wrong_credentials_are_refused_in_the_words_of_the_gateway(
    platform: Platform, credentials: str
) -> None:
    answer = call(platform, credentials)
    assert (answer.status, answer.json()["code"]) == (401, "900901")
    assert answer.headers["www-authenticate"] == 'Basic realm="kapi", charset="UTF-8"'


@pytest.mark.usefixtures("partners")
def test_credentials_are_asked_for(platform: Platform) -> None:
    answer = platform.request(HOST, "/partners/1.0.0/items")
    assert (answer.status, answer.json()["code"]) == (401, "900902")
    assert answer.headers["www-authenticate"] == 'Basic realm="kapi", charset="UTF-8"'


@pytest.mark.usefixtures("partners")
def test_a_new_value_takes_effect_by_itself(platform: Platform) -> None:
    users = f"partner:{{SHA}}{OTHER_PASSWORD}\n"
    platform.cli("secret", "set", "partners", "users", stdin=users)
    until(lambda: call(platform, "partner:admin").status == 200)
    assert call(platform, "partner:password").status == 401
    assert call(platform, "other:password").status == 401
