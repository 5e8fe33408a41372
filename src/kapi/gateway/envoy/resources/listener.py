"""The one listener on the network: TLS, edge limits, and the filters in order. Pure."""

from __future__ import annotations

from typing import Any

from kapi.gateway.envoy.resources.backend_log import backend_log
from kapi.gateway.envoy.resources.context import RenderContext
from kapi.gateway.envoy.resources.edge_headers import early_mutation, front_ranges
from kapi.gateway.envoy.resources.http3 import http3_listener
from kapi.gateway.envoy.resources.logs.access_log import access_logs
from kapi.gateway.envoy.resources.names import (
    ADS,
    CERTIFICATE,
    COUNTERS,
    EDGE,
    LOOPBACK,
    ROUTER_FILTER,
    URL_HEADER,
    typed,
)
from kapi.gateway.envoy.resources.replies import local_reply_config
from kapi.gateway.envoy.resources.tokens.rejected_token_log import rejected_token_log
from kapi.gateway.envoy.resources.tracing import tracing
from kapi.policies import HttpFilter, http_filters
from kapi.policies.admission import part
from kapi.policies.contract import PLACEHOLDER

NO_CERTIFICATE = "00" * 32
"""A SHA-256 digest of no certificate."""
_HCM = (
    "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
)
IDLE = "300s"

LIMITS: dict[str, Any] = {
    "use_remote_address": True,
    "always_set_request_id_in_response": True,
    "normalize_path": True,
    "merge_slashes": True,
    "path_with_escaped_slashes_action": "KEEP_UNCHANGED",
    "strip_any_host_port": True,
    "max_request_headers_kb": 32,
    "request_headers_timeout": "10s",
    "request_timeout": IDLE,
    "stream_idle_timeout": IDLE,
    "common_http_protocol_options": {
        "idle_timeout": IDLE,
        "max_headers_count": 100,
        "headers_with_underscores_action": "ALLOW",
    },
    "http2_protocol_options": {
        "max_concurrent_streams": 100,
        "initial_stream_window_size": 64 * 1024,
        "initial_connection_window_size": 1024 * 1024,
    },
}
"""The limits of Envoy's guide for edge proxies. No upgrade_configs: WebSocket is refused."""


def listeners(context: RenderContext) -> list[dict[str, Any]]:
    """The LDS resources of the network."""
    made = [listener(context)]
    if context.gateway.http3:
        made.append(http3_listener(context, connection_manager(context)))
    if context.loopback_socket:
        made.append(_loopback_listener(context))
    return made


def listener(context: RenderContext) -> dict[str, Any]:
    """The LDS resource of TCP connections."""
    gateway = context.gateway
    chains = [_chain(context)]
    ranges = front_ranges(gateway)
    if ranges:
        chains.append(
            {
                "name": "fronts",
                "filter_chain_match": {"direct_source_prefix_ranges": ranges},
                **_chain(context, trusted=True),
            }
        )
    return {
        "name": EDGE,
        "address": {
            "socket_address": {"address": gateway.listen, "port_value": gateway.port}
        },
        # Two processes would share the port in silence otherwise.
        "enable_reuse_port": False,
        "per_connection_buffer_limit_bytes": 32 * 1024,
        "filter_chains": chains,
    }


def _chain(context: RenderContext, *, trusted: bool = False) -> dict[str, Any]:
    manager = connection_manager(context, trusted=trusted)
    return {
        "filters": [{"name": "http", "typed_config": manager}],
        "transport_socket": _tls(),
    }


def connection_manager(
    context: RenderContext, *, trusted: bool = False
) -> dict[str, Any]:
    """HTTP on the listener; `trusted` for connections from the fronts that the settings name."""
    manager: dict[str, Any] = {
        "stat_prefix": EDGE,
        **LIMITS,
        "server_header_transformation": "PASS_THROUGH",
        "early_header_mutation_extensions": [
            early_mutation(context.gateway, trusted=trusted)
        ],
        "scoped_routes": _scopes(),
        "http_filters": [*map(_filter, http_filters()), router()],
        "local_reply_config": local_reply_config(),
    }
    if trusted:
        # The caller is who the front names last; else it would be the front.
        manager["xff_num_trusted_hops"] = 1
    logs = []
    if context.backend_log:
        logs = [backend_log(context.backend_log)]
    if context.rejected_tokens_socket:
        logs.append(rejected_token_log())
    if context.access_log:
        logs += access_logs(context.access_log)
    if logs:
        manager["access_log"] = logs
    if context.traces.endpoint:
        manager["tracing"] = tracing(context)
    return typed(_HCM, **manager)


