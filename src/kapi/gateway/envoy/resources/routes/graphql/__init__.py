"""The routes of a GraphQL API below one base path: one for the requests of all operations. Pure.

The nodes of the operations are merged. What differs between operations is checked with the body
(`policies/graphql.py`); if some of them need no credentials, the route takes callers without any.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from kapi.apis.ir import Api
from kapi.apis.kinds.graphql import METHODS, GraphQlOperation
from kapi.gateway.envoy.resources.context import RenderContext
from kapi.gateway.envoy.resources.routes.definitions import definition_routes
from kapi.gateway.envoy.resources.routes.operations import Requests, operation_routes
from kapi.gateway.envoy.resources.routes.paths import Rewrite, match_pattern
from kapi.gateway.envoy.resources.routes.rest.options import options_routes
from kapi.gateway.envoy.resources.routes.rest.requests import RestRequests
from kapi.policies import Place
from kapi.policies.authentication import Authentication
from kapi.policies.body_operations import IN_BODY
from kapi.policies.graphql import GraphQl, together


def graphql_routes(
    api: Api, base_path: str, placed: Sequence[Place], context: RenderContext
) -> Iterable[dict[str, Any]]:
    """The requests of all operations, the definition, then OPTIONS and other methods."""
    own = [place for place in placed if isinstance(place.operation, GraphQlOperation)]
    found = []
    if own:
        place = replace(own[0], operation=_merged(own))
        found.append(RestRequests(place, METHODS, exact=False))
        yield from operation_routes(place, _requests(place), context)
    for other in placed:
        if other not in own:
            found.append(RestRequests(other, other.operation.methods, exact=False))
            yield from operation_routes(other, found[-1].of_routes, context)
    yield from definition_routes(api, base_path)
    if found:
        yield from options_routes(found, base_path)


def _requests(place: Place) -> Requests:
    """GET and POST at the base path; the backend gets them at the path of its endpoint."""
    method = {"name": ":method", "string_match": {"safe_regex": {"regex": "|".join(METHODS)}}}

    def rewrite(backend_base: str) -> Rewrite:
        return Rewrite("", backend_base or "/", is_fixed=True)

    match = {"safe_regex": {"regex": match_pattern(place.base_path, "/")}}
    return Requests(match, (method,), rewrite)


def _merged(places: Sequence[Place]) -> GraphQlOperation:
    first = places[0].operation
    return GraphQlOperation("POST", "/", first.production, first.sandbox, tuple(_nodes(places)))


def _nodes(places: Sequence[Place]) -> Iterator[Any]:
    """One node of each policy. Nodes of the whole API are the same in all operations."""
    by_policy: dict[str, list[Any]] = {}
    for place in places:
        for node in place.operation.policies:
            by_policy.setdefault(node.policy, []).append(node)
    for nodes in by_policy.values():
        node = _one(nodes)
        if node is not None:
            yield node


def _one(nodes: Sequence[Any]) -> Any | None:
    first = nodes[0]
    if isinstance(first, GraphQl):
        return together(nodes)
    if isinstance(first, Authentication):
        needed = next((node for node in nodes if node.required), None)
        mixed = any(not node.required for node in nodes)
        return replace(needed, optional=mixed) if needed else first
    if first.policy in IN_BODY:
        return next((node for node in nodes if getattr(node, "counted", "") == "api"), None)
    return first
