"""404 for paths that a backend may take for an operation with stricter security. Pure.

These routes come right before the operation that such a path would match, and only for such pairs;
see `apis/disguises.py`. For `rest/__init__.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from kapi.apis.disguises import disguised, may_pass_for
from kapi.gateway.envoy.resources.routes.rest.options import error_route
from kapi.gateway.envoy.resources.routes.rest.requests import RestRequests

_NEEDS = ("authentication", "scopes")
_TARGETS_OF_A_ROUTE = 8


def disguise_routes(
    wider: RestRequests, before: Iterable[RestRequests], guarded: set[tuple[str, str]]
) -> list[dict[str, Any]]:
    """Routes for the operations in `before` that need something else than `wider`.

    `guarded` collects the operations that have such a route.
    """
    found: list[str] = []
    for item in before:
        key = (item.verb, item.target)
        if key in guarded or not _differs(item, wider):
            continue
        if may_pass_for(wider.target, item.target):
            guarded.add(key)
            found.append(_pattern(item))
    groups = (
        found[start : start + _TARGETS_OF_A_ROUTE]
        for start in range(0, len(found), _TARGETS_OF_A_ROUTE)
    )
    return [
        error_route(wider.place, "|".join(group), 404, methods=wider.methods) for group in groups
    ]


def _differs(item: RestRequests, wider: RestRequests) -> bool:
    """Whether a secured operation of the same verb needs something else than the wider one."""
    return item.verb == wider.verb and _closed(item) and _needs(item) != _needs(wider)


def _pattern(item: RestRequests) -> str:
    target = item.target
    below = "/?"
    if target.endswith("/*"):
        below = "(?:/.*)?"
    return (
        re.escape(item.place.base_path.rstrip("/"))
        + disguised(target.removesuffix("/*").rstrip("/"))
        + below
    )


def _needs(item: RestRequests) -> tuple[Any, ...]:
    found = []
    for node in item.place.operation.policies:
        if node.policy in _NEEDS:
            found.append(node)
    return tuple(found)


def _closed(item: RestRequests) -> bool:
    return any(
        node.policy == "authentication" and node.required for node in item.place.operation.policies
    )
