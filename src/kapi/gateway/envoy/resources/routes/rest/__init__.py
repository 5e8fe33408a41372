"""The routes of a REST API below one base path, in the order of their matches. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from kapi.gateway.envoy.resources.context import RenderContext
from kapi.gateway.envoy.resources.routes.definitions import definition_routes
from kapi.gateway.envoy.resources.routes.operations import operation_routes
from kapi.gateway.envoy.resources.routes.rest.disguises import disguise_routes
from kapi.gateway.envoy.resources.routes.rest.options import options_routes
from kapi.gateway.envoy.resources.routes.rest.requests import RestRequests, rest_requests
from kapi.gateway.envoy.resources.routes.slashes import slash_routes
from kapi.policies import Place


def rest_routes(
    base_path: str, placed: Sequence[Place], context: RenderContext
) -> Iterable[dict[str, Any]]:
    """Paths with escaped slashes, then the operations in match order, then OPTIONS.

    The definition of an API comes before its first operation with a parameter or wildcard.
    """
    yield from slash_routes(placed[0].api, base_path, context.gateway)
    requests = rest_requests(placed)
    waiting = {item.api.id: item.api for item in placed}
    before: list[RestRequests] = []
    guarded: set[tuple[str, str]] = set()
    for item in requests:
        api_id = item.place.api.id
        if {"{", "*"} & set(item.target):
            if api_id in waiting:
                yield from definition_routes([waiting.pop(api_id)], base_path)
            yield from disguise_routes(item, before, guarded)
        before.append(item)
        yield from operation_routes(item.place, item.of_routes, context)
    yield from definition_routes(waiting.values(), base_path)
    yield from options_routes(requests, base_path)