def counters_listener(context: RenderContext) -> dict[str, Any]:
    """Where the control process reads and restores counters and sends the consumer index."""
    routes = [{"match": {"prefix": "/"}, "direct_response": {"status": 404}}]
    manager = typed(
        _HCM,
        stat_prefix=COUNTERS,
        route_config={
            "name": COUNTERS,
            "virtual_hosts": [{"name": COUNTERS, "domains": ["*"], "routes": routes}],
        },
        http_filters=[
            {"name": "kapi.ledger", "typed_config": part("ledger")},
            router(),
        ],
    )
    return {
        "name": COUNTERS,
        "address": {"pipe": {"path": context.counters_socket, "mode": 0o600}},
        "ignore_global_conn_limit": True,
        "per_connection_buffer_limit_bytes": 16 * 1024 * 1024,
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    }


def _loopback_listener(context: RenderContext) -> dict[str, Any]:
    """Where the control process reaches backends by the routes of APIs.

    It has no filters: who calls was judged on the listener of the network.
    """
    manager = typed(
        _HCM,
        stat_prefix=LOOPBACK,
        scheme_header_transformation={"scheme_to_overwrite": "https"},
        stream_idle_timeout=IDLE,
        scoped_routes=_scopes(),
        http_filters=[router()],
    )
    return {
        "name": LOOPBACK,
        "address": {"pipe": {"path": context.loopback_socket, "mode": 0o600}},
        "ignore_global_conn_limit": True,
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    }


def router() -> dict[str, Any]:
    """The last filter of every chain."""
    return {
        "name": ROUTER_FILTER,
        "typed_config": typed(
            "envoy.extensions.filters.http.router.v3.Router",
            suppress_envoy_headers=True,
        ),
    }


def _filter(item: HttpFilter) -> dict[str, Any]:
    if item.on_demand:
        source = {
            "config_source": ADS,
            "type_urls": [item.config["@type"], PLACEHOLDER["@type"]],
        }
        return {
            "name": item.name,
            "config_discovery": source,
            "disabled": item.disabled,
        }
    if item.discovered:
        types = [f"type.googleapis.com/{item.discovered}"]
        if item.placeholder:
            types.append(PLACEHOLDER["@type"])
        source = {"config_source": ADS, "type_urls": types}
        made: dict[str, Any] = {"name": item.name, "config_discovery": source}
    else:
        made = {"name": item.name, "typed_config": dict(item.config)}
    if item.disabled:
        made["disabled"] = True
    return made


def _scopes() -> dict[str, Any]:
    extractor = {"name": URL_HEADER, "element_separator": "/", "index": 1}
    return {
        "name": EDGE,
        "scope_key_builder": {"fragments": [{"header_value_extractor": extractor}]},
        "rds_config_source": ADS,
        "scoped_rds": {"scoped_rds_config_source": ADS},
    }


def _tls() -> dict[str, Any]:
    """Clients may send any certificate, or none; the route decides on it (`certificates.py`).

    Envoy requests a certificate only if it has something to verify it with: a digest that no
    certificate has. With an authority instead, its name would be sent to clients, and a client that
    chooses a certificate by the names of authorities would send none (RFC 8446 §4.2.4).
    """
    common = {
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
        "alpn_protocols": ["h2", "http/1.1"],
        "tls_certificate_sds_secret_configs": [
            {"name": CERTIFICATE, "sds_config": ADS}
        ],
        "validation_context": {
            "verify_certificate_hash": [NO_CERTIFICATE],
            "trust_chain_verification": "ACCEPT_UNTRUSTED",
        },
    }
    tls_context = typed(
        "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        common_tls_context=common,
    )
    return {"name": "envoy.transport_sockets.tls", "typed_config": tls_context}
