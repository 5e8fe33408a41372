"""The built guardrails module: it takes every pattern that a deployment accepts, and no body stops
it.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
import wasmtime
from envoy_host import ENGINE, Reply, Shared, Thread
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from kapi.policies.guardrails import MODULE
from kapi.policies.guardrails.patterns import pattern_fault
from kapi.policies.guardrails.pii import KNOWN

COMPILED = wasmtime.Module.from_file(ENGINE, MODULE)


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
        self.store = wasmtime.Store(ENGINE)
        linker = wasmtime.Linker(ENGINE)
        linker.allow_shadowing = True
        for item in COMPILED.imports:
            linker.define_func("env", item.name, item.type, getattr(self, item.name))
        self.exports = linker.instantiate(self.store, COMPILED).exports(self.store)
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
    guard.guards(request=[{"kind": "REGEX_GUARDRAIL", "regex": pattern, "invert": True}])
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
@settings(max_examples=300, deadline=None)
def test_what_a_deployment_accepts_the_module_takes(guard: Guard, pattern: str) -> None:
    assume(pattern_fault(pattern) is None)
    assert takes(guard, pattern), pattern


@given(st.binary(max_size=60) | st.text(max_size=40).map(str.encode))
@settings(max_examples=150, deadline=None)
def test_no_body_stops_the_module(guard: Guard, body: bytes) -> None:
    guard.guards(
        request=[
            {"kind": "PII_MASKING_GUARDRAIL", "entities": [{"name": "D", "regex": "[0-9]"}]},
            {"kind": "WORD_COUNT_GUARDRAIL", "max": 3},
            {"kind": "JSON_SCHEMA_GUARDRAIL", "schema": {"type": "object"}},
        ]
    )
    reply = guard.asked(body)
    assert reply is None or reply.status == 422
