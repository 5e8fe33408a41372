"""Trying a call at the console: the draft, its request, and the limits of the exchange."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from harness import free_port
from kapi.apis.collections.drafts import Draft, drafts
from kapi.errors import Problem
from kapi.front.web.console.trying.exchange import Bounds, Exchange, Listener
from kapi.front.web.console.trying.outgoing import Filled, Outgoing, outgoing
from kapi.gateway.envoy.process.tls import ensure_certificate
from kapi.settings import GatewaySettings, Settings

CONF = """
type: "REST"
endpointConfigurations: {production: {endpoint: "http://b"}, sandbox: {endpoint: "http://s"}}
operations:
- {target: "/pets/{id}", verb: PUT, scopes: ["a"], scopeAlternatives: [["b"], ["c"]]}
- {target: "/files/*", verb: GET, secured: false}
- {target: "/v/{x}.{y}", verb: GET}
"""
DEFINITION = b"""
openapi: 3.0.3
info: {title: Pets, version: "1"}
paths:
  /pets/{petId}:
    put:
      parameters:
      - {name: petId, in: path, required: true, schema: {type: integer}, example: 7}
      - {name: dry, in: query, schema: {type: boolean}}
      - {name: X-Trace, in: header, required: true, schema: {type: string}, example: t1}
      requestBody:
        content: {application/json: {example: {name: Rex}}}
      responses: {"200": {description: ok}}
