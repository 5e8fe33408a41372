"""WebSockets through the real gateway with a real client: who may open one, what the backend sees,
and when it ends.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection

from harness import BASIC, DEFINITION, Platform, conf, free_port
from waiting import until
from ws_backend import PROTOCOL, Backend, web_socket, websocket_backend

BASE = "/streams/1.0.0"
AUTHENTICATION = """authentication:
- {authType: OAuth2, queryParamEnable: true, queryParamName: access_token}
- {authType: APIKey}
"""
OPERATIONS = """- {target: "/chat", verb: GET, stream: {type: WebSocket}}
- {target: "/polite", verb: GET, stream: {type: WebSocket, closeFrames: true}}
- {target: "/scoped", verb: GET, scopes: ["rooms"], stream: {type: WebSocket}}
- {target: "/open", verb: GET, secured: false, stream: {type: WebSocket}}
- {target: "/idle", verb: GET, secured: false, stream: {type: WebSocket, idleTimeout: 1}}
- {target: "/short", verb: GET, secured: false, stream: {type: WebSocket, maxDuration: 2}}
- {target: "/limited", verb: GET, secured: false, rateLimit: {requestsPerUnit: 2, unit: Day},
   stream: {type: WebSocket}}
- {target: "/talkative", verb: GET, secured: false,
   stream: {type: WebSocket, messagesPerSecond: 20}}
