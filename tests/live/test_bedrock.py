"""The binary streams of AWS Bedrock through the real gateway: tokens, limits, guardrails."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from aws_events import MEDIA_TYPE, message, read, wrapped
from harness import DEFINITION, Answer, Platform

METRICS = {"inputTokenCount": 40, "outputTokenCount": 60}
INVOKE = "/model/{modelId}/invoke-with-response-stream"
CONVERSE = "/model/{modelId}/converse-stream"


class _Bedrock(BaseHTTPRequestHandler):
    """Says in pieces what it is asked."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))[
            "prompt"
        ]
        invoked = "invoke" in self.path
        half = len(asked) // 2
        documents: list[Any] = []
        for text in (asked[:half], asked[half:]):
            documents.append(
                {"type": "content_block_delta", "index": 0, "delta": {"text": text}}
            )
        if invoked:
            documents.append(
                {"type": "message_stop", "amazon-bedrock-invocationMetrics": METRICS}
            )
        else:
            usage = {"inputTokens": 40, "outputTokens": 60, "totalTokens": 100}
            documents.append({"usage": usage})
        form = wrapped if invoked else lambda item: json.dumps(item).encode()
        body = b"".join(message(form(item)) for item in documents)
        self.send_response(200)
        self.send_header("Content-Type", MEDIA_TYPE)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def backend() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Bedrock)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server.server_address[1]
    server.shutdown()


def deployed(platform: Platform, name: str, port: int, **more: Any) -> str:
    operations = [
        {"target": item, "verb": "POST", "secured": False}
        for item in (INVOKE, CONVERSE)
    ]
    endpoint = {"endpoint": f"http://127.0.0.1:{port}", **more.pop("endpoint", {})}
    conf = {
        "name": name,
        "basePath": f"/{name}",
        "version": "1.0.0",
        "type": "REST",
        "aiProvider": {"name": "AWSBedrock", "apiVersion": "v1"},
        "endpointConfigurations": {"production": endpoint},
        "operations": operations,
        **more,
    }
    answer = platform.deploy(json.dumps(conf), DEFINITION)
    assert answer.status == 200, answer.body
    return f"/{name}/1.0.0/model/anthropic.claude-3"


def ask(platform: Platform, path: str, text: str) -> Answer:
    # Over HTTP/2, this curl loses a refusal that comes before it has sent the body.
    sent = ("-H", "Content-Type: application/json", "-d", json.dumps({"prompt": text}))
    return platform.request("default.gw.wso2.com", path, "--http1.1", *sent)


def test_tokens_of_an_invoked_stream_count_towards_a_limit(
    platform: Platform, backend: int
) -> None:
    limit = {
        "promptLimit": 1000,
        "completionLimit": 1000,
        "totalLimit": 150,
        "unit": "Day",
    }
    calls = {"requestLimit": 1000, "unit": "Day"}
    limited = {"aiRatelimit": {"enabled": True, "token": limit, "request": calls}}
    path = deployed(platform, "bedrock-limit", backend, endpoint=limited)
    answers = [
        ask(platform, f"{path}/invoke-with-response-stream", "hello") for _ in range(3)
    ]
    assert [answer.status for answer in answers] == [200, 200, 429]
    assert read(answers[0].body)[2]["amazon-bedrock-invocationMetrics"] == METRICS


@pytest.mark.parametrize("method", ["invoke-with-response-stream", "converse-stream"])
def test_guardrails_check_and_change_binary_streams(
    platform: Platform, backend: int, method: str
) -> None:
    forbidden = {"regex": "password: [a-z]+", "invert": True}
    checks = [{"policyName": "RegexGuardrail", "parameters": forbidden}]
    mask = {"entities": [{"name": "EMAIL"}]}
    masks = [{"policyName": "PIIMaskingGuardrail", "parameters": mask}]
    path = deployed(
        platform,
        f"bedrock-{method}",
        backend,
        apiPolicies={"request": masks, "response": checks},
    )
    answer = ask(platform, f"{path}/{method}", "write to ada@example.com, please")
    texts = [item["delta"]["text"] for item in read(answer.body) if "delta" in item]
    assert "".join(texts) == "write to ada@example.com, please"
    refused = ask(platform, f"{path}/{method}", "the password: hunter").json()
    assert refused["type"] == "REGEX_GUARDRAIL"
    assert refused["message"]["direction"] == "RESPONSE"
