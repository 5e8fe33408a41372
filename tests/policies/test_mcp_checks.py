"""The built module as the check of MCP messages, beside the official SDK: what a server reads is
what was checked.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from envoy_host import Reply, Shared, Thread
from hypothesis import given, settings
from hypothesis import strategies as st
from mcp.shared.inbound import InboundModernRoute, classify_inbound_request

START = 1_800_000_000
VERSION = "io.modelcontextprotocol/protocolVersion"
META = {VERSION: "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}
HEAD = {":method": "POST", ":path": "/api/1.0", "content-type": "application/json"}
NAMED = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
VERBS = {"tools/call": "tool", "prompts/get": "prompt", "resources/read": "resource"}
OPEN = "o\t\t"
THREAD = Thread(Shared(START))


def asks(
    body: Any,
    rules: dict[str, str],
    headers: dict[str, str] | None = None,
    options: str = "o",
) -> Reply | None:
    """The refusal of a message at a route that says this of its operations; None when it passes."""
    texts = {"kind": f"mcp\tt\t{options}", **rules}
    THREAD.properties = {name: text.encode() for name, text in texts.items()}
    THREAD.headers[0] = {**HEAD, **(headers or {})}
    answer = THREAD.request(
        body=body if isinstance(body, bytes) else json.dumps(body).encode()
    )
    return answer if isinstance(answer, Reply) else None


def code(reply: Reply | None) -> int:
    return 0 if reply is None else int(json.loads(reply.body)["error"]["code"])


def message(method: str, modern: bool = False, **params: Any) -> dict[str, Any]:
    meta = {"_meta": META} if modern else {}
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, **meta}}


def modern_headers(method: str, name: str = "") -> dict[str, str]:
    named = {"mcp-name": name} if name else {}
    return {"mcp-protocol-version": "2026-07-28", "mcp-method": method, **named}


NAMES = st.sampled_from(["a", "b", "c", "A", "a ", "weather://x", "ä"])
METHODS = st.sampled_from(
    [*NAMED, "tools/list", "ping", "server/discover", "tools/Call"]
)
MEMBERS = st.sampled_from(
    [
        "name",
        "uri",
        "Name",
        "NAME",
        "na\\u006de",
        "method",
        "params",
        "_meta",
        "arguments",
        "id",
    ]
)
EDITS = st.lists(
    st.tuples(
        st.integers(0, 400), st.sampled_from([*'{}[]",:\\ ', "name", "a", "\\u0061"])
    ),
    max_size=2,
)


def edited(text: str, edits: list[tuple[int, str]]) -> bytes:
    for place, what in edits:
        at = place % (len(text) + 1)
        text = text[:at] + what + text[at + place % 2 :]
    return text.encode()


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """Messages, some with a member twice or in other letters, some broken."""
    method, name = draw(METHODS), draw(NAMES)
    extra = "".join(
        f',"{draw(MEMBERS)}":{json.dumps(draw(NAMES))}'
        for _ in range(draw(st.integers(0, 2)))
    )
    meta = f',"_meta":{json.dumps(META)}' if draw(st.booleans()) else ""
    member = draw(st.sampled_from(["name", "uri"]))
    params = f'{{"{member}":{json.dumps(name)}{meta}{extra}}}'
    text = f'{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}'
    return edited(text, draw(st.just([]) | EDITS))


def first_wins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return dict(reversed(pairs))


def any_case(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """As readers do that ignore the case of names."""
    return {name.lower(): value for name, value in pairs}


@settings(max_examples=150, deadline=None)
@given(
    bodies(),
    st.sets(NAMES),
    st.none() | st.sampled_from(["2025-11-25", "2026-07-28", "2030-01-01"]),
    st.none() | METHODS,
    st.none() | NAMES,
)
def test_what_a_server_reads_was_declared_and_agrees_with_the_headers(
    body: bytes,
    declared: set[str],
    version: str | None,
    method: str | None,
    name: str | None,
) -> None:
    sent = {"mcp-protocol-version": version, "mcp-method": method, "mcp-name": name}
    headers = {key: value for key, value in sent.items() if value is not None}
    rules = {f"{verb} {item}": OPEN for verb in VERBS.values() for item in declared}
    if asks(body, rules, headers) is not None:
        return
    for hook in (None, first_wins, any_case):
        read = json.loads(body, object_pairs_hook=hook)
        if read["method"] in NAMED:
            assert read["params"][NAMED[read["method"]]] in declared
    read = json.loads(body)
    if (
        isinstance(read.get("params", {}).get("_meta"), dict)
        and VERSION in read["params"]["_meta"]
    ):
        assert isinstance(
            classify_inbound_request(read, headers=headers), InboundModernRoute
        )


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(list(NAMED)), NAMES, st.booleans())
def test_what_a_client_of_the_sdk_sends_passes(
    method: str, name: str, modern: bool
) -> None:
    from mcp.shared.inbound import encode_header_value

    sent = message(method, modern, **{NAMED[method]: name})
    headers = modern_headers(method, encode_header_value(name)) if modern else {}
    assert asks(sent, {f"{VERBS[method]} {name}": OPEN}, headers) is None
    assert code(asks(sent, {f"{VERBS[method]} other": OPEN}, headers)) == -32602


@pytest.mark.parametrize(
    ("target", "uri", "passes"),
    [
        ("file:///a/*", "file:///a/b/c", True),
        ("file:///a/*", "file:///a/../c", False),
        ("file:///a/*", "file:///a/%2e%2e/c", False),
        ("file:///a/{x}", "file:///a/b", True),
        ("file:///a/{x}", "file:///a/b/c", False),
        ("file:///a/{x}.txt", "file:///a/b.txt", True),
        ("file:///a/{x}.txt", "file:///a/.txt", False),
        ("db://{t}/{c}", "db://people/name", True),
        ("db://{t}/{c}", "db://people/", False),
    ],
)
def test_a_pattern_is_for_the_resources_that_it_says(
    target: str, uri: str, passes: bool
) -> None:
    rules = {f"resource {target}": OPEN}
    options = f"o\tresource\t{target}"
    refused = asks(message("resources/read", uri=uri), rules, options=options)
    assert (refused is None) == passes


def test_every_operation_of_a_message_is_checked() -> None:
    rules = {"resource a": OPEN, "prompt p": OPEN}
    wanted = {"notifications": {"resourceSubscriptions": ["a", "b"]}}
    listen = message("subscriptions/listen", modern=True, **wanted)
    headers = modern_headers("subscriptions/listen")
    assert code(asks(listen, rules, headers)) == -32602
    assert asks(listen, {**rules, "resource b": OPEN}, headers) is None
    reference = {"type": "ref/prompt", "name": "q"}
    assert code(asks(message("completion/complete", ref=reference), rules)) == -32602
    assert code(asks(message("resources/subscribe", uri="b"), rules)) == -32602


@pytest.mark.parametrize("size", [1, 9_000, 200_000])
def test_headers_of_any_size_agree_with_the_message(size: int) -> None:
    """Many are read again when the body has come; few are kept until then."""
    headers = {"a-padding": "x" * size, **modern_headers("tools/call", "a")}
    call = message("tools/call", modern=True, name="a", arguments={})
    assert asks(call, {"tool a": OPEN}, headers) is None
    assert code(asks(call, {"tool a": OPEN}, headers | {"mcp-name": "b"})) == -32020


def test_methods_belong_to_revisions() -> None:
    modern = modern_headers("initialize")
    assert code(asks(message("initialize", modern=True), {}, modern)) == -32601
    assert code(asks(message("server/discover"), {})) == -32601
    assert asks(message("initialize"), {}) is None
    assert code(asks(message("tasks/get", taskId="x"), {})) == -32601


def test_a_message_without_an_operation_needs_a_token_where_every_operation_does() -> (
    None
):
    rules = {"mcp handshake": "\t\t", "tool a": "\t\t"}
    assert code(asks(message("tools/list"), rules, options="")) == -32010
    assert asks(message("tools/list"), rules, options="o") is None


def test_deep_and_long_messages_are_refused_at_bounded_cost() -> None:
    deep = (
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":'
        + b'{"a":' * 5000
        + b"1"
    )
    assert code(asks(deep + b"}" * 5001, {})) == -32700
    many = ",".join(f'"{index}":1' for index in range(20_000)).encode()
    body = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{' + many + b"}}"
    assert code(asks(body, {})) == -32700


TOOL = {
    "kind": "mcp\tt\tor",
    "server": '{"name":"Pets","version":"1"}',
    "tools": "getPet\tfind\taddPet",
    "get /pets/{id}": OPEN,
    "get /pets": OPEN,
    "post /pets": OPEN,
    "operation getPet": "get /pets/{id}",
    "operation find": "get /pets",
    "operation addPet": "post /pets",
    "list getPet": '{"name":"getPet"}',
    "list find": '{"name":"find"}',
    "list addPet": '{"name":"addPet"}',
    "call getPet": "GET\t/pets/1.0/pets/{id}\t\tP\tid\tid\th\tx-trace\ttrace",
    "call find": "GET\t/pets/1.0/pets\t\tq\ttag\ttag\tc\tfields\tfields",
    "call addPet": "POST\t/pets/1.0/pets\tapplication/json\tB\t\tbody",
}


def call(
    tool: str, arguments: Any, answer: tuple[int, str, bytes], modern: bool = False
) -> tuple[dict[str, str], bytes, Any]:
    """Headers and body of the request to the API, and the result of the call."""
    context = THREAD.contexts = THREAD.contexts + 1
    THREAD.properties = {name: text.encode() for name, text in TOOL.items()}
    headers = modern_headers("tools/call", tool) if modern else {}
    THREAD.headers = {0: {**HEAD, **headers}, 2: {}}
    THREAD.reply = None
    body = json.dumps(
        message("tools/call", modern, name=tool, arguments=arguments)
    ).encode()
    THREAD.call("proxy_on_context_create", context, 1)
    THREAD.call("proxy_on_request_headers", context, 1, 0)
    THREAD.buffers[0] = body
    THREAD.call("proxy_on_request_body", context, len(body), 1)
    sent, sent_body = dict(THREAD.headers[0]), THREAD.buffers[0]
    if THREAD.reply is None:
        status, kind, text = answer
        THREAD.headers[2] = {":status": str(status), "content-type": kind}
        held = THREAD.call("proxy_on_response_headers", context, 2, 0 if text else 1)
        assert held == 1
        if text:
            THREAD.buffers[1] = text
            THREAD.call("proxy_on_response_body", context, len(text), 1)
            assert THREAD.headers[2]["content-length"] == str(len(THREAD.buffers[1]))
    THREAD.call("proxy_on_delete", context)
    result = THREAD.reply.body if THREAD.reply else THREAD.buffers[1]
    return sent, sent_body, json.loads(result)["result"]


OK = (200, "application/json", b'{"id":7}')


def test_a_call_becomes_a_request() -> None:
    sent, body, result = call("getPet", {"id": "a b?", "trace": "x"}, OK)
    assert (sent[":method"], sent[":path"], body) == (
        "GET",
        "/pets/1.0/pets/a%20b%3F",
        b"",
    )
    assert sent["x-trace"] == "x"
    assert not {name for name in sent if name.startswith("mcp-")}
    assert result == {
        "content": [{"type": "text", "text": '{"id":7}'}],
        "structuredContent": {"id": 7},
        "isError": False,
    }
    sent, _, _ = call("find", {"tag": ["a&b", "c"], "fields": [1, True]}, OK)
    assert sent[":path"] == "/pets/1.0/pets?tag=a%26b&tag=c&fields=1%2Ctrue"
    sent, body, _ = call("addPet", {"body": {"name": "x"}}, OK)
    assert (sent["content-type"], json.loads(body)) == (
        "application/json",
        {"name": "x"},
    )
    assert sent["content-length"] == str(len(body))


@pytest.mark.parametrize("value", ["", ".", "..", "a/b", "a\\b", ["x"], {}])
def test_an_argument_stays_in_its_segment(value: Any) -> None:
    _, _, result = call("getPet", {"id": value}, OK)
    assert result["isError"]
    assert "id" in result["content"][0]["text"]


def test_faults_of_the_api_are_errors_of_the_tool() -> None:
    _, _, result = call(
        "getPet", {"id": 1}, (404, "application/json", b'{"error":"no"}')
    )
    assert result["isError"]
    assert "404" in result["content"][0]["text"]
    assert '"no"' in result["content"][0]["text"]
    for arguments, part in (
        ({}, "id is missing"),
        ({"id": 1, "x": 2}, "no argument x"),
    ):
        _, _, result = call("getPet", arguments, OK)
        assert part in result["content"][0]["text"]
    _, _, result = call("getPet", {"id": 1}, (204, "", b""))
    assert result["isError"] is False


def test_other_values_than_objects_are_structured_too() -> None:
    _, _, result = call("find", {}, (200, "application/json", b"[1]"), modern=True)
    assert result["structuredContent"] == {"result": [1]}
    assert result["resultType"] == "complete"
