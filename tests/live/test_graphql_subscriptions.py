"""Subscriptions of GraphQL APIs through the real gateway: over WebSocket and as event streams,
checked at each subscribe.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection

from graphql_backend import SDL
from graphql_streams import PROTOCOL, StreamServer, stream_server
from harness import BASIC, Answer, Platform
from waiting import until
from ws_backend import web_socket

BASE = "/stars/1.0.0"
HOST = "default.gw.wso2.com"
CONF = """
name: "Stars"
basePath: "/stars"
version: "1.0.0"
type: "GRAPHQL"
graphql: {maxDepth: 2}
endpointConfigurations:
  production: {endpoint: "http://127.0.0.1:%d/graphql"}
operations:
- {target: hero, verb: QUERY, secured: false}
- {target: heroes, verb: QUERY, scopes: ["heroes:read"]}
- {target: addHero, verb: MUTATION, rateLimit: {requestsPerUnit: 1, unit: Day}}
- {target: heroAdded, verb: SUBSCRIPTION}
"""


@pytest.fixture(scope="module")
def backend() -> Iterator[StreamServer]:
    with stream_server() as running:
        yield running


@pytest.fixture(scope="module")
def stars(platform: Platform, backend: StreamServer) -> Platform:
    answer = platform.deploy(CONF % backend.port, SDL)
    assert answer.status == 200, answer.body.decode()
    return platform


@pytest.fixture(scope="module")
def token(stars: Platform) -> str:
    return stars.token()


@contextlib.contextmanager
def opened(platform: Platform, token: str = "") -> Iterator[ClientConnection]:
    """A connection that the server has acknowledged."""
    with web_socket(platform.port, BASE, protocols=(PROTOCOL,), token=token) as socket:
        say(socket, {"type": "connection_init"})
        assert hear(socket) == {"type": "connection_ack"}
        yield socket


def say(socket: ClientConnection, message: dict[str, Any]) -> None:
    socket.send(json.dumps(message))


def hear(socket: ClientConnection) -> dict[str, Any]:
    """The next message but pongs, which a client ignores."""
    while True:
        message: dict[str, Any] = json.loads(socket.recv(10))
        if message["type"] != "pong":
            return message


def subscribe(socket: ClientConnection, key: str, query: str, **more: Any) -> None:
    say(socket, {"id": key, "type": "subscribe", "payload": {"query": query, **more}})


def refused(message: dict[str, Any], key: str) -> str:
    assert (message["id"], message["type"]) == (key, "error")
    code: str = message["payload"][0]["extensions"]["code"]
    return code


def test_a_subscription_over_a_web_socket(
    stars: Platform, token: str, backend: StreamServer
) -> None:
    with opened(stars, token) as socket:
        assert socket.subprotocol == PROTOCOL
        subscribe(socket, "1", "subscription { heroAdded { name } }")
        for number in (1, 2):
            data = {"heroAdded": {"name": f"Hero {number}"}}
            assert hear(socket) == {
                "id": "1",
                "type": "next",
                "payload": {"data": data},
            }
        subscribe(socket, "2", "{ hero { id } }")
        assert hear(socket)["payload"] == {"data": {"hero": {"id": "1"}}}
        assert hear(socket) == {"id": "2", "type": "complete"}
        say(socket, {"id": "1", "type": "complete"})
        say(socket, {"type": "ping"})
        assert json.loads(socket.recv(10)) == {"type": "pong"}
    handshake = backend.handshakes[-1]
    assert "authorization" not in handshake
    assert "sec-websocket-extensions" not in handshake


def test_each_subscribe_is_checked_and_a_refused_one_leaves_the_others(
    stars: Platform, token: str, backend: StreamServer
) -> None:
    with opened(stars, token) as socket:
        before = len(backend.messages)
        for key, query, code in (
            ("a", "subscription { secret }", "900422"),
            ("b", "{ heroes { id } }", "900910"),
            ("c", "{ hero { friend { id } } }", "900820"),
            ("d", "{ hero {", "900422"),
        ):
            subscribe(socket, key, query)
            assert refused(hear(socket), key) == code
        add = 'mutation { addHero(name: "x") { id } }'
        subscribe(socket, "e", add)
        assert hear(socket)["payload"] == {"data": {"addHero": {"id": "2"}}}
        assert hear(socket)["type"] == "complete"
        subscribe(socket, "f", add)
        assert refused(hear(socket), "f") == "900802"
        # In pieces, and with a long text that takes other forms of length.
        text = json.dumps(
            {"id": "g", "type": "subscribe", "payload": {"query": "{heroes{id}}"}}
        )
        socket.send([text[:9], text[9:10], text[10:] + " " * 70_000])
        assert refused(hear(socket), "g") == "900910"
        seen = [
            message
            for message in backend.messages[before:]
            if message["type"] == "subscribe"
        ]
        assert [message["id"] for message in seen] == ["e"]


def test_a_connection_without_a_token_may_use_what_is_open(stars: Platform) -> None:
    with opened(stars) as socket:
        subscribe(socket, "1", "{ hero { id } }")
        assert hear(socket)["type"] == "next"
        assert hear(socket)["type"] == "complete"
        subscribe(socket, "2", "subscription { heroAdded { id } }")
        assert refused(hear(socket), "2") == "900902"
    with pytest.raises(InvalidStatus, match="401"), opened(stars, "not.a.token"):
        pass


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ('{"id":"1","type":"start","payload":{"query":"{heroes{id}}"}}', 4400),
        (
            '{"id":"1","type":"subscribe","type":"ping","payload":{"query":"{heroes{id}}"}}',
            4400,
        ),
        ("no JSON", 4400),
        (b"\x00", 4400),
        (json.dumps({"type": "ping", "payload": "x" * 110_000}), 1009),
    ],
)
def test_what_is_no_message_of_the_protocol_ends_the_connection(
    stars: Platform, backend: StreamServer, sent: str | bytes, code: int
) -> None:
    with opened(stars) as socket:
        before = len(backend.messages)
        socket.send(sent)
        with pytest.raises(ConnectionClosed):
            socket.recv(10)
        assert socket.close_code == code
        assert len(backend.messages) == before


def test_a_handshake_needs_the_protocol(stars: Platform) -> None:
    for protocols in ((), ("graphql-ws",)):
        with pytest.raises(InvalidStatus, match="400"):
            web_socket(stars.port, BASE, protocols=protocols).__enter__()


def events(platform: Platform, *arguments: str) -> Answer:
    accept = ("-H", "Accept: text/event-stream")
    return platform.request(
        HOST, BASE, "--http1.1", "--max-time", "3", *accept, *arguments
    )


def body(query: str) -> tuple[str, ...]:
    return ("-H", "Content-Type: application/json", "-d", json.dumps({"query": query}))


def test_a_subscription_as_an_event_stream(stars: Platform, token: str) -> None:
    query = "subscription { heroAdded { id } }"
    assert events(stars, *body(query)).json()["code"] == "900902"
    bearer = ("-H", f"Authorization: Bearer {token}")
    assert (
        events(stars, *body("subscription { secret }"), *bearer).json()["code"]
        == "900422"
    )
    answer = events(stars, *body("{ hero { id } }"))
    assert answer.headers["content-type"] == "text/event-stream"
    assert "event: complete" in answer.body.decode()
    command = [
        "curl",
        "-skN",
        "--resolve",
        f"{HOST}:{stars.port}:127.0.0.1",
        *body(query),
        *bearer,
    ]
    command += ["-H", "Accept: text/event-stream", f"https://{HOST}:{stars.port}{BASE}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as client:
        assert client.stdout is not None
        lines = [client.stdout.readline().decode().strip() for _ in range(5)]
        client.kill()
    assert lines[:2] == ["event: next", 'data: {"data": {"heroAdded": {"id": "1"}}}']
    assert lines[4].endswith('{"data": {"heroAdded": {"id": "2"}}}')


def test_a_revoked_token_ends_its_connections(stars: Platform) -> None:
    token = stars.token()
    with opened(stars, token) as socket:
        subscribe(socket, "1", "subscription { heroAdded { id } }")
        assert hear(socket)["type"] == "next"
        path = (
            "/oauth2/revoke",
            "-H",
            f"Authorization: Basic {BASIC}",
            "-d",
            f"token={token}",
        )
        assert stars.request("idp.am.wso2.com", *path).status == 200

        def ended() -> bool:
            try:
                while True:
                    say(socket, {"type": "ping"})
                    socket.recv(0.5)
            except ConnectionClosed:
                return True
            except TimeoutError:
                return False

        until(ended)
        assert (socket.close_code, socket.close_reason) == (
            4401,
            "the credential was revoked",
        )
