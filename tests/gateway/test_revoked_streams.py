"""What Envoy is told of revoked credentials, and streams that a gateway refuses."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from kapi.apis.compile import compile_api
from kapi.gateway.deployment.checks import deploy_mistakes
from kapi.gateway.envoy.resources.context import render_context_from
from kapi.gateway.revoked_streams import BATCH_BYTES, RevokedStreams
from kapi.policies import POLICIES
from kapi.settings import InterceptorSettings, Settings

ISSUER = "https://issuer.example"
DEFINITION = (
    b'{"openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "paths": {}}'
)
CONF = """---
name: "Streams"
basePath: "/streams"
version: "1.0.0"
type: "REST"
endpointConfigurations: {production: {endpoint: "http://backend:8080"}}
operations:
- {target: "/events", verb: GET, stream: {type: ServerSentEvents}}
- {target: "/poll", verb: GET, stream: {type: LongPolling}}
"""


@dataclass
class Envoy:
    """The socket of the filter."""

    needed: Callable[[], bool] = lambda: True
    is_away: bool = False
    sent: list[str] = field(default_factory=list)

    def send(self, path: str, body: str = "") -> str:
        if self.is_away:
            raise ConnectionError
        assert path == "/revoked"
        self.sent.append(body)
        return ""


def test_each_revocation_is_told_once() -> None:
    envoy = Envoy()
    streams = RevokedStreams(envoy)
    streams.tell([(ISSUER, "1")])
    streams.tell([("", "2"), (ISSUER, "1")])
    streams.tell([("", "2")])
    assert envoy.sent == [f"{ISSUER}\t1\n", "\t2\n"]


def test_a_revocation_is_told_under_each_name_of_its_issuer() -> None:
    envoy = Envoy()
    streams = RevokedStreams(envoy, (ISSUER, "https://second"))
    streams.tell([(ISSUER, "1"), ("https://other", "2")])
    assert envoy.sent == [f"{ISSUER}\t1\nhttps://other\t2\nhttps://second\t1\n"]


def test_rules_that_are_gone_are_told_until_envoy_has_them() -> None:
    envoy = Envoy(is_away=True)
    streams = RevokedStreams(envoy)
    streams.end(["a", "b"])
    with pytest.raises(ConnectionError):
        streams.tell([])
    envoy.is_away = False
    streams.tell([("", "1")])
    streams.tell([("", "1")])
    assert envoy.sent == ["\t1\nkapi:rules\ta\nkapi:rules\tb\n"]


def test_what_did_not_reach_envoy_is_told_again() -> None:
    envoy = Envoy(is_away=True)
    streams = RevokedStreams(envoy)
    with pytest.raises(OSError):
        streams.tell([(ISSUER, "1")])
    envoy.is_away = False
    streams.tell([(ISSUER, "1")])
    assert envoy.sent == [f"{ISSUER}\t1\n"]


def test_without_the_filter_nothing_is_told_then_or_later() -> None:
    envoy = Envoy(needed=lambda: False)
    streams = RevokedStreams(envoy)
    streams.tell([(ISSUER, "1")])
    envoy.needed = lambda: True
    streams.tell([(ISSUER, "1"), (ISSUER, "2")])
    assert envoy.sent == [f"{ISSUER}\t2\n"]


def test_many_revocations_are_batches_of_lines() -> None:
    envoy = Envoy()
    many = [(ISSUER, f"{number:064}") for number in range(3000)]
    RevokedStreams(envoy).tell([*many, ("bad\nissuer", "x"), (ISSUER, "a\tb")])
    assert len(envoy.sent) > 1
    assert max(map(len, envoy.sent)) < BATCH_BYTES + 2048
    lines = "".join(envoy.sent).splitlines()
    assert [tuple(line.split("\t")) for line in lines] == many


@pytest.mark.parametrize(
    ("service", "refused"),
    [
        (InterceptorSettings("http://a:80", flows=("response",), body=True), True),
        (InterceptorSettings("http://a:80", flows=("response",), trailers=True), True),
        (InterceptorSettings("http://a:80", flows=("response",), headers=True), False),
        (InterceptorSettings("http://a:80", flows=("request",), body=True), False),
    ],
)
def test_a_gateway_whose_interceptors_wait_for_bodies_takes_no_streams(
    service: InterceptorSettings, refused: bool
) -> None:
    context = render_context_from(
        Settings(Path("/data")), ca_file="/ca", control_socket="/c", identity_sockets=()
    )
    gateway = dataclasses.replace(context.gateway, interceptors=(service,))
    api = compile_api(
        CONF.encode(), DEFINITION, organization="default", policies=POLICIES
    ).api
    found = deploy_mistakes(api, dataclasses.replace(context, gateway=gateway))
    message = "GET /events is a stream, which has no end"
    assert [item.message.startswith(message) for item in found] == [True] * refused
