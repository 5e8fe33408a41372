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


class Disguises:
    """The secured operations so far, by verb and by what they need.

    Most operations of an API need the same, so few pairs of them are compared.
    """

    def __init__(self) -> None:
        self._count = 0
        self._closed: dict[str, dict[tuple[Any, ...], dict[int, RestRequests]]] = {}
        """Those without a route of their own yet, with their position."""

    def add(self, item: RestRequests) -> None:
        """An operation that comes before those that are asked about later."""
        self._count += 1
        if _closed(item):
            of_verb = self._closed.setdefault(item.verb, {})
            of_verb.setdefault(_needs(item), {})[self._count] = item

    def routes(self, wider: RestRequests) -> list[dict[str, Any]]:
        """Routes for the operations so far that need something else than `wider`."""
        passing: dict[int, RestRequests] = {}
        needed = _needs(wider)
        for needs, items in self._closed.get(wider.verb, {}).items():
            if needs == needed:
                continue
            for position, item in items.items():
                if may_pass_for(wider.target, item.target):
                    passing[position] = item
        self._forget(wider.verb, passing)
        found = [_pattern(passing[position]) for position in sorted(passing)]
        groups = (
            found[start : start + _TARGETS_OF_A_ROUTE]
            for start in range(0, len(found), _TARGETS_OF_A_ROUTE)
        )
        return [
            error_route(wider.place, "|".join(group), 404, methods=wider.methods)
            for group in groups
        ]

    def _forget(self, verb: str, guarded: Iterable[int]) -> None:
        for items in self._closed.get(verb, {}).values():
            for position in guarded:
                items.pop(position, None)


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
        node.policy == "authentication" and node.required
        for node in item.place.operation.policies
    )
