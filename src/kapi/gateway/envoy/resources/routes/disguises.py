"""404 for paths that a backend may take for an operation with stricter security. Pure.

These routes come right before the operation that such a path would match, and only for such pairs;
see `apis/disguises.py`. For `scopes.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from kapi.apis.disguises import disguised, may_pass_for
from kapi.gateway.envoy.resources.routes.options import error_route
from kapi.policies import Place

_NEEDS = ("authentication", "scopes")
_TARGETS_OF_A_ROUTE = 8


def disguise_routes(
    wider: Place, before: Iterable[Place], guarded: set[tuple[str, str]]
) -> list[dict[str, Any]]:
    """Routes for the operations in `before` that need something else than `wider`.

    `guarded` collects the operations that have such a route.
    """
    found: list[str] = []
    for item in before:
        key = (item.operation.verb, item.operation.target)
        if key in guarded or not _differs(item, wider):
            continue
        if may_pass_for(wider.operation.target, item.operation.target):
            guarded.add(key)
            found.append(_pattern(item))
    groups = (
        found[start : start + _TARGETS_OF_A_ROUTE]
        for start in range(0, len(found), _TARGETS_OF_A_ROUTE)
    )
    return [
        error_route(
            wider, "|".join(group), 404, methods=wider.methods or (wider.operation.verb.upper(),)
        )
        for group in groups
    ]


def _differs(item: Place, wider: Place) -> bool:
    """Whether a secured operation of the same verb needs something else than the wider one."""
    same_verb = item.operation.verb == wider.operation.verb
    return same_verb and _closed(item) and _needs(item) != _needs(wider)


def _pattern(item: Place) -> str:
    target = item.operation.target
    below = "(?:/.*)?" if target.endswith("/*") else "/?"
    return (
        re.escape(item.base_path.rstrip("/"))
        + disguised(target.removesuffix("/*").rstrip("/"))
        + below
    )


def _needs(item: Place) -> tuple[Any, ...]:
    return tuple(node for node in item.operation.policies if node.policy in _NEEDS)


def _closed(item: Place) -> bool:
    return any(
        node.policy == "authentication" and node.required for node in item.operation.policies
    )
