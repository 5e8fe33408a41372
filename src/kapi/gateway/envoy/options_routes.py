"""Plain OPTIONS requests: 204 with the methods that the target has (RFC 9110 §9.3.7), without a token, as APK answers them. Pure.

For targets whose conf has no OPTIONS operation. An API with cross-origin rules has such operations already (`policies/cors.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

from kapi.gateway.envoy.names import JWT_FILTER
from kapi.gateway.envoy.paths import is_literal, match_pattern
from kapi.policies import Place
from kapi.policies.authentication import PER_ROUTE
from kapi.policies.contract import literal_header

DEFINITION_METHODS = ("GET", "HEAD")
_TARGETS_OF_A_ROUTE = 32

_Found = tuple[tuple[str, ...], list[str]]
"""Methods, and the patterns of the targets that have these."""


def options_routes(placed: Sequence[Place], base_path: str) -> list[dict[str, Any]]:
    """Routes that belong behind the operations' own. Targets with the same methods share one, which spares Envoy memory."""
    methods: dict[str, set[str]] = {}
    literal: set[str] = set()
    for target, verbs in _targets(placed):
        pattern = match_pattern(base_path, target)
        methods.setdefault(pattern, set()).update(verbs)
        if is_literal(base_path + target):
            literal.add(pattern)
    unanswered = [(pattern, tuple(sorted({*verbs, "OPTIONS"}))) for pattern, verbs in methods.items() if "OPTIONS" not in verbs]
    # A literal target is none of the others, so these may stand in any order. Those with parameters keep theirs.
    first = sorted((item for item in unanswered if item[0] in literal), key=lambda item: item[1])
    then = [item for item in unanswered if item[0] not in literal]
    return [_route(patterns, allow) for allow, patterns in (*_runs(first), *_runs(then))]


def _targets(placed: Iterable[Place]) -> Iterator[tuple[str, tuple[str, ...]]]:
    for item in placed:
        if item.api.definition is not None:
            yield item.api.definition.path, DEFINITION_METHODS
        yield item.operation.target, (item.operation.verb.upper(),)


def _runs(items: Iterable[tuple[str, tuple[str, ...]]]) -> Iterator[_Found]:
    for allow, run in groupby(items, key=lambda item: item[1]):
        patterns = [pattern for pattern, _ in run]
        for start in range(0, len(patterns), _TARGETS_OF_A_ROUTE):
            yield allow, patterns[start : start + _TARGETS_OF_A_ROUTE]


def _route(patterns: Sequence[str], allow: Sequence[str]) -> dict[str, Any]:
    return {
        "match": {
            "safe_regex": {"regex": "|".join(patterns)},
            "headers": [{"name": ":method", "string_match": {"exact": "OPTIONS"}}],
        },
        "direct_response": {"status": 204},
        "response_headers_to_add": [literal_header("allow", ", ".join(allow))],
        "typed_per_filter_config": {JWT_FILTER: {"@type": PER_ROUTE, "disabled": True}},
    }
