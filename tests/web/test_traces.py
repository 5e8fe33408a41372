"""Spans of the Python processes: they continue the trace of Envoy, and contain nothing secret."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from kapi.app.operate.traces import traced, with_spans
from kapi.errors import KapiError
from kapi.settings import Settings, TracesSettings
from kapi.settings.start_checks import check_traces
from otlp import collector, grpc_collector
from waiting import until

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SENT = {"traceparent": f"00-{TRACE}-{PARENT}-01", "authorization": "Bearer hidden"}


async def answer(request: Request) -> PlainTextResponse:
    return PlainTextResponse("x", int(request.query_params["status"]))


APP = Starlette(routes=[Route("/api/users/{name}", answer)])


@pytest.mark.parametrize(("status", "well"), [(200, True), (404, True), (503, False)])
def test_a_request_is_a_span_of_the_trace(status: int, well: bool) -> None:
    kept, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    app = with_spans(APP, provider.get_tracer("test"))
    TestClient(app).get(f"/api/users/alice?status={status}&secret=hidden", headers=SENT)
    (span,) = kept.get_finished_spans()
    assert span.name == "GET /api/users"
    assert f"{span.context.trace_id:032x}" == TRACE
    assert span.parent is not None
    assert f"{span.parent.span_id:016x}" == PARENT
    assert dict(span.attributes or {}) == {
        "http.request.method": "GET",
        "url.path": "/api/users/alice",
        "http.response.status_code": status,
    }
    assert span.status.is_ok or (not well and span.status.status_code.name == "ERROR")
    assert "hidden" not in span.to_json()


@pytest.mark.parametrize(
    ("protocol", "made"), [("http/protobuf", collector), ("grpc", grpc_collector)]
)
def test_spans_reach_the_collector(protocol: str, made: object, tmp_path: Path) -> None:
    with made() as found:  # type: ignore[operator]
        settings = Settings(
            tmp_path, traces=TracesSettings(found.endpoint, protocol, 0)
        )
        http = TestClient(traced(APP, settings, "control"))
        http.get("/api/users/alice?status=200", headers=SENT)
        http.get("/api/users/bob?status=200")
        until(lambda: found.spans)
        assert [(span.service, span.trace) for span in found.spans] == [
            ("kapi-control", TRACE)
        ]


def test_without_an_endpoint_nothing_is_around_the_application(tmp_path: Path) -> None:
    assert traced(APP, Settings(tmp_path), "control") is APP
    code = (
        "import kapi.app.control, kapi.app.system.system_apis, kapi.app.identity, sys; "
        "sys.exit('opentelemetry.sdk' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_what_is_not_installed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(tmp_path, traces=TracesSettings("http://127.0.0.1:4318"))
    check_traces(settings)
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http", None)
    with pytest.raises(KapiError) as refused:
        check_traces(settings)
    assert refused.value.hint == "Install it: pip install 'kapi[traces]'."
    check_traces(Settings(tmp_path))
