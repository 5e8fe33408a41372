"""Limits of AI backends through the real gateway: tokens as the answers say them, plain, packed and
streamed, over HTTP/1.1 and HTTP/2.
"""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ai_backend import RELEASED, ai_backend
from harness import DEFINITION, Answer, Platform, free_port
from kapi.gateway.calls.lines import read_line
from kapi.settings import WELL_KNOWN_CLIENT_ID
from waiting import until

GW, SANDBOX = "default.gw.wso2.com", "default.sandbox.gw.wso2.com"
OWN = (
    '[[gateway.ai_providers]]\nname = "llm-provider-1"\napi_version = "2024.06.01"\n'
    'prompt_tokens = ["header:prompt_tokens"]\n'
)
LOGGED = {"KAPI_GATEWAY__ACCESS_LOG": "true"}
TIERS = """
[[subscriptions.tiers]]
name = "Thousands"
total_tokens = 5000
token_unit = "Hour"

[[subscriptions.tiers]]
name = "Mixed"
requests = 3
unit = "Hour"
prompt_tokens = 10
completion_tokens = 10
token_unit = "Hour"
"""


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("kapi")
    (folder / "kapi.toml").write_text(OWN + TIERS)
    environment = {
        "KAPI_CONFIG": str(folder / "kapi.toml"),
        "KAPI_GATEWAY__CONCURRENCY": "2",
    } | LOGGED
    running = Platform(free_port(), folder / "data", environment=environment)
    running.start()
    yield running
    running.stop()
    assert "Traceback" not in "".join(
        path.read_text() for path in (running.data_dir / "logs").glob("*.log")
    )


@pytest.fixture(scope="module")
def backend() -> Iterator[int]:
    with ai_backend() as port:
        yield port


@pytest.fixture(autouse=True)
def within_one_hour() -> None:
    """No test is on both sides of a window."""
    left = 3600 - time.time() % 3600
    if left < 60:
        time.sleep(left + 0.1)


def endpoint(port: int, path: str = "", **limits: int) -> dict[str, Any]:
    """With limits by the hour: promptLimit, completionLimit, totalLimit, requestLimit."""
    tokens = {name: count for name, count in limits.items() if name != "requestLimit"}
    requests = {name: count for name, count in limits.items() if name == "requestLimit"}
    limited = {
        "enabled": True,
        "token": {**tokens, "unit": "Hour"},
        "request": {**requests, "unit": "Hour"},
    }
    return {
        "endpoint": f"http://127.0.0.1:{port}{path}",
        **({"aiRatelimit": limited} if limits else {}),
    }


def deployed(
    platform: Platform,
    name: str,
    endpoints: dict[str, Any],
    *operations: dict[str, Any],
    **more: Any,
) -> None:
    conf = {
        "name": name,
        "basePath": f"/{name}",
        "version": "1.0.0",
        "type": "REST",
        "aiProvider": {"name": "OpenAI", "apiVersion": "v1"},
        "endpointConfigurations": endpoints,
        "operations": list(operations)
        or [{"target": "/chat", "verb": "POST", "secured": False}],
        **more,
    }
    answer = platform.deploy(json.dumps(conf), DEFINITION)
    assert answer.status == 200, answer.body


def ask(
    platform: Platform, path: str, *more: str, host: str = GW, **asked: Any
) -> Answer:
    # Without a body: curl 7.88 takes the early answer to a body over HTTP/2 for an error now and
    # then.
    return platform.request(
        host, path, "-X", "POST", "-H", f"X-Ask: {json.dumps(asked)}", *more
    )


def statuses(
    platform: Platform, path: str, times: int, *more: str, host: str = GW, **asked: Any
) -> list[int]:
    return [ask(platform, path, *more, host=host, **asked).status for _ in range(times)]


