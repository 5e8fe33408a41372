"""The routes of an MCP server below one base path: one path for all its operations. Pure.

The body of a POST names the operation; the admission filter reads it (`wasm/admission/src/mcp.rs`).
GET and DELETE belong to sessions (revisions to 2025-11-25).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

from kapi.apis.ir import Api
from kapi.apis.ir_mcp import McpTool
from kapi.apis.kinds.mcp import METHODS, McpOperation
from kapi.gateway.envoy.resources.context import RenderContext
from kapi.gateway.envoy.resources.names import CONTROL
from kapi.gateway.envoy.resources.routes.definitions import definition_routes
from kapi.gateway.envoy.resources.routes.merged import (
    merged_policies,
    requests_at_base,
)
from kapi.gateway.envoy.resources.routes.operations import operation_routes
from kapi.gateway.envoy.resources.routes.paths import match_pattern
from kapi.gateway.envoy.resources.routes.rest.options import options_routes
from kapi.gateway.envoy.resources.routes.rest.requests import RestRequests
from kapi.gateway.envoy.resources.routes.rest.tools import server_route
from kapi.policies import Place
from kapi.policies.contract import literal_header
from kapi.policies.kinds.mcp import Mcp, together
from kapi.policies.kinds.mcp_tools import McpTools
from kapi.policies.streams import IDLE_SECONDS, Stream
from kapi.typed import of_kind

_STREAMS: Final = (
    (("GET",), ()),
    (
        ("POST",),
        ({"name": "mcp-method", "string_match": {"exact": "subscriptions/listen"}},),
    ),
)
"""Methods and headers of requests whose answers are streams without an end."""
SERVER_HEADER = "x-kapi-mcp-server"
"""Set by the admission filter; what callers send by this name is removed at the edge."""
ALL_SERVERS = "*"
"""Its value for messages about changes, which go to the control process."""
API_HEADER = "x-kapi-mcp-api"
"""Tells the control process the id of the API."""
CHANGES_PATH = "/enforcer/mcp"


def mcp_routes(
    api: Api, base_path: str, placed: Sequence[Place], context: RenderContext
) -> Iterable[dict[str, Any]]:
    """The path of the server, the definition, then OPTIONS and other methods."""
    own = [place for place in placed if isinstance(place.operation, McpOperation)]
    found = []
    if own:
        place = replace(own[0], operation=_server(own))
        found.append(RestRequests(place, METHODS, exact=False))
        if any(map(_prefix, own)):
            yield from _several(api, base_path, own, context)
        else:
            yield from _stream_routes(place, context)
            yield from operation_routes(
                place, requests_at_base(place, METHODS), context
            )
    for other in placed:
        if other not in own:
            found.append(RestRequests(other, other.operation.methods, exact=False))
            yield from operation_routes(other, found[-1].of_routes, context)
    yield from definition_routes(api, base_path)
    if found:
        yield from options_routes(found, base_path)


def _stream_routes(place: Place, context: RenderContext) -> Iterator[dict[str, Any]]:
    """The streams of sessions and subscriptions, which the token of their caller ends."""
    stream = Stream("ServerSentEvents", place.endpoint.idle_timeout or IDLE_SECONDS)
    operation = replace(place.operation, policies=(*place.operation.policies, stream))
    for methods, headers in _STREAMS:
        requests = requests_at_base(place, methods)
        of_kind = replace(requests, headers=(*requests.headers, *headers))
        yield from operation_routes(
            replace(place, operation=operation), of_kind, context
        )


def _several(
    api: Api, base_path: str, own: Sequence[Place], context: RenderContext
) -> Iterator[dict[str, Any]]:
    """A route for each server, which the filter chooses by a header, and the one before all."""
    by_prefix: dict[str, list[Place]] = {}
    for place in own:
        by_prefix.setdefault(_prefix(place), []).append(place)
    routes = []
    for prefix, places in by_prefix.items():
        place = replace(places[0], operation=_server(places))
        chosen = {"name": SERVER_HEADER, "string_match": {"exact": prefix}}
        requests = requests_at_base(place, METHODS)
        routes += operation_routes(
            place, replace(requests, headers=(*requests.headers, chosen)), context
        )
    routes += _changes(own, context)
    for route in routes:
        removed = [*route.get("request_headers_to_remove", ()), SERVER_HEADER]
        yield {**route, "request_headers_to_remove": removed}
    tools = []
    for tool in api.mcp_tools:
        if any(_is_of(tool, place) for place in own):
            tools.append(tool)
    shown = McpTools(tuple(tools), (), listed=api.mcp_listed, several=True)
    yield server_route(own, shown, match_pattern(base_path, "/"), routes, context)


def _changes(own: Sequence[Place], context: RenderContext) -> Iterator[dict[str, Any]]:
    """Subscriptions and sessions: to the control process, which listens to all servers."""
    place = replace(own[0], operation=_server(own))
    others = operation_routes(place, requests_at_base(place, METHODS), context)
    chosen = {"name": SERVER_HEADER, "string_match": {"exact": ALL_SERVERS}}
    action = {"cluster": CONTROL, "prefix_rewrite": CHANGES_PATH, "timeout": "0s"}
    action["idle_timeout"] = f"{IDLE_SECONDS}s"
    for route in (*_stream_routes(place, context), *others):
        match = {**route["match"], "headers": [*route["match"]["headers"], chosen]}
        match.pop("runtime_fraction", None)
        added = route.get("request_headers_to_add", [])
        named = literal_header(API_HEADER, place.api.id, "OVERWRITE_IF_EXISTS_OR_ADD")
        yield {
            **route,
            "match": match,
            "route": action,
            "request_headers_to_add": [*added, named],
        }


def _prefix(place: Place) -> str:
    """That of the server of an operation, if there are several."""
    return next(of_kind(place.operation.policies, Mcp)).prefix


def _is_of(tool: McpTool, place: Place) -> bool:
    return (tool.verb, tool.target) == (place.operation.verb, place.operation.target)


def _server(places: Sequence[Place]) -> McpOperation:
    """All operations as one."""
    first = places[0].operation
    nodes = tuple(merged_policies(places, Mcp, together))
    return McpOperation("POST", "/", first.production, first.sandbox, nodes)
