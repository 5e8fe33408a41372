"""Server-sent events and long polling through the real gateway: no filter holds an event, and times
of their own.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from harness import DEFINITION, Platform
from interceptor_service import Service, interceptor, policy
from waiting import LIMIT, until

HOST = "default.gw.wso2.com"
EVENTS = 5


@dataclass
class Source:
    """A backend that sends an event each time that the test asks for one."""

    port: int = 0
    wanted: dict[str, threading.Semaphore] = field(default_factory=dict)

    def of(self, path: str) -> threading.Semaphore:
        """Released for each event of the call with this query."""
        return self.wanted.setdefault(path.partition("?")[2], threading.Semaphore(0))


def handler(source: Source) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.do_GET()

        def do_GET(self) -> None:
            if "poll" in self.path:
                assert source.of(self.path).acquire(timeout=LIMIT)
                return self.answer(b"{}", "application/json")
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            with contextlib.suppress(OSError):
                for number in range(EVENTS):
                    if not source.of(self.path).acquire(timeout=LIMIT):
                        return None
                    usage = {"usage": {"prompt_tokens": 1, "completion_tokens": number}}
                    self.chunk(
                        f"data: {json.dumps({'n': number, **usage})}\n\n".encode()
                    )
                self.chunk(b"")
            return None

        def answer(self, body: bytes, kind: str) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with contextlib.suppress(OSError):
                self.wfile.write(body)

        def chunk(self, data: bytes) -> None:
            self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
            self.wfile.flush()

        def log_message(self, *_: object) -> None:
            pass

    return Handler


@pytest.fixture(scope="module")
def source() -> Iterator[Source]:
    made = Source()
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(made))
    server.daemon_threads = True
    made.port = server.server_address[1]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield made
    server.shutdown()


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with interceptor() as running:
        yield running


SCRIPT = """
function envoy_on_request(handle)
  local body = handle:body()
  handle:headers():add("x-length", body and body:length() or 0)
end
function envoy_on_response(handle)
  handle:headers():add("x-script", "seen")
  for chunk in handle:bodyChunks() do chunk:length() end
