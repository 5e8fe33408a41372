"""The nodes of one route that takes the requests of many operations. Pure.

For kinds of APIs whose operations are named in the body. What differs between the operations is
checked with the body; if some of them need no credentials, the route takes callers without any.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from kapi.apis.ir import Operation
from kapi.policies.admission import FILTER
from kapi.policies.authentication import Authentication
from kapi.policies.body_operations import IN_BODY, METADATA, NOTHING_ELSE


def merged_nodes(operations: Iterable[Operation]) -> Iterator[list[Any]]:
    """For each policy the nodes that the route gets: one of the API, or all if they differ.

    Nodes of the whole API are the same in all operations. The caller joins the nodes of the policy
    that is checked with the body.
    """
    by_policy: dict[str, list[Any]] = {}
    for operation in operations:
        for node in operation.policies:
            by_policy.setdefault(node.policy, []).append(node)
    for nodes in by_policy.values():
        yield _merged(nodes)


def without_limits(route: dict[str, Any]) -> dict[str, Any]:
    """Tells the filter where a route has no limits of the whole API and no subscriptions to check.

    Reading that they are not there would take microseconds of each call.
    """
    metadata = route["metadata"]["filter_metadata"]
    if FILTER not in metadata:
        kind, letters, options = metadata[METADATA]["kind"].split("\t", 2)
        metadata[METADATA] |= {"kind": f"{kind}\t{letters}{NOTHING_ELSE}\t{options}"}
    return route


def _merged(nodes: list[Any]) -> list[Any]:
    first = nodes[0]
    if isinstance(first, Authentication):
        return [_authentication(nodes)]
    if first.policy in IN_BODY:
        return [node for node in nodes if getattr(node, "counted", "") == "api"][:1]
    return nodes


def _authentication(nodes: Sequence[Authentication]) -> Authentication:
    needed = [node for node in nodes if node.required]
    if not needed:
        return nodes[0]
    return replace(needed[0], optional=len(needed) < len(nodes))
