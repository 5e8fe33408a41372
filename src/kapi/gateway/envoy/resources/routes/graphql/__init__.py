"""The routes of a GraphQL API below one base path: one for the requests of all operations. Pure.

The nodes of the operations are merged. What differs between operations is checked with the body
(`policies/kinds/graphql.py`); if some of them need no credentials, the route takes callers without
any.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from kapi.apis.ir import Api
from kapi.apis.kinds.graphql import METHODS, GraphQlOperation
from kapi.gateway.envoy.resources.context import RenderContext
from kapi.gateway.envoy.resources.routes.definitions import definition_routes
from kapi.gateway.envoy.resources.routes.merged import (
    merged_policies,
    requests_at_base,
)
from kapi.gateway.envoy.resources.routes.operations import operation_routes
from kapi.gateway.envoy.resources.routes.rest.options import options_routes
from kapi.gateway.envoy.resources.routes.rest.requests import RestRequests
from kapi.policies import Place
from kapi.policies.kinds.graphql import GraphQl, stream_of, together
from kapi.policies.streams.conf import Kind
from kapi.typed import of_kind

_STREAMS: tuple[tuple[Kind, dict[str, Any]], ...] = (
    (
        "WebSocket",
        {
            "name": "upgrade",
            "string_match": {"exact": "websocket", "ignore_case": True},
        },
    ),
    (
        "ServerSentEvents",
        {
            "name": "accept",
            "string_match": {"contains": "text/event-stream", "ignore_case": True},
        },
    ),
)
"""The kinds of streams of a subscription, and the header of such a request."""


def graphql_routes(
    api: Api, base_path: str, placed: Sequence[Place], context: RenderContext
) -> Iterable[dict[str, Any]]:
    """The requests of all operations, the definition, then OPTIONS and other methods."""
    own = [place for place in placed if isinstance(place.operation, GraphQlOperation)]
    found = []
    if own:
        place = replace(own[0], operation=_merged(own))
        found.append(RestRequests(place, METHODS, exact=False))
        yield from _subscription_routes(place, context)
        yield from operation_routes(place, requests_at_base(place, METHODS), context)
    for other in placed:
        if other not in own:
            found.append(RestRequests(other, other.operation.methods, exact=False))
            yield from operation_routes(other, found[-1].of_routes, context)
    yield from definition_routes(api, base_path)
    if found:
        yield from options_routes(found, base_path)


def _subscription_routes(
    place: Place, context: RenderContext
) -> Iterator[dict[str, Any]]:
    """WebSockets (graphql-transport-ws), and answers that are event streams (graphql-sse)."""
    node = next(of_kind(place.operation.policies, GraphQl))
    if node.subscriptions is None:
        return
    for kind, header in _STREAMS:
        stream = stream_of(node.subscriptions, kind)
        operation = replace(
            place.operation, policies=(*place.operation.policies, stream)
        )
        requests = requests_at_base(place, METHODS)
        streamed = replace(requests, headers=(*requests.headers, header))
        yield from operation_routes(
            replace(place, operation=operation), streamed, context
        )


def _merged(places: Sequence[Place]) -> GraphQlOperation:
    first = places[0].operation
    nodes = tuple(merged_policies(places, GraphQl, together))
    return GraphQlOperation("POST", "/", first.production, first.sandbox, nodes)
