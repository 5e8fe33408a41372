"""The log of rejected tokens: a gRPC access log of 401 answers, without headers of requests. Pure.

Each issuer's provider leaves its fault in the metadata of the token filter;
`gateway/rejected_tokens.py` reads it there.
"""

from __future__ import annotations

from typing import Any

from kapi.gateway.envoy.resources.names import REJECTED_TOKENS, typed

_FLUSH = "0.05s"
"""A key that is not known yet should be looked for at once."""
_BUFFER_BYTES = 16 * 1024


def rejected_token_log() -> dict[str, Any]:
    """The access log of rejected tokens."""
    source = {
        "log_name": REJECTED_TOKENS,
        "grpc_service": {"envoy_grpc": {"cluster_name": REJECTED_TOKENS}},
        "transport_api_version": "V3",
        "buffer_flush_interval": _FLUSH,
        "buffer_size_bytes": _BUFFER_BYTES,
    }
    config = typed(
        "envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig",
        common_config=source,
    )
    denied = " || ".join(
        f"response.code_details.startsWith('{detail}')"
        for detail in ("jwt_authn_access_denied", "rbac_access_denied")
    )
    cel = typed(
        "envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter",
        expression=denied,
    )
    # The status first: it costs nothing, and this runs for every request.
    status = {
        "comparison": {
            "op": "EQ",
            "value": {"default_value": 401, "runtime_key": "kapi.refusals.status"},
        }
    }
    filters = [
        {"status_code_filter": status},
        {"extension_filter": {"name": "cel", "typed_config": cel}},
    ]
    return {
        "name": REJECTED_TOKENS,
        "filter": {"and_filter": {"filters": filters}},
        "typed_config": config,
    }
