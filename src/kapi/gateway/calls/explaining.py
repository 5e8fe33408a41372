"""Plain words for a line of the access log: what happened to the call, and why. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kapi import error_codes
from kapi.gateway.calls.lines import Call


def with_exact_reason(call: Call) -> Call:
    """The call, with the very scopes that are missing in its reason."""
    if call.get("code") != error_codes.SCOPE_MISSING.number or not call.get(
        "needed_scopes"
    ):
        return call
    has = _words(call.get("scopes"))
    missing = []
    for scope in call["needed_scopes"].split():
        if scope not in has:
            missing.append(scope)
    if not missing:
        return call
    if len(missing) == 1:
        return {**call, "reason": f"scope {missing[0]} is missing"}
    return {**call, "reason": f"scopes {', '.join(missing)} are missing"}


def explanation(call: Call) -> list[str]:
    """Sentences about a call: the request, the caller, the decision, the backend."""
    return list(_sentences(with_exact_reason(call)))


def _sentences(call: Call) -> Iterator[str]:
    yield f"{call.get('time')} {call.get('method')} https://{call.get('url')}"
    if call.get("api"):
        yield f"API {call['api']} {call.get('version')}, operation {call.get('operation')}"
    yield _caller(call)
    decision = call.get("decision", "allowed")
    yield f"{decision}: HTTP {call.get('status')}, code {call.get('code') or 'none'}"
    if call.get("reason"):
        yield f"because {call['reason']}"
    elif decision == "allowed" and int(call.get("status") or 0) >= 400:
        yield "the backend gave this answer; the gateway let the call pass"
    if (
        call.get("needed_scopes")
        and call.get("code") == error_codes.SCOPE_MISSING.number
    ):
        has = " ".join(sorted(_words(call.get("scopes")))) or "none"
        yield f"needed scopes: {call['needed_scopes']}; the token has: {has}"
    if call.get("upstream"):
        yield _backend(call)
    if call.get("answer_fault"):
        yield f"warning: {call['answer_fault']}"


def _caller(call: Call) -> str:
    names = []
    for name in _CALLER:
        if call.get(name):
            names.append(f"{name} {call[name]}")
    return f"from {call.get('peer')}: {', '.join(names) or 'no verified credential'}"


_CALLER = ("consumer", "subject", "application", "issuer")


def _backend(call: Call) -> str:
    text = f"backend {call['upstream']}: {int(call.get('microseconds') or 0) / 1000:.1f} ms in all"
    waited = call.get("upstream_microseconds")
    if waited:
        text += f", of which the backend {int(waited) / 1000:.1f} ms"
    failure = call.get("upstream_failure")
    if failure:
        text += f"; {failure}"
    return text


def _words(value: Any) -> frozenset[str]:
    """Scopes of a token: a text with blanks, or a list."""
    if isinstance(value, list):
        return frozenset(map(str, value))
    return frozenset(str(value or "").split())
