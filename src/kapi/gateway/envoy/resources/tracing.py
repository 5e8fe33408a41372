"""Spans of calls, sent by Envoy to a collector (OpenTelemetry, OTLP). Pure.

Envoy continues the trace of a caller and passes it to the backend: `traceparent` and `tracestate`
(W3C Trace Context). Its usual tag with the address would include the query, which may hold
credentials, so that tag has no path.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from kapi.apis.ir import Endpoint
from kapi.gateway.envoy.resources.clusters import (
    DEFAULT_PORTS,
    authority,
    own_cluster_name,
    own_clusters,
)
from kapi.gateway.envoy.resources.context import RenderContext
from kapi.gateway.envoy.resources.logs.access_log import METADATA
from kapi.gateway.envoy.resources.names import URL_HEADER, typed
from kapi.settings.operate.traces import GRPC

SERVICE = "kapi-gateway"
_TRACER = "envoy.config.trace.v3.OpenTelemetryConfig"
_SAMPLERS = "envoy.extensions.tracers.opentelemetry.samplers"
_PATH = "/v1/traces"
_TIMEOUT = "5s"
_TAGS = {
    "kapi.api": f"%METADATA(ROUTE:{METADATA}:api)%",
    "kapi.api.version": f"%METADATA(ROUTE:{METADATA}:version)%",
    "kapi.organization": f"%METADATA(ROUTE:{METADATA}:organization)%",
    "kapi.operation": f"%METADATA(ROUTE:{METADATA}:operation)%",
    "kapi.url": f"%REQ({URL_HEADER})%",
}
_OPERATION = (
    '%COALESCE({"operators":['
    f'{{"command":"METADATA","param":"ROUTE:{METADATA}:operation"}},'
    '{"command":"REQ","param":":METHOD"}]})%'
)


def trace_clusters(context: RenderContext) -> tuple[dict[str, Any], ...]:
    """The cluster of the collector, if there is one."""
    if not context.traces.endpoint:
        return ()
    return own_clusters((_collector(context),), context)


def tracing(context: RenderContext) -> dict[str, Any]:
    """The field `tracing` of a connection manager. Only if there is a collector."""
    return {
        # The sampler decides. Envoy's own decision would drop the trace of a caller.
        "random_sampling": {"value": 100},
        "max_path_tag_length": 0,
        "spawn_upstream_span": True,
        "operation": _OPERATION,
        "custom_tags": [{"tag": name, "value": value} for name, value in _TAGS.items()],
        "provider": {
            "name": "envoy.tracers.opentelemetry",
            "typed_config": typed(
                _TRACER,
                service_name=SERVICE,
                sampler=_sampler(context.traces.sample_percent),
                **_exporter(context),
            ),
        },
    }


def _sampler(percent: int) -> dict[str, Any]:
    """The decision of the caller, if it has one (`traceparent`); else a share of the calls."""
    share = typed(
        f"{_SAMPLERS}.v3.TraceIdRatioBasedSamplerConfig",
        sampling_percentage={"numerator": percent, "denominator": "HUNDRED"},
    )
    wrapped = {
        "name": "envoy.tracers.opentelemetry.samplers.trace_id_ratio_based",
        "typed_config": share,
    }
    config = typed(f"{_SAMPLERS}.v3.ParentBasedSamplerConfig", wrapped_sampler=wrapped)
    return {
        "name": "envoy.tracers.opentelemetry.samplers.parent_based",
        "typed_config": config,
    }


def _exporter(context: RenderContext) -> dict[str, Any]:
    collector = _collector(context)
    cluster = own_cluster_name(collector, context)
    if context.traces.protocol == GRPC:
        service = {"envoy_grpc": {"cluster_name": cluster}, "timeout": _TIMEOUT}
        return {"grpc_service": service}
    uri = f"{collector.scheme}://{authority(collector)}{collector.base_path}{_PATH}"
    http = {"http_uri": {"uri": uri, "cluster": cluster, "timeout": _TIMEOUT}}
    return {"http_service": http}


def _collector(context: RenderContext) -> Endpoint:
    parts = urlsplit(context.traces.endpoint)
    return Endpoint(
        parts.scheme,
        parts.hostname or "",
        parts.port or DEFAULT_PORTS[parts.scheme],
        parts.path.rstrip("/"),
        http2=context.traces.protocol == GRPC,
    )