- {target: "/plain", verb: GET, secured: false}
"""


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    running = Platform(
        free_port(),
        tmp_path_factory.mktemp("kapi") / "data",
        environment={"KAPI_IDENTITY__TOKEN_LIFETIME": "15"},
    )
    running.start()
    yield running
    running.stop()
    assert "Traceback" not in "".join(
        path.read_text() for path in (running.data_dir / "logs").glob("*.log")
    )


@pytest.fixture(scope="module")
def backend() -> Iterator[Backend]:
    with websocket_backend() as running:
        yield running


@pytest.fixture(scope="module")
def streams(platform: Platform, backend: Backend) -> Platform:
    text = conf(
        "Streams",
        "/streams",
        port=backend.port,
        extra=AUTHENTICATION,
        operations=OPERATIONS,
    )
    answer = platform.deploy(text, DEFINITION)
    assert answer.status == 200, answer.body
    return platform


@pytest.fixture
def token(streams: Platform) -> str:
    return streams.token()


@pytest.fixture(scope="module")
def api_key(streams: Platform) -> str:
    return streams.cli("api-key", "create", "Streams:1.0.0", "--opaque").stdout.strip()


def echoed(platform: Platform, path: str, **more: object) -> str | None:
    """Open a WebSocket, send one message and get it back; the protocol that was selected."""
    with web_socket(platform.port, BASE + path, **more) as socket:  # type: ignore[arg-type]
        socket.send("hello")
        assert socket.recv(10) == "hello"
        return socket.subprotocol


def refused(platform: Platform, path: str, **more: object) -> tuple[int, bytes]:
    with pytest.raises(InvalidStatus) as caught:
        web_socket(platform.port, BASE + path, **more)  # type: ignore[arg-type]
    response = caught.value.response
    return response.status_code, bytes(response.body or b"")


def test_a_token_in_the_header_opens_a_web_socket(
    streams: Platform, token: str
) -> None:
    assert (
        echoed(streams, "/chat", token=token, protocols=["other", PROTOCOL]) == PROTOCOL
    )


def test_a_token_in_the_query_is_taken_out(
    streams: Platform, backend: Backend, token: str
) -> None:
    echoed(streams, f"/chat?a=1&access_token={token}&b=%26")
    path, headers = backend.handshakes[-1]
    assert path == "/backend/chat?a=1&b=%26"
    assert token not in str(headers)


@pytest.mark.parametrize(
    ("others", "seen", "selected"),
    [
        ([], None, "kapi.token"),
        (["other"], "other", "kapi.token"),
        (["other", PROTOCOL], f"other, {PROTOCOL}", PROTOCOL),
    ],
)
def test_a_token_among_the_protocols_is_taken_out(
    streams: Platform,
    backend: Backend,
    token: str,
    others: list[str],
    seen: str | None,
    selected: str,
) -> None:
    assert (
        echoed(streams, "/chat", protocols=["kapi.token", token, *others]) == selected
    )
    _, headers = backend.handshakes[-1]
    assert headers.get("sec-websocket-protocol") == seen
    assert token not in str(headers)


def test_an_api_key_among_the_protocols_is_taken_out(
    streams: Platform, backend: Backend, api_key: str
) -> None:
    assert echoed(streams, "/chat", protocols=["kapi.apikey", api_key]) == "kapi.apikey"
    assert api_key not in str(backend.handshakes[-1])


def test_no_operation_passes_a_credential_on_to_the_backend(
    streams: Platform, backend: Backend, token: str
) -> None:
    echoed(streams, "/open", protocols=["kapi.token", token, PROTOCOL])
    assert token not in str(backend.handshakes[-1])


def test_the_handshake_is_refused_as_any_call(streams: Platform, token: str) -> None:
    status, body = refused(streams, "/chat")
    assert (status, b'"900902"' in body) == (401, True)
    status, body = refused(
        streams, "/chat", protocols=["kapi.token", token[:-8] + "AAAAAAAA"]
    )
    assert (status, b'"900901"' in body) == (401, True)
    assert refused(streams, "/chat", protocols=["kapi.token"])[0] == 401
    assert refused(streams, "/chat", protocols=[token, "kapi.token"])[0] == 401
    status, body = refused(streams, "/scoped", token=token)
    assert (status, b'"900910"' in body) == (403, True)


def test_only_the_operations_that_say_so_are_upgraded(streams: Platform) -> None:
    assert refused(streams, "/plain")[0] == 403
    assert refused(streams, "/nothing")[0] in {403, 404}


def test_a_handshake_counts_against_a_rate_limit(streams: Platform) -> None:
    with web_socket(streams.port, f"{BASE}/limited") as socket:
        for number in range(20):
            socket.send(str(number))
            assert socket.recv(10) == str(number)
    echoed(streams, "/limited")
    status, body = refused(streams, "/limited")
    assert (status, b'"900802"' in body) == (429, True)


def chat(socket: ClientConnection) -> None:
    """Send and receive until the connection ends, for at most 20 seconds."""
    for _ in range(400):
        socket.send("x")
        socket.recv(20)
        time.sleep(0.05)


def burst(socket: ClientConnection) -> None:
    """Send as fast as possible, until the connection ends."""
    for _ in range(1000):
        socket.send("x")
    for _ in range(1000):
        socket.recv(20)


def test_a_silent_web_socket_ends(streams: Platform) -> None:
    with (
        web_socket(streams.port, f"{BASE}/idle") as socket,
        pytest.raises(ConnectionClosed),
    ):
        socket.recv(20)


def test_a_web_socket_ends_after_its_longest_life(streams: Platform) -> None:
    with (
        web_socket(streams.port, f"{BASE}/short") as socket,
        pytest.raises(ConnectionClosed),
    ):
        chat(socket)


def test_a_web_socket_ends_when_its_token_expires(
    streams: Platform, token: str
) -> None:
    with (
        web_socket(streams.port, f"{BASE}/chat", token=token) as socket,
        pytest.raises(ConnectionClosed),
    ):
        chat(socket)


def test_a_web_socket_whose_frames_are_read_ends_with_a_close_frame(
    streams: Platform, backend: Backend
) -> None:
    revoked = streams.token()
    with web_socket(streams.port, f"{BASE}/polite", token=revoked) as socket:
        revoke(streams, revoked)
        with pytest.raises(ConnectionClosed):
            chat(socket)
        assert (socket.close_code, socket.close_reason) == (
            1008,
            "the credential was revoked",
        )
    until(lambda: 1008 in backend.closed)


def test_a_web_socket_ends_when_others_may_call_or_the_api_is_removed(
    streams: Platform, backend: Backend, echo: int
) -> None:
    operation = '- {target: "/chat", verb: GET, stream: {type: WebSocket, closeFrames: true}%s}\n'
    streaming = "- {target: /, verb: GET, secured: false, stream: {type: WebSocket}}\n"

    def deploy(port: int, more: str = "") -> str:
        text = conf(
            "Changing", "/changing", port=port, operations=operation % more + streaming
        )
        answer = streams.deploy(text, DEFINITION)
        assert answer.status == 200, answer.body
        return answer.body.decode().split('"')[1]

    deploy(backend.port)
    token = streams.token()
    path = "/changing/1.0.0/chat"
    with web_socket(streams.port, path, token=token) as socket:
        api = deploy(echo)
        socket.send("another backend changes nothing")
        assert socket.recv(10)
        deploy(backend.port, ", scopes: [rooms]")
        with pytest.raises(ConnectionClosed):
            chat(socket)
        assert (socket.close_code, socket.close_reason) == (
            1001,
            "the API was changed or removed",
        )
    with web_socket(streams.port, "/changing/1.0.0/") as socket:
        streams.cli("undeploy", api)
        with pytest.raises(ConnectionClosed):
            chat(socket)


def revoke(platform: Platform, token: str) -> None:
    fields = (
        "/oauth2/revoke",
        "-H",
        f"Authorization: Basic {BASIC}",
        "-d",
        f"token={token}",
    )
    assert platform.request("idp.am.wso2.com", *fields).status == 200


def test_a_web_socket_ends_when_its_token_is_revoked(
    streams: Platform, token: str
) -> None:
    # Issued later than the other one, which would expire first.
    revoked = streams.token()
    with (
        web_socket(streams.port, f"{BASE}/chat", token=token) as other,
        web_socket(streams.port, f"{BASE}/chat", token=revoked) as socket,
    ):
        revoke(streams, revoked)
        with pytest.raises(ConnectionClosed):
            socket.recv(20)
        other.send("others go on")
        assert other.recv(10) == "others go on"


def test_a_web_socket_ends_when_its_api_key_is_revoked(
    streams: Platform, api_key: str
) -> None:
    with web_socket(streams.port, f"{BASE}/chat?apikey={api_key}") as socket:
        streams.cli("api-key", "revoke", api_key.split("_")[1])
        with pytest.raises(ConnectionClosed):
            socket.recv(20)


def test_too_many_messages_close_a_web_socket(
    streams: Platform, backend: Backend
) -> None:
    path = f"{BASE}/talkative"
    with (
        web_socket(streams.port, path) as socket,
        pytest.raises(ConnectionClosed) as caught,
    ):
        burst(socket)
    assert caught.value.rcvd is not None
    assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (
        1008,
        "too many messages",
    )
    until(lambda: 1008 in backend.closed)


def test_a_get_without_upgrade_is_an_ordinary_call(streams: Platform) -> None:
    # The backend of this test asks for the upgrade.
    assert streams.request("default.gw.wso2.com", f"{BASE}/open").status == 426
