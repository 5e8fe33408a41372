"""Schemas in which references are replaced by what they lead to are bounded."""

from __future__ import annotations

import json
from typing import Any

from kapi.apis.compile import compile_api
from kapi.apis.definitions.openapi_operations import OpenApiReader
from kapi.policies import POLICIES

ROOT = {"$ref": "#/components/schemas/S0"}


def document(levels: int, members: int) -> dict[str, Any]:
    """Each level refers to the next one by each of its members."""
    schemas: dict[str, Any] = {f"S{levels}": {"type": "string"}}
    for number in range(levels):
        following = {"$ref": f"#/components/schemas/S{number + 1}"}
        names = {f"p{member}": following for member in range(members)}
        schemas[f"S{number}"] = {"type": "object", "properties": names}
    body = {"content": {"application/json": {"schema": ROOT}}}
    operation = {"requestBody": body, "responses": {"200": {"description": "ok"}}}
    return {
        "openapi": "3.0.3",
        "info": {"title": "t", "version": "1"},
        "paths": {"/a": {"post": operation}},
        "components": {"schemas": schemas},
    }


def test_references_in_references_do_not_multiply_for_ever() -> None:
    """Ten levels of ten members would be ten thousand million schemas."""
    made = OpenApiReader(document(10, 10)).schema(ROOT)
    assert 10_000 < len(json.dumps(made)) < 2_000_000


def test_a_schema_of_ordinary_size_is_whole() -> None:
    made = OpenApiReader(document(3, 10)).schema(ROOT)
    last = made["properties"]["p9"]["properties"]["p9"]["properties"]["p9"]
    assert last == {"type": "string"}


def test_an_operation_with_such_a_schema_is_no_tool() -> None:
    conf = {
        "name": "T",
        "basePath": "/t",
        "version": "1",
        "type": "REST",
        "mcp": True,
        "endpointConfigurations": {"production": {"endpoint": "http://b:80"}},
        "operations": [{"target": "/a", "verb": "POST"}],
    }
    texts = json.dumps(conf).encode(), json.dumps(document(10, 10)).encode()
    warnings = compile_api(*texts, organization="default", policies=POLICIES).warnings
    assert any(
        "its schemas have more than 64000 characters" in str(item) for item in warnings
    )
