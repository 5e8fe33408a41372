"""Headers of requests to MCP servers: `Origin`, and those that repeat arguments, beside the check
of the official SDK.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mcp.shared.inbound import (
    mcp_param_headers,
    validate_mcp_param_headers,
    x_mcp_header_map,
)
from test_mcp_checks import HEAD, OPEN, THREAD, asks, code, message, modern_headers

from kapi.apis.ir import Api
from kapi.apis.mcp.headers import headers_of
from kapi.policies.kinds.mcp import header_texts

RULES = {"tool find": OPEN}
SCHEMA = {
    "type": "object",
    "properties": {
        "region": {"type": "string", "x-mcp-header": "Region"},
        "size": {"type": "integer", "x-mcp-header": "Size"},
        "deep": {
            "type": "object",
            "properties": {"a/b": {"type": "boolean", "x-mcp-header": "Deep"}},
        },
    },
}


def texts(schema: Any) -> dict[str, str]:
    found = headers_of({"tools": [{"name": "find", "inputSchema": schema}]})
    api = Api("", "", "", "", "", "", None, (), mcp_headers=found)
    return header_texts(api)


TEXTS = st.sampled_from(["eu", " eu", "ä", "", "=?base64?eA==?=", "42", "a\tb", "true"])
VALUES = TEXTS | st.sampled_from([42, 42.0, True, None, ["x"], {}])
SENT = st.none() | st.sampled_from(
    ["eu", "42", "42.0", "=?base64?w6Q=?=", "=?base64?*?=", "true"]
)


@settings(max_examples=80, deadline=None)
@given(VALUES, VALUES, VALUES, SENT, SENT, st.booleans())
def test_headers_agree_with_arguments_where_the_sdk_says_so(
    region: Any, size: Any, deep: Any, header: str | None, other: str | None, own: bool
) -> None:
    arguments = {"region": region, "size": size, "deep": {"a/b": deep}}
    sent = {}
    if own:
        sent = mcp_param_headers(x_mcp_header_map(SCHEMA), arguments)
    else:
        given_headers = {"Mcp-Param-Region": header, "Mcp-Param-Size": other}
        sent = {
            name: value for name, value in given_headers.items() if value is not None
        }
    body = message("tools/call", modern=True, name="find", arguments=arguments)
    lowered = {name.lower(): value for name, value in sent.items()}
    headers = {**modern_headers("tools/call", "find"), **lowered}
    refused = asks(body, {**RULES, **texts(SCHEMA)}, headers, options="oh")
    expected = validate_mcp_param_headers(SCHEMA, arguments, sent)
    assert code(refused) == (expected.code if expected else 0), (refused, expected)


@pytest.mark.parametrize(
    "change",
    [
        {"a": {"type": "number", "x-mcp-header": "A"}},
        {"a": {"type": "string", "x-mcp-header": "region"}},
        {"a": {"type": "array", "items": {"type": "string", "x-mcp-header": "A"}}},
        {"a": {"type": "string", "x-mcp-header": "A b"}},
    ],
)
def test_a_schema_with_a_wrong_annotation_repeats_nothing(
    change: dict[str, Any],
) -> None:
    properties = {"region": {"type": "string", "x-mcp-header": "Region"}, **change}
    assert texts({"type": "object", "properties": properties}) == {}


def test_a_session_has_no_such_headers() -> None:
    body = message("tools/call", name="find", arguments={"region": "eu"})
    assert asks(body, {**RULES, **texts(SCHEMA)}) is None


ORIGINS = "o https://gw.example:9095 https://*.shop.example null"


@pytest.mark.parametrize(
    ("origin", "passes"),
    [
        ("https://gw.example:9095", True),
        ("https://a.shop.example", True),
        ("https://a.b.shop.example", True),
        ("https://evil.example/.shop.example", False),
        ("https://a.shop.example.evil.example", False),
        ("http://gw.example:9095", False),
        ("https://gw.example:9095,https://evil.example", False),
        ("", False),
    ],
)
@pytest.mark.parametrize("method", ["POST", "GET"])
def test_pages_of_other_origins_are_refused(
    origin: str, method: str, passes: bool
) -> None:
    THREAD.properties = {
        "kind": f"mcp\tt\t{ORIGINS}".encode(),
        "tool find": OPEN.encode(),
    }
    THREAD.headers[0] = {**HEAD, ":method": method, "origin": origin}
    body = json.dumps(message("tools/call", name="find")).encode()
    answer = THREAD.request(body=body if method == "POST" else b"")
    assert (getattr(answer, "status", 0) != 403) == passes


def test_a_call_without_an_origin_passes_and_a_star_is_for_any() -> None:
    body = message("tools/call", name="find")
    assert asks(body, RULES, options=ORIGINS) is None
    assert asks(body, RULES, {"origin": "https://x.example"}, options="o *") is None
    refused = asks(body, RULES, {"origin": "https://x.example"}, options="o")
    assert refused is not None
    assert (refused.status, code(refused)) == (403, -32600)
