"""Answers that the gateway uses again, through the real Envoy."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from harness import DEFINITION, Answer, Platform, free_port

HOST = "default.gw.wso2.com"


class Counting(BaseHTTPRequestHandler):
    """Answers with the number of the call, and with the headers that the query names."""

    protocol_version = "HTTP/1.1"
    calls = 0

    def answer(self) -> None:
        type(self).calls += 1
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        query = dict(parse_qsl(urlsplit(self.path).query))
        body = (f"{self.calls} " + "x" * int(query.pop("size", 0))).encode()
        self.send_response(int(query.pop("status", 200)))
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Type", "text/plain")
        for name, value in query.items():
            self.send_header(name, value)
        override = self.headers.get_all(
            "X-HTTP-Method-Override", []
        ) + self.headers.get_all("X_HTTP_Method_Override", [])
        self.send_header("X-Override", ",".join(override) or "none")
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = answer

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def backend() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Counting)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


def deploy(platform: Platform, backend: int, lifetime: int = 60) -> None:
    policy = {
        "policyName": "ResponseCache",
        "parameters": {"lifetimeSeconds": lifetime},
    }
    operations: list[dict[str, Any]] = [
        {"target": "/open", "verb": "GET", "secured": False},
        {"target": "/open", "verb": "POST", "secured": False},
        {"target": "/own", "verb": "GET"},
    ]
    conf = {
        "name": "cached",
        "basePath": "/cached",
        "version": "1.0.0",
        "type": "REST",
        "endpointConfigurations": {
            "production": {"endpoint": f"http://127.0.0.1:{backend}"}
        },
        "apiPolicies": {
            "request": [
                {
                    "policyName": "AddHeader",
                    "parameters": {"headerName": "x-in", "headerValue": "1"},
                }
            ],
            "response": [
                policy,
                {
                    "policyName": "AddHeader",
                    "parameters": {"headerName": "x-out", "headerValue": "1"},
                },
            ],
        },
        "operations": operations,
    }
    answer = platform.deploy(json.dumps(conf), DEFINITION)
    assert answer.status == 200, answer.body


@pytest.fixture(scope="module")
def cached(platform: Platform, backend: int) -> str:
    deploy(platform, backend)
    return "/cached/1.0.0"


def test_a_fresh_answer_is_used_again(platform: Platform, cached: str) -> None:
    path = f"{cached}/open?n=1&Cache-Control=max-age=60&ETag=%22a%22"

    def call(*more: str) -> Answer:
        return platform.request(HOST, path, *more)

    first, second = call(), call()
    assert (first.status, second.status, second.body) == (200, 200, first.body)
    assert int(second.headers.pop("age")) >= 0
    for answer in (first, second):
        del answer.headers["x-request-id"]
    assert second.headers == first.headers
    assert call("-H", 'If-None-Match: "a"').status == 304
    assert call("-X", "GET", "-d", "x=1").body != first.body
    assert call().body == first.body
    assert call("-H", "Cache-Control: no-cache").body != first.body


@pytest.mark.parametrize("name", ["X-HTTP-Method-Override", "x_http_method_override"])
def test_no_caller_stores_the_answer_to_another_request(
    platform: Platform, cached: str, name: str
) -> None:
    path = f"{cached}/open?override={name}&Cache-Control=max-age=60"
    poisoning = platform.request(HOST, path, "-H", f"{name}: DELETE")
    victim = platform.request(HOST, path)
    assert "age" in victim.headers
    for answer in (poisoning, victim):
        assert answer.headers["x-override"] == "none"
    posted = platform.request(HOST, path, "-X", "POST", "-H", f"{name}: PUT")
    assert posted.headers["x-override"] == "PUT"


def test_headers_of_the_gateway_are_there_once(platform: Platform, cached: str) -> None:
    url = f"https://{HOST}:{platform.port}{cached}/open?once=1"
    command = ["curl", "-ski", "--connect-to", f"::127.0.0.1:{platform.port}", url]
    for _ in range(2):
        answer = subprocess.run(
            command, capture_output=True, check=True, text=True
        ).stdout.lower()
        assert [
            answer.count(f"{name}:") for name in ("x-out", "date", "content-length")
        ] == [1] * 3
    assert "age:" in answer


def test_callers_with_tokens_share_what_is_public_only(
    platform: Platform, cached: str
) -> None:
    token = ("-H", f"Authorization: Bearer {platform.token()}")

    def call(query: str) -> bytes:
        return platform.request(HOST, f"{cached}/own?{query}", *token).body

    own, public = "Cache-Control=max-age=60", "Cache-Control=public,max-age=60"
    assert call(own) != call(own)
    assert call(public) == call(public)
    assert platform.request(HOST, f"{cached}/own?{public}").status == 401


def test_changes_large_answers_and_deployments(
    platform: Platform, cached: str, backend: int
) -> None:
    def call(query: str = "", *more: str) -> bytes:
        return platform.request(HOST, f"{cached}/open?{query}", *more).body

    assert call() == call()
    before = call()
    call("", "--http1.1", "-d", "x=1")
    assert call() != before
    assert call("size=40000") != call("size=40000")
    before = call()
    deploy(platform, backend)
    assert call() == before
    deploy(platform, backend, lifetime=61)
    assert call() != before
    deploy(platform, free_port(), lifetime=61)
    assert platform.request(HOST, f"{cached}/open?").status == 503
