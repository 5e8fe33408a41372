"""Policies for everyday needs, through the real gateway."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from harness import DEFINITION, Answer, Platform, free_port
from waiting import until

HOST = "default.gw.wso2.com"


def deployed(
    platform: Platform,
    name: str,
    port: int,
    operations: dict[str, Any],
    definition: str = DEFINITION,
) -> str:
    """An API without tokens, each operation with these policies; its path."""
    conf = {
        "name": name,
        "basePath": f"/{name}",
        "version": "1.0.0",
        "type": "REST",
        "endpointConfigurations": {
            "production": {"endpoint": f"http://127.0.0.1:{port}/backend"}
        },
        "operations": [
            {
                "target": path,
                "verb": "POST" if path == "/orders" else "GET",
                "secured": False,
                "operationPolicies": policies,
            }
            for path, policies in operations.items()
        ],
    }
    answer = platform.deploy(json.dumps(conf), definition)
    assert answer.status == 200, answer.body
    return f"/{name}/1.0.0"


def request(policy_name: str, **parameters: Any) -> dict[str, Any]:
    return {"request": [{"policyName": policy_name, "parameters": parameters}]}


def response(policy_name: str, **parameters: Any) -> dict[str, Any]:
    return {"response": [{"policyName": policy_name, "parameters": parameters}]}


def call(platform: Platform, path: str, *more: str) -> Answer:
    return platform.request(HOST, path, *more)


@pytest.fixture(scope="module")
def restricted(platform: Platform, echo: int) -> str:
    operations = {
        "/mine": request("IPRestriction", allow=["10.0.0.0/8", "127.0.0.0/8"]),
        "/others": request("IPRestriction", allow=["10.0.0.0/8"]),
        "/denied": request("IPRestriction", allow=["127.0.0.0/8"], deny=["127.0.0.1"]),
    }
    return deployed(platform, "restricted", echo, operations)


def test_an_address_that_is_allowed_may_call(
    platform: Platform, restricted: str
) -> None:
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


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/users/7/orders/9%20a?x=%2F", "/backend/v2/9%20a/of/7?x=%2F"),
        ("/files/a/b.txt", "/backend/static/a/b.txt"),
        ("/fixed/7/", "/backend/all/"),
        ("/plain", "/backend/plain"),
    ],
)
def test_the_backend_gets_the_path_of_the_policy(
    platform: Platform, rewritten: str, path: str, expected: str
) -> None:
    answer = call(platform, f"{rewritten}{path}")
    assert answer.status == 200
    assert answer.json()["path"] == expected


@pytest.fixture(scope="module")
def rewritten(platform: Platform, echo: int) -> str:
    operations = {
        "/users/{user}/orders/{order}": request(
            "URLRewrite", path="/v2/{order}/of/{user}"
        ),
        "/files/*": request("URLRewrite", path="/static/*"),
        "/fixed/{id}": request("URLRewrite", path="/all/"),
        "/plain": {},
    }
    return deployed(platform, "rewritten", echo, operations)


@pytest.fixture(scope="module")
def faulty(platform: Platform, echo: int) -> str:
    operations = {
        "/failing": request("FaultInjection", statusCode=503),
        "/slow": request("FaultInjection", delayMillis=300),
        "/plain": {},
    }
    return deployed(platform, "faulty", echo, operations)


def test_a_fault_answers_in_place_of_the_backend(
    platform: Platform, faulty: str
) -> None:
    answer = call(platform, f"{faulty}/failing")
    assert answer.status == 503
    assert answer.json()["code"] == "503"
    assert call(platform, f"{faulty}/plain").status == 200


def test_a_call_waits_and_then_goes_on(platform: Platform, faulty: str) -> None:
    answer = call(platform, f"{faulty}/slow")
    assert answer.status == 200
    number = answer.headers["x-request-id"]
    until(lambda: platform.cli("why", number, check=False).returncode == 0)
    seen = json.loads(platform.cli("why", number, "-o", "json").stdout)
    # The conf asks for 300,000. Envoy's timer may be some milliseconds early.
    assert seen["microseconds"] >= 200_000


def test_callers_cannot_ask_for_faults(platform: Platform, faulty: str) -> None:
    asked = (
        "-H",
        "x-envoy-fault-abort-request: 500",
        "-H",
        "x-envoy-fault-delay-request: 5000",
    )
    assert call(platform, f"{faulty}/slow", *asked).status == 200


@pytest.fixture(scope="module")
def compressed(platform: Platform, echo: int) -> str:
    operations = {
        "/both": response("Compression"),
        "/gzip": response("Compression", encodings=["gzip"]),
        "/plain": {},
    }
    return deployed(platform, "compressed", echo, operations)


@pytest.mark.parametrize(
    ("path", "accepted", "length", "encoding"),
    [
        ("/both", "gzip, br", 3000, "br"),
        ("/both", "gzip", 3000, "gzip"),
        ("/both", "gzip, br;q=0", 3000, "gzip"),
        ("/gzip", "gzip, br", 3000, "gzip"),
        ("/gzip", "br", 3000, None),
        ("/gzip", "gzip", 10, None),
        ("/both", "identity", 3000, None),
        ("/plain", "gzip, br", 3000, None),
    ],
)
def test_an_answer_has_an_encoding_that_the_caller_accepts(
    platform: Platform,
    compressed: str,
    path: str,
    accepted: str,
    length: int,
    encoding: str | None,
) -> None:
    answer = call(
        platform,
        f"{compressed}{path}?{'x' * length}",
        "-H",
        f"Accept-Encoding: {accepted}",
    )
    assert answer.status == 200
    assert answer.headers.get("content-encoding") == encoding
    body = gzip.decompress(answer.body) if encoding == "gzip" else answer.body
    if encoding == "br":
        assert len(body) < length
    else:
        assert json.loads(body)["path"].startswith("/backend/")
    if length > 1024 and path != "/plain":
        assert "accept-encoding" in answer.headers["vary"].lower()


@pytest.fixture(scope="module")
def validated(platform: Platform, echo: int) -> str:
    whole = {"type": "integer", "minimum": 1}
    body = {
        "type": "object",
        "required": ["item"],
        "properties": {"item": {"type": "string"}},
    }
    definition = {
        "openapi": "3.0.3",
        "info": {"title": "t", "version": "1"},
        "paths": {
            "/items/{id}": {
                "get": {
                    "parameters": [
                        {"in": "path", "name": "id", "required": True, "schema": whole},
                        {"in": "query", "name": "limit", "schema": whole},
                    ],
                    "responses": {"200": {"description": "ok"}},
                }
            },
            "/orders": {
                "post": {
                    "requestBody": {"content": {"application/json": {"schema": body}}},
                    "responses": {
                        "200": {
                            "description": "ok",
                            "content": {"application/json": {"schema": body}},
                        }
                    },
                }
            },
        },
    }
    operations = {
        "/items/{item}": request("RequestValidation", unknownQuery=False),
        "/orders": request("RequestValidation", responses=True),
    }
    return deployed(platform, "validated", echo, operations, json.dumps(definition))


def test_a_request_that_the_definition_describes_passes(
    platform: Platform, validated: str
) -> None:
    assert call(platform, f"{validated}/items/7?limit=3").status == 200
    sent = (
        "-H",
        "Content-Type: application/json",
        "-d",
        '{"item": "' + "x" * 20_000 + '"}',
    )
    answer = call(platform, f"{validated}/orders", *sent)
    assert answer.status == 200
    assert answer.json()["headers"]["content-length"] == "20012"
    assert call(platform, f"{validated}/orders", "-X", "POST").status == 200


@pytest.mark.parametrize(
    ("path", "more", "faults"),
    [
        ("/items/x?limit=0&lmit=1", (), ["path id", "query limit", "query lmit"]),
        ("/orders", ("-H", "Content-Type: application/json", "-d", "{}"), ["body "]),
    ],
)
def test_other_requests_are_refused_with_every_fault(
    platform: Platform,
    validated: str,
    path: str,
    more: tuple[str, ...],
    faults: list[str],
) -> None:
    answer = call(platform, f"{validated}{path}", "--http1.1", *more)
    assert answer.status == 400
    assert answer.json()["code"] == "400"
    assert [
        f"{item['in']} {item['name']}" for item in answer.json()["faults"]
    ] == faults


def test_a_media_type_that_the_definition_does_not_have_is_refused(
    platform: Platform, validated: str
) -> None:
    sent = ("--http1.1", "-H", "Content-Type: text/plain", "-d", "x")
    assert call(platform, f"{validated}/orders", *sent).status == 415


def test_an_answer_that_the_definition_does_not_describe_is_in_the_log(
    platform: Platform, validated: str
) -> None:
    answer = call(platform, f"{validated}/orders", "-X", "POST")
    assert answer.status == 200
    number = answer.headers["x-request-id"]
    until(lambda: platform.cli("why", number, check=False).returncode == 0)
    seen = json.loads(platform.cli("why", number, "-o", "json").stdout)
    expected = "the answer does not match the definition: $ lacks the member item"
    assert (seen["decision"], seen["answer_fault"]) == ("allowed", expected)


def test_a_mock_answers_with_the_example_and_needs_no_backend(
    platform: Platform,
) -> None:
    example = {"id": 7, "name": "pen"}
    content = {"application/json": {"example": example}}
    answered = {"200": {"description": "ok", "content": content}}
    definition = {
        "openapi": "3.0.3",
        "info": {"title": "t", "version": "1"},
        "paths": {"/items": {"get": {"responses": answered}}},
    }
    operations = {
        "/items": request("MockResponse"),
        "/gone": request(
            "MockResponse", statusCode=410, contentType="text/plain", body="gone"
        ),
        "/empty": request("MockResponse", statusCode=204),
    }
    base = deployed(platform, "mocked", free_port(), operations, json.dumps(definition))
    answer = call(platform, f"{base}/items")
    assert (answer.status, answer.json()) == (200, example)
    assert answer.headers["content-type"] == "application/json"
    gone = call(platform, f"{base}/gone")
    assert (gone.status, gone.body, gone.headers["content-type"]) == (
        410,
        b"gone",
        "text/plain",
    )
    assert call(platform, f"{base}/empty").status == 204
