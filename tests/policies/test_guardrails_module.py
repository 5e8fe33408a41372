"""The built guardrails module: it takes every pattern that a deployment accepts, and no body stops
it.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from envoy_host import Reply, Shared, Thread, linked
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from aws_events import MEDIA_TYPE, message, read, wrapped
from kapi.policies.guardrails import MODULE
from kapi.policies.guardrails.patterns import pattern_fault
from kapi.policies.guardrails.pii import KNOWN


class Guard(Thread):
    """One thread of Envoy with the guardrails module."""

    def __init__(self) -> None:
        self.shared = Shared()
        self.properties: dict[str, bytes] = {}
        self.headers: dict[int, dict[str, str]] = {0: {}, 2: {}}
        self.buffers: dict[int, bytes] = {}
        self.reply: Reply | None = None
        self.contexts = 10
        self.configs = 0
        self.store, self.exports = linked(self, MODULE)
        self.memory: Any = self.exports["memory"]

    def guards(self, **flows: list[dict[str, Any]]) -> None:
        """The next calls go to a route with these guardrails."""
        self.configs += 1
        config = {"request": [], "response": [], **flows}
        config["request"] = [{"name": "g", **item} for item in config["request"]]
        self.properties = {
            "id": str(self.configs).encode(),
            "config": json.dumps(config).encode(),
        }

    def asked(self, body: bytes) -> Reply | None:
        """A refusal, or None after the body has passed."""
        self.reply, self.contexts = None, self.contexts + 1
        self.headers[0] = {"content-type": "application/json"}
        self.call("proxy_on_context_create", self.contexts, 1)
        self.call("proxy_on_request_headers", self.contexts, 1, 0)
        if self.reply is None:
            self.buffers[0] = body
            self.call("proxy_on_request_body", self.contexts, len(body), 1)
        self.call("proxy_on_delete", self.contexts)
        return self.reply


def takes(guard: Guard, pattern: str) -> bool:
    guard.guards(
        request=[{"kind": "REGEX_GUARDRAIL", "regex": pattern, "invert": True}]
    )
    reply = guard.asked(b'{"content": "\xc3\xa9"}')
    return reply is None or reply.status == 422


@pytest.fixture(scope="module")
def guard() -> Guard:
    return Guard()


@pytest.mark.parametrize(
    "pattern",
    [
        *KNOWN.values(),
        "(?i)ignore (all|any) .{0,40}instructions",
        r"\w+\d{1,30}[^\s\w]",
        r"(?<word>\w+)\z",
        r"\x{1F600}|\$\{[a-z]+\}",
        r"(?m)(?s:a.b)^x$",
        r"\w{150}",
    ],
)
def test_accepted_patterns_are_taken(guard: Guard, pattern: str) -> None:
    assert pattern_fault(pattern) is None
    assert takes(guard, pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        "(?=a)",
        "(?<!a)b",
        r"(a)\1",
        "(?>a)",
        "a++",
        "(?(1)a|b)",
        r"(\w{100}){100}",
        "[a",
        r"a\Z",
        r"\p{L}",
        "[\\b]",
        "{",
        "a{,3}",
    ],
)
def test_other_patterns_are_refused_when_the_api_is_deployed(pattern: str) -> None:
    assert pattern_fault(pattern) is not None


PARTS = st.sampled_from(
    [
        *"ab01 .|?*+()[]{}^$-,:<>!=&~#_/\"'é",
        r"\d",
        r"\w",
        r"\.",
        r"\b",
        "(?:",
        "(?i)",
        "{2}",
        "{1,3}",
        "[a-z]",
        "[^b]",
    ]
)


@given(st.lists(PARTS, min_size=1, max_size=10).map("".join))
@settings(max_examples=120, deadline=None)
def test_what_a_deployment_accepts_the_module_takes(guard: Guard, pattern: str) -> None:
    assume(pattern_fault(pattern) is None)
    assert takes(guard, pattern), pattern


@given(st.binary(max_size=60) | st.text(max_size=40).map(str.encode))
@settings(max_examples=80, deadline=None)
def test_no_body_stops_the_module(guard: Guard, body: bytes) -> None:
    guard.guards(
        request=[
            {
                "kind": "PII_MASKING_GUARDRAIL",
                "entities": [{"name": "D", "regex": "[0-9]"}],
            },
            {"kind": "WORD_COUNT_GUARDRAIL", "max": 3},
            {"kind": "JSON_SCHEMA_GUARDRAIL", "schema": {"type": "object"}},
        ]
    )
    reply = guard.asked(body)
    assert reply is None or reply.status == 422


def answered(guard: Guard, body: bytes) -> bytes | Reply:
    """What the caller gets of an answer of Bedrock's binary streams."""
    guard.reply, guard.contexts = None, guard.contexts + 1
    guard.headers[0] = {"content-type": "application/json"}
    guard.headers[2] = {"content-type": MEDIA_TYPE, ":status": "200"}
    guard.call("proxy_on_context_create", guard.contexts, 1)
    guard.call("proxy_on_request_headers", guard.contexts, 1, 1)
    guard.call("proxy_on_response_headers", guard.contexts, 1, 0)
    guard.buffers[1] = body
    guard.call("proxy_on_response_body", guard.contexts, len(body), 1)
    guard.call("proxy_on_delete", guard.contexts)
    return guard.reply or guard.buffers[1]


def piece(text: str) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": 0, "delta": {"text": text}}


def invoked(text: str) -> bytes:
    return message(wrapped(piece(text)))


def conversed(text: str) -> bytes:
    return message(json.dumps(piece(text), indent=1).encode())


@pytest.mark.parametrize("written", [invoked, conversed])
def test_binary_streams_are_read_across_messages(guard: Guard, written: Any) -> None:
    guard.guards(
        response=[{"name": "g", "kind": "REGEX_GUARDRAIL", "regex": "pass: [a-z]+"}]
    )
    good = written("pa") + message(b"{}") + written("ss: word")
    assert answered(guard, good) == good
    guard.guards(
        response=[
            {
                "name": "g",
                "kind": "REGEX_GUARDRAIL",
                "regex": "pass: [a-z]+",
                "invert": True,
            }
        ]
    )
    refused = answered(guard, good)
    assert isinstance(refused, Reply)
    assert refused.status == 422


@pytest.mark.parametrize("written", [invoked, conversed])
def test_changed_messages_have_new_lengths_and_checksums(
    guard: Guard, written: Any
) -> None:
    entities = [{"name": "EMAIL", "regex": "[a-z]+@[a-z.]+"}]
    masking = {
        "name": "g",
        "kind": "PII_MASKING_GUARDRAIL",
        "entities": entities,
        "redact": True,
    }
    guard.guards(response=[masking])
    made = answered(
        guard, written("to é ann@exa") + message(b"{}") + written("mple.org, bye")
    )
    assert isinstance(made, bytes)
    assert read(made) == [piece("to é *****, bye"), {}, piece("")]


@pytest.mark.parametrize(
    "body",
    [
        b"\0" * 16,
        b"\xff" * 40,
        invoked("x")[:-1],
        message(b"\xff"),
        message(b'{"bytes": "!"}'),
        message(b'{"bytes": "eyJhIjox"}'),
        message(b'{"bytes": "e30=", "bytes": "e30="}'),
    ],
)
def test_what_is_no_binary_stream_is_refused(guard: Guard, body: bytes) -> None:
    guard.guards(response=[{"name": "g", "kind": "WORD_COUNT_GUARDRAIL", "max": 5}])
    refused = answered(guard, body)
    assert isinstance(refused, Reply)
    assert refused.status == 422