end
"""


def deploy(
    platform: Platform, name: str, port: int, operations: Any, **fields: Any
) -> str:
    endpoint = {
        "endpoint": f"http://127.0.0.1:{port}/backend",
        "resiliency": {"timeout": {"upstreamResponseTimeout": 1}},
        **fields.pop("endpoint", {}),
    }
    data = {
        "name": name,
        "basePath": f"/{name}",
        "version": "1.0.0",
        "type": "REST",
        "endpointConfigurations": {"production": endpoint},
        "operations": operations,
        **fields,
    }
    answer = platform.deploy(json.dumps(data), DEFINITION)
    assert answer.status == 200, answer.body
    return f"/{name}/1.0.0"


@pytest.fixture(scope="module")
def filtered(platform: Platform, source: Source, service: Service) -> str:
    """An API with every filter that sees a response."""
    service.reset(request={}, response={})
    asked = policy(
        "Interceptor",
        backendUrl=f"http://127.0.0.1:{service.port}",
        headersEnabled=True,
    )
    script = policy("LuaInterceptor", name="script", sourceCode=SCRIPT)
    limits = {"token": {"totalLimit": 1_000_000, "unit": "Day"}, "request": {}}
    events = {"type": "ServerSentEvents"}
    return deploy(
        platform,
        "filtered",
        source.port,
        [
            {"target": "/events", "verb": "GET", "stream": events},
            {"target": "/answers", "verb": "POST", "stream": events},
        ],
        aiProvider={"name": "OpenAI", "apiVersion": "v1"},
        endpoint={"aiRatelimit": {"enabled": True, **limits}},
        rateLimit={"requestsPerUnit": 1000, "unit": "Day"},
        apiPolicies={
            "request": [asked, script, policy("BackendJwt")],
            "response": [asked, script],
        },
        corsConfiguration={
            "corsConfigurationEnabled": True,
            "accessControlAllowOrigins": ["*"],
        },
    )


@pytest.fixture(scope="module")
def plain(platform: Platform, source: Source) -> str:
    operations = [
        {"target": "/events", "verb": "GET", "stream": {"type": "ServerSentEvents"}},
        {
            "target": "/short",
            "verb": "GET",
            "stream": {"type": "ServerSentEvents", "maxDuration": 1},
        },
        {
            "target": "/poll",
            "verb": "GET",
            "stream": {"type": "LongPolling", "maxDuration": 3},
        },
        {"target": "/ordinary-poll", "verb": "GET"},
    ]
    return deploy(
        platform,
        "plain",
        source.port,
        operations,
        authentication=[{"authType": "APIKey"}],
    )


@pytest.fixture(scope="module")
def token(platform: Platform) -> str:
    return platform.token()


@contextlib.contextmanager
def call(
    platform: Platform, path: str, token: str = "", method: str = "GET", **headers: str
) -> Iterator[http.client.HTTPResponse]:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = http.client.HTTPSConnection(
        "127.0.0.1", platform.port, context=context, timeout=20
    )
    sent = {
        "Host": HOST,
        **({"Authorization": f"Bearer {token}"} if token else {}),
        **headers,
    }
    connection.request(method, path, b"{}" if method == "POST" else None, sent)
    try:
        yield connection.getresponse()
    finally:
        connection.close()


def event(response: http.client.HTTPResponse) -> dict[str, Any]:
    line = response.readline()
    assert response.readline() == b"\n"
    return json.loads(line.removeprefix(b"data: "))


@pytest.mark.parametrize(("method", "path"), [("GET", "/events"), ("POST", "/answers")])
def test_each_event_arrives_before_the_next_is_sent(
    platform: Platform,
    source: Source,
    filtered: str,
    token: str,
    method: str,
    path: str,
) -> None:
    with call(
        platform,
        f"{filtered}{path}?{method}",
        token,
        method,
        Origin="https://a.example",
    ) as response:
        # The headers are there before the first event.
        assert (response.status, response.headers["x-script"]) == (200, "seen")
        for number in range(EVENTS):
            source.of(f"?{method}").release()
            assert event(response)["n"] == number
        assert response.read() == b""


def test_a_script_cannot_wait_for_the_end_of_a_stream(
    platform: Platform, source: Source, token: str
) -> None:
    text = "function envoy_on_response(handle) handle:body() end"
    script = policy("LuaInterceptor", name="script", sourceCode=text)
    path = deploy(
        platform,
        "waiting",
        source.port,
        [{"target": "/events", "verb": "GET", "stream": {"type": "ServerSentEvents"}}],
        apiPolicies={"response": [script]},
    )
    with call(platform, f"{path}/events", token) as response:
        assert response.status == 500
    log = platform.data_dir / "logs" / "envoy.log"
    until(lambda: "a stream has no whole body" in log.read_text())


def test_a_stream_outlives_the_response_timeout_of_its_endpoint(
    platform: Platform, source: Source, plain: str, token: str
) -> None:
    with call(platform, f"{plain}/ordinary-poll?never", token) as response:
        assert response.status == 504
    with call(platform, f"{plain}/events?late", token) as response:
        threading.Event().wait(1.5)
        source.of("?late").release()
        assert event(response)["n"] == 0


def test_a_long_poll_is_answered_late_or_not_at_all(
    platform: Platform, source: Source, plain: str, token: str
) -> None:
    threading.Timer(1.5, source.of("?poll").release).start()
    with call(platform, f"{plain}/poll?poll", token) as response:
        assert (response.status, response.read()) == (200, b"{}")
    with call(platform, f"{plain}/poll", token) as response:
        assert (response.status, json.load(response)["code"]) == (504, "102504")


def test_events_end_after_their_longest_life_and_with_their_key(
    platform: Platform, source: Source, plain: str, token: str
) -> None:
    with (
        call(platform, f"{plain}/short?never", token) as response,
        pytest.raises((http.client.IncompleteRead, ConnectionError)),
    ):
        response.read()
    key = platform.cli("api-key", "create", "plain:1.0.0", "--opaque").stdout.strip()
    with call(platform, f"{plain}/events?never", apikey=key) as response:
        assert response.status == 200
        platform.cli("api-key", "revoke", key.split("_")[1])
        with pytest.raises((http.client.IncompleteRead, ConnectionError)):
            response.read()
