"""Spans of Envoy, sent to a collector by HTTP and by gRPC: the trace of the caller goes on to the
backend.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace

import pytest
from live_gateway import Gateway, api, backend, gateway, operation

from kapi.apis.ir import Endpoint
from kapi.settings import TracesSettings
from otlp import Collector, collector, grpc_collector
from waiting import until

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SAMPLED, NOT_SAMPLED = f"00-{TRACE}-{PARENT}-01", f"00-{TRACE}-{PARENT}-00"


def start(live: Gateway, traces: TracesSettings, port: int) -> None:
    live.context = replace(live.context, traces=traces)
    item = api(
        "/traced",
        [
            operation(
                "GET", "/x/{id}", Endpoint("http", "127.0.0.1", port), secured=False
            )
        ],
    )
    live.apis[item.id] = item
    live.publisher.set_initial(live.base())
    live.publisher.start()
    live.start_envoy()
    live.wait_ready()


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with backend() as number:
        yield number


@pytest.mark.parametrize(
    ("protocol", "made"), [("http/protobuf", collector), ("grpc", grpc_collector)]
)
def test_the_callers_trace_goes_on(
    protocol: str, made: Callable[[], AbstractContextManager[Collector]], port: int
) -> None:
    with made() as found, gateway(start=False) as live:
        start(live, TracesSettings(found.endpoint, protocol, 0), port)
        sent = {"traceparent": SAMPLED, "tracestate": "vendor=1"}
        reply = live.call("/traced/1.0.0/x/1?secret=hidden", headers=sent)
        seen = reply.json["headers"]
        until(lambda: len(found.spans) >= 2, live.log)
        server, client = sorted(found.spans, key=lambda span: span.parent != PARENT)
        assert (server.service, server.name, server.trace, server.parent) == (
            "kapi-gateway",
            "GET /x/{id}",
            TRACE,
            PARENT,
        )
        assert (client.trace, client.parent) == (TRACE, server.id)
        assert (server.kind, client.kind) == (2, 3)
        assert seen["traceparent"] == f"00-{TRACE}-{client.id}-01"
        assert seen["tracestate"] == "vendor=1"
        tags = server.attributes
        assert {
            name: tags[name]
            for name in ("kapi.api", "kapi.api.version", "kapi.organization")
        } == {
            "kapi.api": "traced",
            "kapi.api.version": "1.0.0",
            "kapi.organization": "default",
        }
        assert tags["kapi.url"].endswith("/traced/1.0.0/x/1")
        assert tags["http.status_code"] == "200"
        assert "hidden" not in str(found.spans)
        if protocol != "grpc":
            assert set(found.paths) == {"/v1/traces"}


def test_calls_without_a_trace_are_sampled_and_strangers_do_not_decide(
    port: int,
) -> None:
    with collector() as found, gateway(start=False) as live:
        start(live, TracesSettings(found.endpoint, sample_percent=0), port)
        forced = {"x-client-trace-id": "1", "x-envoy-force-trace": "true"}
        live.call("/traced/1.0.0/x/none", headers=forced)
        live.call("/traced/1.0.0/x/unwanted", headers={"traceparent": NOT_SAMPLED})
        live.call("/traced/1.0.0/x/wanted", headers={"traceparent": SAMPLED})
        until(lambda: found.spans)
        urls = {span.attributes.get("kapi.url", "/wanted") for span in found.spans}
        assert {url.rpartition("/")[2] for url in urls} == {"wanted"}


def test_without_an_endpoint_the_headers_pass_unchanged(port: int) -> None:
    with gateway(start=False) as live:
        start(live, TracesSettings(), port)
        reply = live.call(
            "/traced/1.0.0/x/1", headers={"traceparent": SAMPLED, "tracestate": "a=1"}
        )
        seen = reply.json["headers"]
        assert (seen["traceparent"], seen["tracestate"]) == (SAMPLED, "a=1")