"""
USUAL = Bounds()
PEM_END = "-----END CERTIFICATE-----\n"
HOST = ("default.gw.wso2.com", "/base/1.0.0")


def draft_of(name: str) -> Draft:
    draft = drafts(CONF, DEFINITION, name).draft
    assert draft is not None
    return draft


def made(draft: Draft, *values: str, headers: str = "") -> Outgoing:
    filled = Filled(values, headers, draft.body.encode(), draft.content_type)
    return outgoing(draft, filled, HOST, ("X-Client-Cert",))


def test_a_draft_has_the_examples_of_the_definition() -> None:
    offered = drafts(CONF, DEFINITION)
    assert offered.names == ("PUT /pets/{id}", "GET /files/*", "GET /v/{x}.{y}")
    assert offered.has_sandbox
    draft = offered.draft
    assert draft is not None
    assert (draft.name, draft.method, draft.template) == (
        "PUT /pets/{id}",
        "PUT",
        "/pets/{petId}",
    )
    assert [(item.name, item.place) for item in draft.values] == [
        ("petId", "path"),
        ("dry", "query"),
        ("X-Trace", "header"),
    ]
    assert draft.values[0].value == "7"
    assert (draft.content_type, '"Rex"' in draft.body) == ("application/json", True)
    assert draft.scopes == ("a", "b")


def test_drafts_of_other_kinds() -> None:
    conf = 'type: "GRAPHQL"\noperations: [{target: "hero", verb: QUERY}]'
    draft = drafts(conf, b"").draft
    assert draft is not None
    assert (draft.method, draft.template) == ("POST", "")
    assert "query { hero }" in draft.body
    conf = 'type: "MCP"\noperations: [{target: "forecast", verb: TOOL}]'
    draft = drafts(conf, b"").draft
    assert draft is not None
    assert '"tools/call"' in draft.body
    conf = 'type: "MCP"\noperations: [{target: "a://b", verb: RESOURCE}]'
    draft = drafts(conf, b"").draft
    assert draft is not None
    assert json.loads(draft.body)["params"] == {"uri": "a://b"}
    assert (
        drafts('type: "GRPC"\noperations: [{target: "a.B", verb: Get}]', b"").draft
        is None
    )
    assert drafts(CONF, DEFINITION, "DELETE /pets/{id}").draft is None
    assert drafts("", b"").names == ()


def test_values_become_a_path_query_and_headers() -> None:
    request = made(
        draft_of("PUT /pets/{id}"), "a/ü?", "true", "t2", headers="X-More: 1"
    )
    assert (request.method, request.host) == ("PUT", "default.gw.wso2.com")
    assert request.path == "/base/1.0.0/pets/a%2F%C3%BC%3F?dry=true"
    assert request.headers == (
        ("Content-Type", "application/json"),
        ("X-Trace", "t2"),
        ("X-More", "1"),
    )
    assert "token" not in repr(replace(request, token="t"))
    assert made(draft_of("PUT /pets/{id}"), "1", "", "").path == "/base/1.0.0/pets/1"
    assert (
        made(draft_of("GET /files/*"), "a b/c?d").path
        == "/base/1.0.0/files/a%20b/c%3Fd"
    )
    assert made(draft_of("GET /files/*"), "").path == "/base/1.0.0/files/"
    assert made(draft_of("GET /v/{x}.{y}"), "1", "2").path == "/base/1.0.0/v/1.2"
    assert made(draft_of("GET /files/*"), "a").body == b""


def test_only_a_body_has_a_content_type() -> None:
    put, get = draft_of("PUT /pets/{id}"), draft_of("GET /files/*")
    for draft, body, content_type, sent in (
        (put, b"{}", "text/plain", ("Content-Type", "text/plain")),
        (put, b"", "text/plain", None),
        (put, b"{}", "", None),
        (get, b"{}", "text/plain", None),
    ):
        filled = Filled(("1", "", "t"), "", body, content_type)
        headers = outgoing(draft, filled, HOST, ()).headers
        assert [item for item in headers if item[0] == "Content-Type"] == (
            [sent] if sent else []
        )


@pytest.mark.parametrize(
    ("name", "value", "headers", "why"),
    [
        ("PUT /pets/{id}", "..", "", "no segment"),
        ("PUT /pets/{id}", ".", "", "no segment"),
        ("PUT /pets/{id}", "", "", "petId is empty"),
        ("GET /v/{x}.{y}", "", "", "x is empty"),
        ("GET /files/*", "a/../../../other", "", "no segment"),
        ("GET /files/*", "x" * 9000, "", "longer than"),
        ("GET /files/*", "a", "Host: other", "cannot be set"),
        ("GET /files/*", "a", "X-Forwarded-For: 10.0.0.1", "cannot be set"),
        ("GET /files/*", "a", "x-client-cert: PEM", "cannot be set"),
        ("GET /files/*", "a", "Transfer-Encoding: chunked", "cannot be set"),
        ("GET /files/*", "a", "no header", "written as Name: value"),
        ("GET /files/*", "a", "a b: c", "not allowed"),
        ("GET /files/*", "a", "a: \x00", "not allowed"),
        ("GET /files/*", "a", "\n".join(f"x{n}: 1" for n in range(60)), "more than 50"),
    ],
)
def test_what_is_not_sent(name: str, value: str, headers: str, why: str) -> None:
    with pytest.raises(Problem, match=why) as raised:
        made(draft_of(name), value, headers=headers)
    assert raised.value.title == "The call was not sent"


def test_encoded_dots_stay_one_segment() -> None:
    assert (
        made(draft_of("PUT /pets/{id}"), "%2e%2e").path == "/base/1.0.0/pets/%252e%252e"
    )
    assert made(draft_of("GET /files/*"), "..%2f").path == "/base/1.0.0/files/..%252f"


@contextmanager
def listening(
    settings: Settings, answer: bytes, *, ends: bool = True
) -> Iterator[list[bytes]]:
    """A server with the certificate of the edge; what it is sent."""
    certificate = ensure_certificate(settings, lambda: 1_795_000_000.0)
    file = settings.data_dir / "both.pem"
    file.write_text(certificate.chain + certificate.private_key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    seen: list[bytes] = []
    done = threading.Event()
    with socket.create_server(("127.0.0.1", settings.gateway.port)) as server:

        def serve() -> None:
            peer, _ = server.accept()
            with context.wrap_socket(peer, server_side=True) as secured:
                seen.append(secured.recv(65536))
                secured.sendall(answer)
                if not ends:
                    done.wait(20)

        thread = threading.Thread(target=serve)
        thread.start()
        yield seen
        done.set()
        thread.join(20)


def exchanged(
    tmp_path: Path, answer: bytes, bounds: Bounds = USUAL, *, ends: bool = True
) -> tuple[Exchange, bytes]:
    settings = Settings(tmp_path, gateway=GatewaySettings(port=free_port()))
    request = Outgoing(
        "GET", "default.gw.wso2.com", "/a?b=c", (("X-A", "1"),), b"", "secret-token"
    )
    with listening(settings, answer, ends=ends) as seen:
        exchange = Listener(settings, bounds=bounds).send(request)
    return exchange, seen[0]


def test_neither_side_of_an_exchange_shows_the_token(tmp_path: Path) -> None:
    answer = b"HTTP/1.1 200 OK\r\nx-request-id: abc\r\nx-echo: secret-token\r\n\r\ngot secret-token"
    exchange, seen = exchanged(tmp_path, answer)
    assert seen.startswith(b"GET /a?b=c HTTP/1.1\r\nHost: default.gw.wso2.com:")
    assert b"Authorization: Bearer secret-token\r\n" in seen
    assert b"Connection: close\r\n" in seen
    assert (exchange.status, exchange.request_id, exchange.cut) == (200, "abc", "")
    assert exchange.body == "got (the access token)"
    assert "secret-token" not in repr(exchange)


def test_the_certificate_that_an_operator_gave_is_the_one_trusted(
    tmp_path: Path,
) -> None:
    settings = Settings(tmp_path, gateway=GatewaySettings(port=free_port()))
    certificate = ensure_certificate(settings, lambda: 1_795_000_000.0)
    given = tmp_path / "given.pem"
    # The certificate alone, as of an authority that this machine does not know.
    given.write_text(certificate.chain.partition(PEM_END)[0] + PEM_END)
    gateway = replace(settings.gateway, certificate_file=str(given))
    request = Outgoing("GET", "default.gw.wso2.com", "/", (), b"", "")
    with listening(settings, b"HTTP/1.1 200 OK\r\n\r\nhere"):
        exchange = Listener(replace(settings, gateway=gateway)).send(request)
    assert (exchange.status, exchange.body) == (200, "here")


def test_an_answer_is_bounded_in_size_and_time(tmp_path: Path) -> None:
    head = b"HTTP/1.1 200 OK\r\n\r\n"
    (tmp_path / "a").mkdir()
    exchange, _ = exchanged(tmp_path / "a", head + b"x" * 5000, Bounds(most_bytes=1000))
    assert (len(exchange.body), exchange.cut) == (
        1000,
        "Only the first 1000 bytes are shown.",
    )
    (tmp_path / "c").mkdir()
    exchange, _ = exchanged(tmp_path / "c", head + b"x" * 1000, Bounds(most_bytes=1000))
    assert (len(exchange.body), exchange.cut) == (1000, "")
    (tmp_path / "b").mkdir()
    slow = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npart"
    exchange, _ = exchanged(tmp_path / "b", slow, Bounds(seconds=0.5), ends=False)
    assert exchange.body == "part"
    assert "did not end in time" in exchange.cut


def test_bytes_that_are_no_text_are_counted(tmp_path: Path) -> None:
    exchange, _ = exchanged(tmp_path, b"HTTP/1.1 200 OK\r\n\r\n\xff\xfe\xfd\xfc\xfb")
    assert exchange.body == "(5 bytes that are not UTF-8 text)"


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        ("aé".encode()[:-1], "a"),
        ("a😀".encode()[:-1], "a"),
        (b"a\xf0aaa", "(5 bytes that are not UTF-8 text)"),
        (b"a\x00", "(2 bytes that are not text)"),
    ],
)
def test_a_character_that_was_cut_is_left_out(
    tmp_path: Path, content: bytes, shown: str
) -> None:
    exchange, _ = exchanged(tmp_path, b"HTTP/1.1 200 OK\r\n\r\n" + content)
    assert exchange.body == shown


def test_a_gateway_that_does_not_answer(tmp_path: Path) -> None:
    settings = Settings(tmp_path, gateway=GatewaySettings(port=free_port()))
    ensure_certificate(settings, lambda: 1_795_000_000.0)
    request = Outgoing("GET", "default.gw.wso2.com", "/", (), b"", "secret-token")
    with pytest.raises(Problem, match="Refused") as raised:
        Listener(settings).send(request)
    assert "secret-token" not in repr(raised.value)
    assert raised.value.detail == "ConnectionRefusedError within 15 seconds."
