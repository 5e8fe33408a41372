"""The JSON Schema that `kapi schema` prints accepts and refuses what the reader does, and explains
every field.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kapi.apis.conf.json_schema import json_schema
from kapi.apis.conf.schema import conf_format
from kapi.apis.conf.shapes import Checker
from kapi.apis.emit import emit
from kapi.apis.report import Report
from kapi.apis.yaml_positions import read_yaml
from kapi.policies import POLICIES

SCHEMA = json_schema(POLICIES)
CONF = conf_format(POLICIES).root
VALIDATOR = jsonschema.Draft7Validator(SCHEMA)
ENDPOINT: dict[str, Any] = {
    "endpoint": "https://backend",
    "weight": 1,
    "endpointSecurity": {
        "enabled": True,
        "securityType": {"secretName": "s", "userNameKey": "u", "passwordKey": "p"},
    },
    "certificate": {"secretName": "c", "secretKey": "k"},
    "resiliency": {
        "timeout": {"upstreamResponseTimeout": 1},
        "retryPolicy": {"count": 1, "statusCodes": [503]},
        "circuitBreaker": {"maxRequests": 5},
    },
    "aiRatelimit": {
        "enabled": True,
        "token": {
            "promptLimit": 1,
            "completionLimit": 2,
            "totalLimit": 3,
            "unit": "Day",
        },
        "request": {"requestLimit": 4, "unit": "Minute"},
    },
}
FULL: dict[str, Any] = {
    "id": "a.b-c_1",
    "name": "Orders",
    "basePath": "/orders",
    "version": "1.0.0",
    "type": "REST",
    "definitionPath": "/docs",
    "defaultVersion": False,
    "subscriptionValidation": True,
    "environment": "dev",
    "endpointConfigurations": {
        "production": [
            ENDPOINT,
            {
                "endpoint": {
                    "name": "n",
                    "namespace": "ns",
                    "port": 80,
                    "protocol": "http",
                }
            },
        ],
        "sandbox": ENDPOINT
        | {
            "endpointSecurity": {
                "enabled": False,
                "securityType": {
                    "secretName": "s",
                    "in": "Query",
                    "apiKeyNameKey": "n",
                    "apiKeyValueKey": "v",
                },
            }
        },
    },
    "rateLimit": {"requestsPerUnit": 5, "unit": "Hour"},
    "authentication": [
        {
            "authType": "OAuth2",
            "required": "optional",
            "headerName": "X",
            "queryParamEnable": True,
        },
        {"authType": "JWT", "audience": ["a"]},
        {"authType": "APIKey", "enabled": False},
        {"authType": "mTLS", "certificates": [{"name": "n", "key": "k", "more": 1}]},
    ],
    "apiPolicies": {
        "request": [
            {
                "policyName": "AddHeader",
                "policyVersion": "v1",
                "policyId": "i",
                "parameters": {"headerName": "a", "headerValue": "b"},
            },
            {"policyName": "RequestMirror", "parameters": {"urls": ["http://m"]}},
            {
                "policyName": "RequestRedirect",
                "parameters": {"url": "http://m", "statusCode": 301},
            },
            {
                "policyName": "Interceptor",
                "parameters": {"backendUrl": "http://i", "bodyEnabled": True},
            },
            {
                "policyName": "BackendJwt",
                "parameters": {
                    "customClaims": [{"claim": "c", "value": "v", "type": "int"}]
                },
            },
            {
                "policyName": "LuaInterceptor",
                "parameters": {"name": "n", "sourceCodeRef": {"name": "n", "key": "k"}},
            },
            {
                "policyName": "RegexGuardrail",
                "parameters": {"regex": "a", "invert": True},
            },
        ],
        "response": [{"policyName": "RemoveHeader", "parameters": {"headerName": "a"}}],
    },
    "corsConfiguration": {
        "corsConfigurationEnabled": True,
        "accessControlAllowOrigins": ["*"],
        "accessControlAllowMaxAge": -1,
    },
    "additionalProperties": [{"name": "n", "value": "v", "more": [1]}],
    "keyManagers": [
        {
            "name": "n",
            "issuer": "i",
            "JWKSEndpoint": "j",
            "claimMappings": [{"localClaim": "l", "remoteClaim": "r"}],
        }
    ],
    "aiProvider": {"name": "n", "apiVersion": "v"},
    "operations": [
        {
            "target": "/a",
            "verb": "GET",
            "secured": False,
            "scopes": ["a"],
            "operationPolicies": {"request": []},
            "rateLimit": {"requestsPerUnit": 1, "unit": "Day"},
        }
    ],
}


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    return [
        path,
        *(place for key, item in inner for place in places(item, (*path, key))),
    ]


def changed(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = changed(copy[path[0]], path[1:], new)
    return copy


def without(value: Any, path: tuple[Any, ...]) -> Any:
    copy = dict(value) if isinstance(value, dict) else list(value)
    if len(path) == 1:
        del copy[path[0]]
    else:
        copy[path[0]] = without(copy[path[0]], path[1:])
    return copy


def reader_accepts(data: dict[str, Any]) -> bool:
    report = Report("test")
    root = read_yaml(emit(data).encode(), report)
    assert root is not None
    Checker(report).check(root, CONF, "#")
    return report.diagnostics == ()


def test_a_conf_with_everything_is_accepted_by_both() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    assert list(VALIDATOR.iter_errors(FULL)) == []
    assert reader_accepts(FULL)


@pytest.mark.parametrize(
    "place", places(FULL)[1:], ids=lambda place: ".".join(map(str, place))
)
def test_a_conf_without_one_thing_is_judged_alike(place: tuple[Any, ...]) -> None:
    data = without(FULL, place)
    assert VALIDATOR.is_valid(data) == reader_accepts(data)


anything = (
    st.none()
    | st.booleans()
    | st.integers(-5, 200_000)
    | st.floats(0.25, 0.75)
    | st.sampled_from(
        [
            "",
            "x",
            "GET",
            "Hour",
            "optional",
            "x" * 300,
            "a b",
            "a/b",
            "OAuth2",
            "BackendJwt",
            "Query",
            [],
            {},
            ["a"],
            {"a": 1},
            [[]],
            [None],
        ]
    )
)


@given(st.sampled_from(places(FULL)[1:]), anything)
@settings(max_examples=150, deadline=None)
def test_a_conf_with_anything_put_anywhere_is_judged_alike(
    place: tuple[Any, ...], new: Any
) -> None:
    data = changed(FULL, place, new)
    assert VALIDATOR.is_valid(data) == reader_accepts(data)


@given(
    st.sampled_from(
        [place for place in places(FULL) if isinstance(changed(FULL, (), FULL), dict)]
    ),
    st.sampled_from(["nmae", "port", "enabled", "id"]),
)
@settings(max_examples=100, deadline=None)
def test_a_conf_with_one_field_more_is_judged_alike(
    place: tuple[Any, ...], name: str
) -> None:
    value: Any = FULL
    for key in place:
        value = value[key]
    data = (
        changed(FULL, place, value | {name: "x"}) if isinstance(value, dict) else FULL
    )
    assert VALIDATOR.is_valid(data) == reader_accepts(data)


def fields(schema: Any, name: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(schema, dict):
        for key, value in (schema.get("properties") or {}).items():
            if "const" not in value:
                yield key, value
        for value in schema.values():
            yield from fields(value)
    elif isinstance(schema, list):
        yield from itertools.chain.from_iterable(fields(item) for item in schema)


def test_every_field_is_explained_in_a_sentence() -> None:
    found = list(fields(SCHEMA))
    assert len({name for name, _ in found}) > 100
    assert [
        name
        for name, schema in found
        if not schema.get("description", "").endswith((".", ")"))
    ] == []
    named = [
        schema["description"]
        for name, schema in found
        if name in {"name", "id", "type", "version"}
    ]
    assert named.count("Name of the API.") == 1


def test_editors_can_complete_the_names_of_policies() -> None:
    names = [
        schema["enum"]
        for name, schema in fields(SCHEMA)
        if name == "policyName" and "enum" in schema
    ]
    assert any(
        {"RequestRedirect", "AddHeader", "BackendJwt"} <= set(enum) for enum in names
    )
