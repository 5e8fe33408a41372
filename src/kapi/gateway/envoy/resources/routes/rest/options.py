"""Responses of the gateway itself below an API: OPTIONS, 405 and, with CORS rules, 404. Pure.

A plain OPTIONS request gets 204 with the methods of the target (RFC 9110 §9.3.7), without a token,
as in APK. A method that the target does not have gets 405 with the same list in `Allow` (§15.5.6),
or APK's 404 if the settings ask for it. Both share a route where they can. An API with CORS rules
has OPTIONS operations already (`policies/cors.py`); its 404 and 405 have the headers of these
rules, so that a page can read them. For `rest/__init__.py`.
"""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from kapi.gateway.envoy.resources.names import CONTROL
from kapi.gateway.envoy.resources.replies import STATUSES
from kapi.gateway.envoy.resources.routes.paths import is_literal, match_pattern
from kapi.gateway.envoy.resources.routes.rest.requests import RestRequests
from kapi.policies import EnvoyRoute, Place
from kapi.policies.authentication.unchecked import answered_here
from kapi.policies.contract import literal_header
from kapi.policies.cors import answer

DEFINITION_METHODS = ("GET", "HEAD")
_TARGETS_OF_A_ROUTE = 32

_Found = tuple[tuple[str, ...], list[str]]
"""Methods, and the patterns of the targets that have these."""


def options_routes(
    placed: Sequence[RestRequests], base_path: str
) -> list[dict[str, Any]]:
    """Routes that belong behind the operations' own.

    Targets with the same methods share one, which saves Envoy memory.
    """
    place = placed[0].place
    methods, literal = _methods_by_pattern(placed, base_path)
    routes: list[dict[str, Any]] = []
    for allow, patterns in _runs(_in_order(methods, literal)):
        unanswered = []
        for pattern in patterns:
            if "OPTIONS" not in methods[pattern]:
                unanswered.append(pattern)
        routes += _of_targets(place, patterns, unanswered, allow)
    return [*routes, *_nothing_else(place, base_path)]


def _of_targets(
    place: Place,
    patterns: Sequence[str],
    unanswered: Sequence[str],
    allow: Sequence[str],
) -> Iterator[dict[str, Any]]:
    """One route, which `replies.py` makes 204 for OPTIONS, or one for each."""
    refused = error_route(place, "|".join(patterns), 405, ", ".join(allow))
    apart = (place.gateway.apk_methods, "route" in refused, unanswered != patterns)
    if unanswered and any(apart):
        yield _options(unanswered, allow)
    if not place.gateway.apk_methods:
        yield refused


def _in_order(
    methods: Mapping[str, set[str]], literal: Container[str]
) -> list[tuple[str, tuple[str, ...]]]:
    """Patterns and their methods, so that those with the same methods follow each other.

    A literal target matches no other path, so these may be in any order. Those with parameters
    keep theirs.
    """
    known = [
        (pattern, tuple(sorted({*verbs, "OPTIONS"})))
        for pattern, verbs in methods.items()
    ]
    first = [item for item in known if item[0] in literal]
    then = [item for item in known if item[0] not in literal]
    _, last = (*then, ("", ()))[0]
    first.sort(key=lambda item: (item[1] == last, item[1]))
    return [*first, *then]


def _methods_by_pattern(
    placed: Sequence[RestRequests], base_path: str
) -> tuple[dict[str, set[str]], set[str]]:
    """Pattern → methods of its operations; and the patterns that match one path only."""
    methods: dict[str, set[str]] = {}
    literal: set[str] = set()
    for target, verbs in _targets(placed):
        pattern = match_pattern(base_path, target)
        methods.setdefault(pattern, set()).update(verbs)
        if is_literal(base_path + target):
            literal.add(pattern)
    return methods, literal


def _nothing_else(place: Place, base_path: str) -> Iterator[dict[str, Any]]:
    """Where pages of other origins may read answers, they may read that there is nothing."""
    if answer(place, 404, "") is not None:
        yield error_route(place, match_pattern(base_path, "/*"), 404)


def _targets(placed: Iterable[RestRequests]) -> Iterator[tuple[str, tuple[str, ...]]]:
    for item in placed:
        definition = item.place.api.definition
        if definition is not None:
            yield definition.path, DEFINITION_METHODS
        yield item.target, item.methods


def _runs(items: Iterable[tuple[str, tuple[str, ...]]]) -> Iterator[_Found]:
    for allow, run in groupby(items, key=lambda item: item[1]):
        patterns = [pattern for pattern, _ in run]
        for start in range(0, len(patterns), _TARGETS_OF_A_ROUTE):
            yield allow, patterns[start : start + _TARGETS_OF_A_ROUTE]


def _options(patterns: Sequence[str], allow: Sequence[str]) -> dict[str, Any]:
    return {
        "match": {
            "safe_regex": {"regex": "|".join(patterns)},
            "headers": [{"name": ":method", "string_match": {"exact": "OPTIONS"}}],
        },
        "direct_response": {"status": 204},
        "response_headers_to_add": [literal_header("allow", ", ".join(allow))],
        "typed_per_filter_config": answered_here(),
    }


def error_route(
    place: Place, regex: str, status: int, allow: str = "", methods: Sequence[str] = ()
) -> dict[str, Any]:
    """A route with a status of the table of `replies.py` and the CORS headers of the API."""
    message, description = STATUSES[status]
    body = json.dumps(
        {"code": str(status), "message": message, "description": description}
    )
    open_to_all = answered_here()
    route: dict[str, Any] = {
        "match": {"safe_regex": {"regex": regex}},
        "typed_per_filter_config": open_to_all,
    }
    if methods:
        route["match"]["headers"] = [
            {
                "name": ":method",
                "string_match": {"safe_regex": {"regex": "|".join(methods)}},
            }
        ]
    part = answer(place, status, body, allow)
    if part is None:
        route["direct_response"] = {"status": status}
        if allow:
            route["response_headers_to_add"] = [literal_header("allow", allow)]
        return route
    return route | _answered_by_script(part, open_to_all)


def _answered_by_script(part: EnvoyRoute, more: dict[str, Any]) -> dict[str, Any]:
    """Envoy's CORS filter ignores direct responses: the route has a cluster without requests."""
    return {
        "route": {"cluster": CONTROL},
        "typed_per_filter_config": {**more, **part.per_route},
    }
