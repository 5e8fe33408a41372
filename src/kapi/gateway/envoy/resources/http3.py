"""HTTP/3 (RFC 9114): a UDP listener on the same port, and the header that tells clients of it.

Only where `gateway.http3` asks for it. It serves callers, not trusted fronts, and requests no
client certificates. Early data (RFC 9001 §4.6.1) is off, because it can be replayed. Pure.
"""

from __future__ import annotations

from typing import Any

from kapi.gateway.envoy.resources.context import RenderContext
from kapi.gateway.envoy.resources.names import ADS, CERTIFICATE, EDGE_HTTP3, typed
from kapi.policies.contract import literal_header
from kapi.settings import GatewaySettings

MAX_AGE_SECONDS = 86400
_WINDOW = 64 * 1024


def http3_listener(context: RenderContext, manager: dict[str, Any]) -> dict[str, Any]:
    """The LDS resource; `manager` is the connection manager of untrusted connections."""
    gateway = context.gateway
    protocol = {
        "quic_protocol_options": {
            "max_concurrent_streams": 100,
            "initial_stream_window_size": _WINDOW,
            "initial_connection_window_size": 16 * _WINDOW,
        }
    }
    over_quic = {**manager, "codec_type": "HTTP3", "http3_protocol_options": protocol}
    address = {
        "protocol": "UDP",
        "address": gateway.listen,
        "port_value": gateway.port,
    }
    return {
        "name": EDGE_HTTP3,
        "address": {"socket_address": address},
        # Each thread needs a socket of its own; the TCP listener keeps a second process away.
        "enable_reuse_port": True,
        "udp_listener_config": {"quic_options": {}},
        "filter_chains": [
            {
                "filters": [
                    _most(gateway),
                    {"name": "http", "typed_config": over_quic},
                ],
                "transport_socket": _quic(),
            }
        ],
    }


def _most(gateway: GatewaySettings) -> dict[str, Any]:
    """At most as many connections as over TCP: Envoy's count of all does not see those of QUIC."""
    config = typed(
        "envoy.extensions.filters.network.connection_limit.v3.ConnectionLimit",
        stat_prefix="http3",
        max_connections=gateway.max_connections,
    )
    return {"name": "limit", "typed_config": config}


def _quic() -> dict[str, Any]:
    certificate = {"name": CERTIFICATE, "sds_config": ADS}
    tls = {"common_tls_context": {"tls_certificate_sds_secret_configs": [certificate]}}
    config = typed(
        "envoy.extensions.transport_sockets.quic.v3.QuicDownstreamTransport",
        downstream_tls_context=tls,
        enable_early_data=False,
    )
    return {"name": "envoy.transport_sockets.quic", "typed_config": config}


def alternative_service(gateway: GatewaySettings) -> list[dict[str, Any]]:
    """The header `Alt-Svc` (RFC 7838) of every response, if there is such a listener."""
    if not gateway.http3:
        return []
    port = gateway.public_port or gateway.port
    return [literal_header("alt-svc", f'h3=":{port}"; ma={MAX_AGE_SECONDS}')]
