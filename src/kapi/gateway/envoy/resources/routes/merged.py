"""One route that takes the requests of many operations, and its nodes. Pure.

For kinds of APIs whose operations are named in the body. What differs between the operations is
checked with the body; if some of them need no credentials, the route takes callers without any.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from kapi.apis.ir import Operation
from kapi.gateway.envoy.resources.routes.operations import Requests
from kapi.gateway.envoy.resources.routes.paths import Rewrite, match_pattern
from kapi.policies import Place
from kapi.policies.authentication.node import Authentication
from kapi.policies.kinds.body_operations import IN_BODY
from kapi.typed import of_kind

_Node = TypeVar("_Node")


def requests_at_base(place: Place, methods: Sequence[str]) -> Requests:
    """Requests at the base path; the backend gets them at the path of its endpoint."""
    method = {
        "name": ":method",
        "string_match": {"safe_regex": {"regex": "|".join(methods)}},
    }
    match = {"safe_regex": {"regex": match_pattern(place.base_path, "/")}}

    def rewrite(backend_base: str) -> Rewrite:
        return Rewrite("", backend_base or "/", is_fixed=True)

    return Requests(match, (method,), rewrite)


def merged_policies(
    places: Iterable[Place],
    checked: type[_Node],
    together: Callable[[Sequence[_Node]], _Node],
) -> Iterator[Any]:
    """The nodes of the route. `together` joins those of the policy that reads the body."""
    for nodes in merged_nodes(place.operation for place in places):
        own = list(of_kind(nodes, checked))
        if own:
            yield together(own)
        else:
            yield from nodes[:1]


def merged_nodes(operations: Iterable[Operation]) -> Iterator[list[Any]]:
    """For each policy the nodes that the route gets: one of the API, or all if they differ.

    Nodes of the whole API are the same in all operations.
    """
    by_policy: dict[str, list[Any]] = {}
    for operation in operations:
        for node in operation.policies:
            by_policy.setdefault(node.policy, []).append(node)
    for nodes in by_policy.values():
        yield _merged(nodes)


def _merged(nodes: list[Any]) -> list[Any]:
    first = nodes[0]
    if isinstance(first, Authentication):
        return [_authentication(nodes)]
    if first.policy in IN_BODY:
        return [node for node in nodes if getattr(node, "counted", "") == "api"][:1]
    return nodes


def _authentication(nodes: Sequence[Authentication]) -> Authentication:
    needed = []
    for node in nodes:
        if node.required:
            needed.append(node)
    if not needed:
        return nodes[0]
    return replace(needed[0], optional=len(needed) < len(nodes))
