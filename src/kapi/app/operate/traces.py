"""Spans of the Python processes (OpenTelemetry, the extra `traces`), which continue Envoy's.

Without `traces.endpoint` nothing of OpenTelemetry is imported.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from kapi.front.web.http.draining import App, Message, Receive, Send
from kapi.settings import Settings
from kapi.settings.operate.traces import GRPC, TracesSettings

_SECONDS = 5
_DELAY_MS = 1000
_PARTS = 2
"""Segments of a path in the name of a span; the others may be names of users, keys and clients."""


def traced(app: App, settings: Settings, name: str) -> App:
    """The application, with a span for each request; the same application without an endpoint."""
    if not settings.traces.endpoint:
        return app
    return with_spans(app, _tracer(settings.traces, name))


def _tracer(traces: TracesSettings, name: str) -> Any:
    from opentelemetry.sdk.resources import SERVICE_NAME, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio

    provider = TracerProvider(
        resource=Resource({SERVICE_NAME: f"kapi-{name}"}),
        sampler=ParentBasedTraceIdRatio(traces.sample_percent / 100),
    )
    provider.add_span_processor(
        BatchSpanProcessor(_exporter(traces), schedule_delay_millis=_DELAY_MS)
    )
    return provider.get_tracer("kapi")


def _exporter(traces: TracesSettings) -> Any:
    if traces.protocol == GRPC:
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import (
            OTLPSpanExporter as Grpc,
        )

        plain = traces.endpoint.startswith("http:")
        return Grpc(endpoint=traces.endpoint, insecure=plain, timeout=_SECONDS)
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (
        OTLPSpanExporter as Http,
    )

    return Http(endpoint=f"{traces.endpoint.rstrip('/')}/v1/traces", timeout=_SECONDS)


def with_spans(app: App, tracer: Any) -> App:
    """The application, with a span of this tracer for each request. No query, header or body."""
    from opentelemetry.trace import SpanKind, StatusCode
    from opentelemetry.trace.propagation.tracecontext import (
        TraceContextTextMapPropagator,
    )

    propagator = TraceContextTextMapPropagator()

    async def spanned(
        scope: MutableMapping[str, Any], receive: Receive, send: Send
    ) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        carrier = _carrier(scope)
        with tracer.start_as_current_span(
            _name(scope),
            context=propagator.extract(carrier),
            kind=SpanKind.SERVER,
            attributes={
                "http.request.method": scope["method"],
                "url.path": scope["path"],
            },
        ) as span:

            async def noting_send(message: Message) -> None:
                if message["type"] == "http.response.start":
                    span.set_attribute("http.response.status_code", message["status"])
                    if message["status"] >= 500:
                        span.set_status(StatusCode.ERROR)
                await send(message)

            await app(scope, receive, noting_send)

    return spanned


def _carrier(scope: MutableMapping[str, Any]) -> dict[str, str]:
    wanted = (b"traceparent", b"tracestate")
    return {
        name.decode("ascii"): value.decode("latin-1")
        for name, value in scope["headers"]
        if name in wanted
    }


def _name(scope: MutableMapping[str, Any]) -> str:
    parts = scope["path"].split("/")[: _PARTS + 1]
    return f"{scope['method']} {'/'.join(parts)}"
