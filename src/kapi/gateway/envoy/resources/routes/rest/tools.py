"""The route on which a REST API answers as an MCP server. Pure. For `routes/rest`.

The admission filter makes another request from a call of a tool, and Envoy chooses the route of its
operation anew. The filters before have checked the caller by then. Those behind are switched on
here, because Envoy decides that once for each request, and are configured by the operation's route.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from kapi.apis.ir import Api, Operation
from kapi.apis.kinds.rest import RestOperation
from kapi.apis.mcp.tools import PATH
from kapi.gateway.envoy.resources.context import RenderContext
from kapi.gateway.envoy.resources.routes.merged import merged_nodes
from kapi.gateway.envoy.resources.routes.operations import Requests, operation_routes
from kapi.gateway.envoy.resources.routes.paths import Rewrite, match_pattern
from kapi.policies import POLICIES, Place, http_filters
from kapi.policies.admission import ON
from kapi.policies.authentication.node import Authentication
from kapi.policies.contract import Phase
from kapi.policies.kinds.body_operations import body_operation_of, credentials
from kapi.policies.kinds.mcp import Mcp
from kapi.policies.kinds.mcp_tools import McpTools
from kapi.typed import of_kind

_METHODS = "POST|GET|DELETE"


def tool_routes(
    api: Api,
    base_path: str,
    placed: Sequence[Place],
    routes: Iterable[Mapping[str, Any]],
    context: RenderContext,
) -> Iterator[dict[str, Any]]:
    """The route, if the API has tools on the host. `routes` are those of its operations."""
    by_name = {
        (place.operation.verb, place.operation.target): place for place in placed
    }
    tools = tuple(tool for tool in api.mcp_tools if (tool.verb, tool.target) in by_name)
    if tools:
        match = match_pattern(base_path, PATH)
        own = [by_name[tool.verb, tool.target] for tool in tools]
        yield server_route(own, McpTools(tools, ()), match, routes, context)


def server_route(
    places: Sequence[Place],
    shown: McpTools,
    pattern: str,
    routes: Iterable[Mapping[str, Any]],
    context: RenderContext,
) -> dict[str, Any]:
    """The route of the server that the gateway is, with the operations of these places.

    `shown` is what it lists. Its messages go on by `routes`.
    """
    nodes = tuple(_shared([place.operation for place in places]))
    authentication = next(of_kind(nodes, Authentication))
    operations = dict.fromkeys(body_operation_of(place.operation) for place in places)
    node = replace(
        shown, operations=tuple(operations), credentials=credentials(authentication)
    )
    first = places[0].operation
    server = RestOperation("MCP", PATH, first.production, first.sandbox, (*nodes, node))
    match = {"safe_regex": {"regex": pattern}}
    method = {"name": ":method", "string_match": {"safe_regex": {"regex": _METHODS}}}
    requests = Requests(match, (method,), lambda _: Rewrite("", "/", is_fixed=True))
    place = replace(places[0], operation=server)
    route = operation_routes(place, requests, context)[0]
    configs = {**_behind(routes), **route.get("typed_per_filter_config", {})}
    # No request stays on this route: what the filter does not answer becomes another one.
    route.pop("route", None)
    route["match"].pop("runtime_fraction", None)
    return {
        **route,
        "direct_response": {"status": 404},
        "typed_per_filter_config": configs,
    }


def _shared(operations: Sequence[Operation]) -> Iterator[Any]:
    """The nodes of policies that act before a call becomes another request."""
    early = set()
    for policy in POLICIES:
        if policy.phase <= Phase.LIMIT:
            early.add(policy.name)
    for nodes in merged_nodes(operations):
        for node in nodes[:1]:
            if isinstance(node, Authentication):
                yield replace(node, bound=True)
            elif node.policy in early and not isinstance(node, Mcp):
                yield node


def _behind(routes: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The filters behind the admission filter that a route of the API uses."""
    used = {
        name for route in routes for name in route.get("typed_per_filter_config", {})
    }
    found = {}
    for item in http_filters():
        is_switched = item.phase > Phase.LIMIT and item.disabled
        if is_switched and item.name in used:
            found[item.name] = ON
    return found
