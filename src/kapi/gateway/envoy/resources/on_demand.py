"""Filters that are configured only when a route uses them; before, a filter that does nothing.

Pure. A WebAssembly machine takes 25 MB of Envoy's memory, which an installation without limits and
subscriptions does not need. The configuration travels by ECDS, so adding it closes no connection.
Called by `render.py` and the deployer.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kapi.gateway.envoy.resources.context import RenderContext
from kapi.gateway.envoy.resources.listener import counters_listener
from kapi.gateway.envoy.resources.names import EXTENSION, LISTENER
from kapi.policies import http_filters
from kapi.policies.admission import counted_by_all
from kapi.policies.contract import PLACEHOLDER, HttpFilter


def used_on_demand(scopes: Iterable[bytes]) -> frozenset[str]:
    """Names of the filters on demand that encoded scopes name."""
    names = []
    for item in http_filters():
        if item.on_demand:
            names.append(item.name)
    return frozenset(name for body in scopes for name in names if name.encode() in body)


def on_demand(
    context: RenderContext, used: frozenset[str]
) -> tuple[tuple[str, dict[str, Any]], ...]:
    """(type, resource) of all filters on demand, and of their listener if one is `used`."""
    resources: list[tuple[str, dict[str, Any]]] = []
    for item in http_filters():
        if item.on_demand:
            config = PLACEHOLDER
            if item.name in used:
                config = _configured(item, context)
            resources.append((EXTENSION, {"name": item.name, "typed_config": config}))
    if any_counts(used) and context.counters_socket:
        resources.append((LISTENER, counters_listener(context)))
    return tuple(resources)


def any_counts(used: frozenset[str]) -> bool:
    """Whether one of these filters counts requests."""
    return any(item.counts and item.name in used for item in http_filters())


def _configured(item: HttpFilter, context: RenderContext) -> dict[str, Any]:
    limits = context.shared_limits
    if limits is None or not item.counts:
        return dict(item.config)
    return counted_by_all(item.config, limits.away, limits.milliseconds)
