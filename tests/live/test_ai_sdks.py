"""The SDKs of OpenAI and Anthropic as clients of the gateway, with a stand-in of both providers.

The real providers are not called.
"""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator

import anthropic
import httpx2 as httpx
import openai
import pytest

from harness import DEFINITION, Platform, free_port
from sdk_backend import KEY, sdk_backend
from waiting import until

pytestmark = pytest.mark.long

GW = "default.gw.wso2.com"
OPERATIONS = ("/v1/chat/completions", "/v1/responses", "/v1/embeddings", "/v1/messages")


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    running = Platform(free_port(), tmp_path_factory.mktemp("kapi") / "data")
    running.start()
    with sdk_backend() as port:
        for name, header in (
            ("OpenAI", "Authorization"),
            ("AnthropicClaudeAI", "x-api-key"),
        ):
            deployed(running, name, header, port)
        yield running
    running.stop()


def deployed(platform: Platform, provider: str, header: str, port: int) -> None:
    """An API of the provider with the key from a named secret, and a guardrail."""
    name = provider.lower()
    file = platform.data_dir.parent / name
    file.write_text(KEY[header])
    platform.cli("secret", "set", name, "key", f"--file={file}")
    key = {
        "secretName": name,
        "in": "Header",
        "apiKeyNameKey": header,
        "apiKeyValueKey": "key",
    }
    guardrail = {"regex": "(?i)forbidden", "invert": True}
    policies = [{"policyName": "RegexGuardrail", "parameters": guardrail}]
    conf = {
        "id": name,
        "name": name,
        "basePath": f"/{name}",
        "version": "1.0.0",
        "type": "REST",
        "aiProvider": {"name": provider, "apiVersion": "v1"},
        "endpointConfigurations": {
            "production": {
                "endpoint": f"http://127.0.0.1:{port}",
                "endpointSecurity": {"enabled": True, "securityType": key},
            }
        },
        "authentication": [{"authType": "OAuth2", "sendTokenToUpstream": False}],
        "apiPolicies": {"request": policies, "response": []},
        "operations": [{"target": target, "verb": "POST"} for target in OPERATIONS],
    }
    answer = platform.deploy(json.dumps(conf), DEFINITION)
    assert answer.status == 200, answer.body


def tokens(platform: Platform) -> dict[str, float]:
    """What the metrics say of each API and kind."""
    connection = http.client.HTTPConnection("control")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
        peer.connect(str(platform.data_dir / "run" / "control.sock"))
        connection.sock = peer
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
    lines = [
        line for line in text.splitlines() if line.startswith("kapi_ai_tokens_total{")
    ]
    return {line.split("{")[1].split("}")[0]: float(line.split()[-1]) for line in lines}


def test_the_sdk_of_openai(platform: Platform) -> None:
    client = openai.OpenAI(
        base_url=f"https://127.0.0.1:{platform.port}/openai/1.0.0/v1",
        api_key=platform.token(),
        http_client=httpx.Client(verify=False, headers={"Host": GW}),
        default_headers={"Host": GW},
        max_retries=0,
    )
    hello = [{"role": "user", "content": "Hello there."}]
    chat = client.chat.completions.create(model="m", messages=hello)
    assert chat.choices[0].message.content == "Good day to you."
    stream = client.chat.completions.create(model="m", messages=hello, stream=True)
    pieces = [item.choices[0].delta.content or "" for item in stream]
    assert "".join(pieces) == "Good day to you."
    with_usage = client.chat.completions.create(
        model="m", messages=hello, stream=True, stream_options={"include_usage": True}
    )
    assert [item.usage for item in with_usage][-1].total_tokens == 30
    assert (
        client.responses.create(model="m", input="Hello").output_text
        == "Good day to you."
    )
    assert (
        len(client.embeddings.create(model="m", input="Hello").data[0].embedding) == 3
    )
    with pytest.raises(openai.UnprocessableEntityError) as raised:
        client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "the FORBIDDEN word"}]
        )
    assert raised.value.response.json()["type"] == "REGEX_GUARDRAIL"
    # Three answers of 10 and 20, an embedding of 10, and a stream by its text: 12 and 16
    # characters.
    prompt, completion = 'api="openai",kind="prompt"', 'api="openai",kind="completion"'

    def counted() -> tuple[float | None, float | None]:
        found = tokens(platform)
        return found.get(prompt), found.get(completion)

    until(lambda: counted() == (43, 64), lambda: str(counted()))


def test_the_sdk_of_anthropic(platform: Platform) -> None:
    client = anthropic.Anthropic(
        base_url=f"https://127.0.0.1:{platform.port}/anthropicclaudeai/1.0.0",
        auth_token=platform.token(),
        http_client=httpx.Client(verify=False, headers={"Host": GW}),
        default_headers={"Host": GW},
        max_retries=0,
    )
    hello = [{"role": "user", "content": "Hello there."}]
    message = client.messages.create(model="m", max_tokens=99, messages=hello)
    assert message.content[0].text == "Good day to you."
    with client.messages.stream(model="m", max_tokens=99, messages=hello) as stream:
        assert "".join(stream.text_stream) == "Good day to you."
    completion = 'api="anthropicclaudeai",kind="completion"'
    until(lambda: tokens(platform).get(completion) == 40, lambda: str(tokens(platform)))
    assert tokens(platform)['api="anthropicclaudeai",kind="prompt"'] == 20