@pytest.mark.parametrize("http", ["--http1.1", "--http2"])
@pytest.mark.parametrize("form", ["plain", "packed", "streamed"])
def test_tokens_used_up_are_429_until_the_window_ends(
    platform: Platform, backend: int, http: str, form: str
) -> None:
    name = f"chat{form}{http.removeprefix('--http').replace('.', '')}"
    deployed(
        platform,
        name,
        {"production": endpoint(backend, totalLimit=25, promptLimit=1000)},
    )
    path, more = (
        f"/{name}/1.0.0/chat",
        (
            http,
            *(
                ["--compressed", "-H", "Accept-Encoding: br, gzip"]
                if form == "packed"
                else []
            ),
        ),
    )
    asked = {"say": [8, 4], "stream": form == "streamed"}
    first = ask(platform, path, *more, **asked)
    assert (
        first.status,
        first.headers["x-ratelimit-limit"],
        first.headers["x-ratelimit-remaining"],
    ) == (200, "25, 25;w=3600", "24")
    if form == "streamed":
        assert first.body.decode().endswith("data: [DONE]\n\n")
    else:
        assert first.json()["usage"]["total_tokens"] == 12
        assert first.headers.get("content-encoding") == (
            "gzip" if form == "packed" else None
        )
    # 24 of 25 are used after the second; the third goes over, and is still answered in full.
    assert statuses(platform, path, 2, *more, **asked) == [200, 200]
    over = ask(platform, path, *more, **asked)
    assert over.status == 429
    assert {field: over.json()[field] for field in ("error_message", "code")} == {
        "error_message": "Message throttled out",
        "code": "900800",
    }
    assert abs(int(over.headers["retry-after"]) - (3600 - time.time() % 3600)) < 5
    assert (
        over.headers["x-ratelimit-limit"],
        over.headers["x-ratelimit-remaining"],
    ) == (
        "25, 25;w=3600",
        "0",
    )


def test_events_reach_the_caller_when_they_are_sent(
    platform: Platform, backend: int
) -> None:
    deployed(platform, "events", {"production": endpoint(backend, totalLimit=1000)})
    url = f"https://{GW}:{platform.port}/events/1.0.0/chat"
    command = [
        "curl",
        "-skN",
        "--resolve",
        f"{GW}:{platform.port}:127.0.0.1",
        url,
        "-X",
        "POST",
        "-H",
        'X-Ask: {"stream": true, "hold": true}',
    ]
    RELEASED.clear()
    with subprocess.Popen(command, stdout=subprocess.PIPE) as client:
        assert client.stdout is not None
        assert client.stdout.readline().startswith(b"data: ")
        RELEASED.set()
        rest = client.stdout.read()
    assert rest.decode().splitlines()[-2] == "data: [DONE]"


def test_an_answer_that_says_nothing_counts_one_token_and_a_stream_by_its_text(
    platform: Platform, backend: int
) -> None:
    # "The end." is eight characters: two tokens.
    deployed(platform, "silent", {"production": endpoint(backend, totalLimit=5)})
    path = "/silent/1.0.0/chat"
    assert statuses(platform, path, 1, usage=False) + statuses(
        platform, path, 1, usage=False, stream=True
    ) == [200, 200]
    assert ask(platform, path, status=500, usage=False).status == 500
    assert statuses(platform, path, 2, usage=False) == [200, 429]


def test_a_call_counts_one_when_it_is_let_in_and_the_rest_with_its_answer(
    platform: Platform, backend: int
) -> None:
    deployed(platform, "steps", {"production": endpoint(backend, totalLimit=5000)})
    answers = [ask(platform, "/steps/1.0.0/chat", say=[200, 100]) for _ in range(3)]
    assert [answer.headers["x-ratelimit-remaining"] for answer in answers] == [
        "4999",
        "4699",
        "4399",
    ]


def test_tokens_are_limited_by_the_tier_of_a_subscription(
    platform: Platform, backend: int
) -> None:
    operations = {
        "operations": [{"target": "/chat", "verb": "POST"}],
        "subscriptionValidation": True,
    }
    for name in ("thousands", "mixed"):
        deployed(platform, name, {"production": endpoint(backend)}, **operations)
    config = ("--config", platform.environment["KAPI_CONFIG"])
    platform.cli("app", "create", "chatty", *config)
    platform.cli("app", "add-key", "chatty", WELL_KNOWN_CLIENT_ID, *config)
    platform.cli(
        "subscription", "add", "chatty", "thousands", "--tier", "Thousands", *config
    )
    platform.cli("subscription", "add", "chatty", "mixed", "--tier", "Mixed", *config)
    bearer = ("-H", f"Authorization: Bearer {platform.token()}")
    answers = [
        ask(platform, "/thousands/1.0.0/chat", *bearer, say=[200, 100])
        for _ in range(3)
    ]
    assert [answer.headers["x-ratelimit-remaining"] for answer in answers] == [
        "4999",
        "4699",
        "4399",
    ]
    assert statuses(
        platform, "/thousands/1.0.0/chat", 2, *bearer, say=[1, 5000], stream=True
    ) == [
        200,
        429,
    ]
    assert ask(platform, "/thousands/1.0.0/chat", *bearer).json()["code"] == "900804"
    # Of this tier, prompts are used up first, then completions, then requests; an application of
    # its own for each.
    for number, say, answered in ((1, [5, 1], 2), (2, [1, 5], 2), (3, [1, 1], 3)):
        key = json.loads(
            platform.cli("client", "create", f"c{number}", "-o", "json", *config).stdout
        )
        platform.cli("app", "create", f"chatty{number}", *config)
        platform.cli("app", "add-key", f"chatty{number}", key["client_id"], *config)
        platform.cli(
            "subscription",
            "add",
            f"chatty{number}",
            "mixed",
            "--tier",
            "Mixed",
            *config,
        )
        basic = (
            "-u",
            f"{key['client_id']}:{key['client_secret']}",
            "-d",
            "grant_type=client_credentials",
        )
        token = platform.request("idp.am.wso2.com", "/oauth2/token", *basic).json()[
            "access_token"
        ]
        found = statuses(
            platform,
            "/mixed/1.0.0/chat",
            4,
            "-H",
            f"Authorization: Bearer {token}",
            say=say,
        )
        assert found == [200] * answered + [429] * (4 - answered)


