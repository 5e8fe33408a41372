"""Filters that are only there once a route asks for them: until then a filter that does nothing stands in their place. Pure.

A WebAssembly machine takes Envoy 25 MB, which an installation without limits and subscriptions need not pay. The configuration travels by
itself (ECDS), so bringing it in closes no connection. Called by `render.py`, `check.py` and the deployer.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kapi.gateway.envoy.resources.context import RenderContext
from kapi.gateway.envoy.resources.listener import counters_listener
from kapi.gateway.envoy.resources.names import EXTENSION, LISTENER
from kapi.policies import http_filters
from kapi.policies.contract import STAND_IN


def asked_for(scopes: Iterable[bytes]) -> frozenset[str]:
    """The names of such filters that encoded scopes name."""
    names = [item.name for item in http_filters() if item.on_demand]
    return frozenset(name for body in scopes for name in names if name.encode() in body)


def on_demand(
    context: RenderContext, asked: frozenset[str]
) -> tuple[tuple[str, dict[str, Any]], ...]:
    """(type, resource) of all such filters, and the listener where they tell their counters if any of them is there."""
    filters = (
        (
            EXTENSION,
            {
                "name": item.name,
                "typed_config": dict(item.config) if item.name in asked else STAND_IN,
            },
        )
        for item in http_filters()
        if item.on_demand
    )
    return (
        *filters,
        *([(LISTENER, counters_listener(context))] if asked and context.counters_socket else ()),
    )
