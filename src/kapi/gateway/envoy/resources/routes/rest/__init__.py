"""The routes of a REST API below one base path, in the order of their matches. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import takewhile
from typing import Any

from kapi.apis.ir import Api
from kapi.gateway.envoy.resources.context import RenderContext
from kapi.gateway.envoy.resources.routes.definitions import definition_routes
from kapi.gateway.envoy.resources.routes.operations import operation_routes
from kapi.gateway.envoy.resources.routes.rest.disguises import Disguises
from kapi.gateway.envoy.resources.routes.rest.options import options_routes
from kapi.gateway.envoy.resources.routes.rest.requests import (
    RestRequests,
    rest_requests,
)
from kapi.gateway.envoy.resources.routes.rest.tools import tool_routes
from kapi.policies import Place


def rest_routes(
    api: Api, base_path: str, placed: Sequence[Place], context: RenderContext
) -> Iterable[dict[str, Any]]:
    """Tools, then the operations in match order, then OPTIONS.

    The definition comes before the first operation with a parameter or wildcard.
    """
    operations = list(_operations(api, base_path, placed, context))
    yield from tool_routes(api, base_path, placed, operations, context)
    yield from operations


def _operations(
    api: Api, base_path: str, placed: Sequence[Place], context: RenderContext
) -> Iterable[dict[str, Any]]:
    requests = rest_requests(api, placed)
    fixed = list(takewhile(_is_fixed, requests))
    for item in fixed:
        yield from operation_routes(item.place, item.of_routes, context)
    yield from definition_routes(api, base_path)
    disguises = Disguises()
    for item in fixed:
        disguises.add(item)
    for item in requests[len(fixed) :]:
        if not _is_fixed(item):
            yield from disguises.routes(item)
        disguises.add(item)
        yield from operation_routes(item.place, item.of_routes, context)
    if requests:
        yield from options_routes(requests, base_path)


def _is_fixed(item: RestRequests) -> bool:
    """Whether the target has neither a parameter nor a wildcard."""
    return not {"{", "*"} & set(item.target)
