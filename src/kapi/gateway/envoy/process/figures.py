"""Envoy's own figures for operators, from its admin interface."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from kapi.figures import Family, counter, gauge
from kapi.gateway.envoy.process.process import admin

_ROWS: Final = (
    (
        "server.uptime",
        gauge,
        "kapi_gateway_uptime_seconds",
        "Seconds since Envoy started.",
    ),
    (
        "server.memory_allocated",
        gauge,
        "kapi_gateway_memory_bytes",
        "Bytes that Envoy uses.",
    ),
    (
        "server.concurrency",
        gauge,
        "kapi_gateway_threads",
        "Worker threads of Envoy.",
    ),
    (
        "http.edge.downstream_cx_active",
        gauge,
        "kapi_gateway_connections",
        "Open connections of callers.",
    ),
    (
        "http.edge.downstream_cx_total",
        counter,
        "kapi_gateway_connections_total",
        "Connections that callers opened.",
    ),
    (
        "http.edge.downstream_rq_active",
        gauge,
        "kapi_gateway_active_requests",
        "Calls in progress.",
    ),
    (
        "http.edge.downstream_cx_protocol_error",
        counter,
        "kapi_gateway_protocol_errors_total",
        "Connections that ended because of a mistake in HTTP.",
    ),
    (
        "listener_manager.listener_create_failure",
        counter,
        "kapi_gateway_listener_failures_total",
        "Listeners that could not be opened.",
    ),
    (
        "overload.envoy.overload_actions.stop_accepting_requests.active",
        gauge,
        "kapi_gateway_overloaded",
        "1 while Envoy refuses calls because its memory is used up.",
    ),
)
_FILTER: Final = "|".join(f"^{name.replace('.', '%5C.')}$" for name, *_ in _ROWS)


def envoy_figures(admin_socket: Path) -> Iterator[Family]:
    """The figures; `kapi_gateway_up` is 0 and the others are absent if Envoy does not answer."""
    try:
        _, body = admin(
            admin_socket, "GET", f"/stats?format=json&filter={_FILTER}", 2.0
        )
        stats = (item for item in json.loads(body)["stats"] if "name" in item)
        found = {item["name"]: item["value"] for item in stats}
    except (OSError, ValueError, KeyError):
        found = {}
    yield gauge("kapi_gateway_up", "1 if Envoy answers.", [({}, float(bool(found)))])
    for name, kind, shown, text in _ROWS:
        if name in found:
            yield kind(shown, text, [({}, float(found[name]))])
