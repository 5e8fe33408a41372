"""A whole platform that sends its spans to a collector: calls, tokens and deployments."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from harness import DEFINITION, Platform, conf, free_port
from otlp import Collector, Span, collector
from waiting import until

pytestmark = pytest.mark.long

GATEWAY, CONTROL, IDENTITY = "kapi-gateway", "kapi-control", "kapi-identity"


@pytest.fixture(scope="module")
def found() -> Iterator[Collector]:
    with collector() as running:
        yield running


@pytest.fixture(scope="module")
def traced(
    found: Collector, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("traced")
    file = folder / "kapi.toml"
    file.write_text(f'[traces]\nendpoint = "{found.endpoint}"\n')
    running = Platform(free_port(), folder / "data", ("--config", str(file)))
    running.start()
    yield running
    running.stop()


def test_each_request_is_one_trace_through_envoy_and_python(
    traced: Platform, found: Collector, echo: int
) -> None:
    def spans(service: str, name: str) -> list[Span]:
        return [
            span for span in found.spans if (span.service, span.name) == (service, name)
        ]

    operations = '- {target: "/x", verb: GET}\n'
    assert (
        traced.deploy(conf(port=echo, operations=operations), DEFINITION).status == 200
    )
    bearer = ("-H", f"Authorization: Bearer {traced.token()}")
    assert (
        traced.request("default.gw.wso2.com", "/echo/1.0.0/x?q=hidden", *bearer).status
        == 200
    )
    for service, name in (
        (CONTROL, "POST /api/deployer"),
        (IDENTITY, "POST /oauth2/token"),
        (GATEWAY, "GET /x"),
    ):
        until(lambda service=service, name=name: spans(service, name))
    for service, name in (
        (CONTROL, "POST /api/deployer"),
        (IDENTITY, "POST /oauth2/token"),
    ):
        (span, *_) = spans(service, name)
        until(
            lambda span=span: [item for item in found.spans if item.id == span.parent]
        )
        (client,) = [item for item in found.spans if item.id == span.parent]
        assert (client.service, client.trace) == (GATEWAY, span.trace)
    (call,) = spans(GATEWAY, "GET /x")
    assert call.attributes["kapi.api"] == "Echo"
    assert "hidden" not in str(found.spans)
    assert bearer[1].removeprefix("Authorization: Bearer ") not in str(found.spans)