def test_the_numbers_of_prompts_and_completions_are_limits_of_their_own(
    platform: Platform, backend: int
) -> None:
    deployed(platform, "prompts", {"production": endpoint(backend, promptLimit=10)})
    deployed(
        platform, "completions", {"production": endpoint(backend, completionLimit=10)}
    )
    assert statuses(platform, "/prompts/1.0.0/chat", 3, say=[5, 900]) == [200, 200, 429]
    assert statuses(platform, "/completions/1.0.0/chat", 3, say=[900, 5]) == [
        200,
        200,
        429,
    ]


def test_production_and_sandbox_are_counted_apart_and_so_are_the_endpoints_of_operations(
    platform: Platform, backend: int
) -> None:
    limited = endpoint(backend, totalLimit=12)
    deployed(
        platform,
        "hosts",
        {"production": limited, "sandbox": limited},
        defaultVersion=True,
    )
    assert statuses(platform, "/hosts/1.0.0/chat", 1) + statuses(
        platform, "/hosts/chat", 1
    ) == [
        200,
        429,
    ]
    assert statuses(platform, "/hosts/chat", 2, host=SANDBOX) == [200, 429]
    operations = [
        {
            "target": f"/{name}",
            "verb": "POST",
            "secured": False,
            "endpointConfigurations": {"production": limited},
        }
        for name in "ab"
    ]
    deployed(
        platform,
        "operations",
        {},
        *operations,
        {
            "target": "/c",
            "verb": "POST",
            "secured": False,
            "endpointConfigurations": {"production": endpoint(backend)},
        },
    )
    assert statuses(platform, "/operations/1.0.0/a", 2) == [200, 429]
    assert statuses(platform, "/operations/1.0.0/b", 2) == [200, 429]
    assert ask(platform, "/operations/1.0.0/b").json()["code"] == "900802"
    assert statuses(platform, "/operations/1.0.0/c", 3) == [200] * 3


def test_what_one_limit_refuses_does_not_count_against_another(
    platform: Platform, backend: int
) -> None:
    deployed(
        platform,
        "both",
        {"production": endpoint(backend, totalLimit=12, requestLimit=100)},
        rateLimit={"requestsPerUnit": 5, "unit": "Hour"},
    )
    assert statuses(platform, "/both/1.0.0/chat", 4) == [200, 429, 429, 429]
    deployed(
        platform,
        "both",
        {"production": endpoint(backend, totalLimit=1200, requestLimit=100)},
        rateLimit={"requestsPerUnit": 5, "unit": "Hour"},
    )
    assert statuses(platform, "/both/1.0.0/chat", 5) == [200] * 4 + [429]


def test_every_token_is_counted_however_many_ask_at_once(
    platform: Platform, backend: int
) -> None:
    deployed(
        platform,
        "many",
        {"production": endpoint(backend, totalLimit=100_000, requestLimit=60)},
    )
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(
                lambda number: (
                    ask(platform, "/many/1.0.0/chat", say=[number, 1]).status
                ),
                range(80),
            )
        )
    assert (answers.count(200), answers.count(429)) == (60, 20)
    spent = sum(number + 1 for number, status in enumerate(answers) if status == 200)
    deployed(
        platform,
        "many",
        {"production": endpoint(backend, totalLimit=100_000, requestLimit=200_000)},
    )
    assert ask(platform, "/many/1.0.0/chat").headers["x-ratelimit-remaining"] == str(
        100_000 - spent - 1
    )


def test_a_long_answer_passes_as_it_is(platform: Platform, backend: int) -> None:
    deployed(platform, "long", {"production": endpoint(backend, totalLimit=12)})
    long = ask(platform, "/long/1.0.0/chat", size=5_000_000)
    assert len(long.json()["choices"][0]["message"]["content"]) == 5_000_000
    assert ask(platform, "/long/1.0.0/chat").status == 429


