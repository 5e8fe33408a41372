"""What a call of an AI API costs: Envoy's processor time for a REST POST, the same with
`aiProvider` (tokens are read), with prices, with a limit of tokens, and with models to choose from.

Interleaved rounds in one run, as in graphql_cpu.py. All requests are the same POST of 1 kB with a
token; the answer is a chat completion of 1 kB.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from pathlib import Path
from typing import Any

from graphql_cpu import Backend, beside_plain, request
from mcp_cpu import Load, compare, run

from harness import DEFINITION, Platform

QUESTION = {"model": "gpt-4o", "messages": [{"role": "user", "content": "x" * 900}]}
ANSWER = json.dumps({
    "model": "gpt-4o-2024-08-06",
    "choices": [{"message": {"role": "assistant", "content": "x" * 800}}],
    "usage": {"prompt_tokens": 225, "completion_tokens": 200, "total_tokens": 425},
}).encode()  # fmt: skip
PROVIDER = {"name": "OpenAI", "apiVersion": "v1"}
PRICES = {
    "currency": "USD",
    "models": [{"model": "gpt-4o", "prompt": "2.50", "completion": "10.00"}],
}
LIMIT = {
    "enabled": True,
    "token": {"totalLimit": 2_000_000_000, "unit": "Hour"},
    "request": {},
}


class Model(Backend):
    """Answers with tokens."""

    answer = ANSWER


def conf(name: str, endpoint: str, **more: Any) -> str:
    limits = more.pop("limits", {})
    return json.dumps({
        "name": name,
        "basePath": f"/{name}",
        "version": "1.0",
        "type": "REST",
        "endpointConfigurations": {"production": {"endpoint": endpoint, **limits}},
        "operations": [{"target": "/chat", "verb": "POST", "scopes": ["bench"]}],
        **more,
    })  # fmt: skip


def deploy(platform: Platform, backend: int) -> None:
    endpoint = f"http://127.0.0.1:{backend}/backend"
    models = [
        {"model": name, "endpoint": endpoint} for name in ("gpt-4o", "gpt-4o-mini")
    ]
    choice = {
        "policyName": "ModelBasedRoundRobin",
        "parameters": {"onQuotaExceedSuspendDuration": 60, "productionModels": models},
    }
    confs = (
        conf("rest", endpoint),
        conf("tokens", endpoint, aiProvider=PROVIDER),
        conf("priced", endpoint, aiProvider={**PROVIDER, "prices": PRICES}),
        conf("limited", endpoint, aiProvider=PROVIDER, limits={"aiRatelimit": LIMIT}),
        conf(
            "models", endpoint, aiProvider=PROVIDER, apiPolicies={"request": [choice]}
        ),
    )
    for text in confs:
        answer = platform.deploy(text, DEFINITION)
        assert answer.status == 200, answer.body


async def measure(
    folder: Path, platform: Platform, until: contextlib.ExitStack
) -> None:
    backend = await asyncio.get_running_loop().create_server(Model, "127.0.0.1", 0)
    to = backend.sockets[0].getsockname()[1]
    plain, token = await beside_plain(folder, platform, until, to, deploy)
    ours = platform.pid("envoy")

    def through(name: str) -> Load:
        return Load(platform.port, ours, request(f"/{name}/1.0/chat", token, QUESTION))

    plain.request = request("/x", token, QUESTION)
    loads = {
        "plain proxy": plain,
        "kapi, REST POST with JWT, scope": through("rest"),
        "kapi, the same with aiProvider": through("tokens"),
        "kapi, the same with prices": through("priced"),
        "kapi, with aiProvider and a limit of tokens": through("limited"),
        "kapi, with aiProvider and two models": through("models"),
    }
    await compare(loads)
    backend.close()


if __name__ == "__main__":
    run(measure)
