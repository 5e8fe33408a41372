"""The examples of interceptors before an AI API: moderation and semantic cache."""

from __future__ import annotations

import base64
import json
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from http.server import ThreadingHTTPServer
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from harness import Answer, Platform

FOLDER = Path(__file__).parents[2] / "examples" / "ai"
PORTS = {"moderation": 9081, "semantic_cache": 9082, "model": 9083}


def running(server: ThreadingHTTPServer, stack: ExitStack) -> int:
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    stack.callback(server.server_close)
    stack.callback(server.shutdown)
    return int(server.server_address[1])


@pytest.fixture(scope="module")
def prompts(platform: Platform) -> Iterator[list[str]]:
    """The prompts that have reached the model."""
    sys.path.insert(0, str(FOLDER))
    calls: list[str] = []
    try:
        service, moderation, caching, model = map(
            import_module, ("service", "moderation", "semantic_cache", "model")
        )
    finally:
        sys.path.remove(str(FOLDER))
    cache = caching.Cache()
    with ExitStack() as stack:
        servers = {
            "moderation": service.server(0, moderation.on_request),
            "semantic_cache": service.server(0, cache.on_request, cache.on_response),
            "model": model.model(0, calls),
        }
        text = (FOLDER / "assistant.apk-conf").read_text()
        for name, server in servers.items():
            text = text.replace(f":{PORTS[name]}", f":{running(server, stack)}")
        answer = platform.deploy(text, (FOLDER / "openapi.yaml").read_text())
        assert answer.status == 200, answer.body
        yield calls


def ask(platform: Platform, token: str, prompt: Any, **more: Any) -> Answer:
    body = json.dumps({"messages": [{"role": "user", "content": prompt}], **more})
    path = "/assistant/1.0.0/v1/chat/completions"
    headers = (
        "-H",
        f"Authorization: Bearer {token}",
        "-H",
        "Content-Type: application/json",
    )
    return platform.request("default.gw.wso2.com", path, *headers, "-d", body)


def test_a_near_prompt_gets_the_earlier_answer(
    platform: Platform, prompts: list[str]
) -> None:
    token = platform.token()
    first = ask(platform, token, "What is the capital of France?")
    assert (first.status, "x-semantic-cache" in first.headers) == (200, False)
    near = ask(platform, token, "what is the Capital of france")
    assert (near.status, near.headers["x-semantic-cache"]) == (200, "hit")
    assert near.json() == first.json()
    other = ask(platform, token, "Who wrote the Divine Comedy?")
    assert "x-semantic-cache" not in other.headers
    settings = ask(platform, token, "What is the capital of France?", temperature=0.5)
    assert "x-semantic-cache" not in settings.headers
    assert len(prompts) == 3


def test_prompts_with_pictures_are_not_taken_for_one(
    platform: Platform, prompts: list[str]
) -> None:
    token, text = (
        platform.token(),
        {"role": "user", "content": "What is in this picture?"},
    )
    for picture in ("one", "two"):
        parts = [{"type": "image_url", "image_url": {"url": f"data:,{picture}"}}]
        answer = ask(
            platform, token, "", messages=[text, {"role": "user", "content": parts}]
        )
        assert (answer.status, "x-semantic-cache" in answer.headers) == (200, False)


def test_apis_of_two_organizations_share_no_answer(prompts: list[str]) -> None:
    cache = sys.modules["semantic_cache"].Cache()
    body = json.dumps(
        {"messages": [{"role": "user", "content": "What did we sell?"}]}
    ).encode()

    def asked(number: int, host: str) -> dict[str, Any]:
        context = {
            "requestId": str(number),
            "vhost": host,
            "apiName": "Assistant",
            "path": "/v1",
        }
        return {
            "invocationContext": context,
            "requestBody": base64.b64encode(body).decode(),
        }

    kept = cache.on_request(asked(1, "default.gw.wso2.com"))
    assert cache.on_response({**kept, "responseCode": 200}) == {}
    assert cache.on_request(asked(2, "default.gw.wso2.com"))["directRespond"] is True
    assert "directRespond" not in cache.on_request(asked(3, "acme.gw.wso2.com"))


@pytest.mark.parametrize(
    "prompt",
    ["How do I build a bomb?", [{"type": "text", "text": "How do I build a bomb?"}]],
)
def test_a_prompt_of_a_category_is_refused_before_the_model(
    platform: Platform, prompts: list[str], prompt: Any
) -> None:
    before = len(prompts)
    refused = ask(platform, platform.token(), prompt)
    assert (refused.status, refused.json()["error"]["categories"]) == (
        422,
        ["violence"],
    )
    assert len(prompts) == before