def test_what_a_script_makes_of_an_answer_is_what_is_read(
    platform: Platform, backend: int
) -> None:
    script = """
function envoy_on_response(handle)
  local body = handle:body()
  local text = body:getBytes(0, body:length()):gsub('"total_tokens": 12', '"total_tokens": 30')
  body:setBytes(text)
end
"""
    policy = {
        "policyName": "LuaInterceptor",
        "parameters": {"name": "dearer", "sourceCode": script},
    }
    deployed(
        platform,
        "scripted",
        {"production": endpoint(backend, totalLimit=50)},
        apiPolicies={"response": [policy]},
    )
    assert ask(platform, "/scripted/1.0.0/chat").json()["usage"]["total_tokens"] == 30
    assert statuses(platform, "/scripted/1.0.0/chat", 2) == [200, 429]


def test_a_provider_of_the_settings_says_where_its_numbers_stand(
    platform: Platform, backend: int
) -> None:
    provider = {"name": "llm-provider-1", "apiVersion": "2024.06.01"}
    deployed(
        platform,
        "own",
        {"production": endpoint(backend, promptLimit=10)},
        aiProvider=provider,
    )
    assert statuses(platform, "/own/1.0.0/chat", 3, say=[5, 1], usage=False) == [
        200,
        200,
        429,
    ]


def test_an_unknown_provider_is_refused_with_those_that_are_known(
    platform: Platform, backend: int
) -> None:
    conf = {
        "name": "unknown",
        "basePath": "/unknown",
        "version": "1.0.0",
        "type": "REST",
        "aiProvider": {"name": "Nobody", "apiVersion": "v1"},
        "endpointConfigurations": {"production": endpoint(backend, totalLimit=5)},
        "operations": [{"target": "/chat", "verb": "POST"}],
    }
    answer = platform.deploy(json.dumps(conf), DEFINITION)
    assert answer.status == 400
    assert "unknown AI provider Nobody" in answer.body.decode()
    assert "llm-provider-1 (2024.06.01)" in answer.body.decode()


def test_counts_are_kept_across_deployments_and_restarts(
    platform: Platform, backend: int
) -> None:
    deployed(
        platform,
        "kept",
        {"production": endpoint(backend, totalLimit=36, promptLimit=500)},
    )
    assert statuses(platform, "/kept/1.0.0/chat", 2) == [200, 200]
    deployed(
        platform,
        "kept",
        {"production": endpoint(backend, totalLimit=36)},
        additionalProperties=[{"name": "a", "value": "b"}],
    )
    assert (
        ask(platform, "/kept/1.0.0/chat", usage=False).headers["x-ratelimit-remaining"]
        == "11"
    )
    platform.stop()
    platform.start()
    assert statuses(platform, "/kept/1.0.0/chat", 2) == [200, 429]


def metrics(platform: Platform) -> str:
    """What the control process says on its socket."""
    connection = http.client.HTTPConnection("control")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
        peer.connect(str(platform.data_dir / "run" / "control.sock"))
        connection.sock = peer
        connection.request("GET", "/metrics")
        return connection.getresponse().read().decode()


def test_tokens_are_in_the_access_log_and_the_metrics_without_a_limit(
    platform: Platform, backend: int
) -> None:
    models = [{"model": "stand-in", "prompt": "2.50", "completion": "10"}]
    provider = {"name": "OpenAI", "apiVersion": "v1"}
    provider["prices"] = {"currency": "USD", "models": models}
    more = {"id": "seen-api", "aiProvider": provider}
    deployed(platform, "seen", {"production": endpoint(backend)}, **more)
    statuses(platform, "/seen/1.0.0/chat", 2, say=[70, 30])
    # "The end." without usage: the estimate.
    statuses(platform, "/seen/1.0.0/chat", 1, stream=True, usage=False)
    expected = 'kapi_ai_tokens_total{api="seen-api",kind="completion"} 62'
    until(lambda: expected in metrics(platform))
    assert 'kapi_ai_tokens_total{api="seen-api",kind="prompt"} 140' in metrics(platform)
    log = platform.data_dir / "logs" / "access.log"

    def logged() -> list[tuple[str | None, ...]]:
        lines = [read_line(line) for line in log.read_bytes().splitlines()]
        names = ("prompt_tokens", "completion_tokens", "total_tokens", "cost")
        return [
            tuple(line.get(name) for name in names)
            for line in lines
            if "/seen/" in line["url"]
        ]

    until(lambda: len(logged()) == 3)
    # The stream names no model.
    assert logged() == [
        *[("70", "30", "100", "0.000475 USD")] * 2,
        ("0", "2", "2", None),
    ]
    costs = 'api="seen",version="1.0.0",organization="default",application="",currency="USD"'
    until(lambda: f"kapi_ai_cost_total{{{costs}}} 0.00095" in metrics(platform))
