"""The official npm SDK as client and server of MCP, and the inspector's command line, through the
gateway.
"""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import Platform
from mcp_server import CHANGING, bound_token, changing, serving, weather

PEERS = Path(__file__).parent / "peers"
HOST = "default.gw.wso2.com"
CONF = """name: {name}
basePath: /{name}
version: "1.0"
type: MCP
endpointConfigurations:
  production:
    endpoint: http://127.0.0.1:{port}/mcp
operations:
  - {{target: {open}, verb: TOOL}}
  - {{target: {closed}, verb: TOOL, scopes: [numbers:write]}}
"""


@pytest.fixture(scope="module")
def numbers() -> Iterator[int]:
    """Port of the npm SDK's server."""
    process = subprocess.Popen(
        ["node", "mcp-server.mjs"], cwd=PEERS, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        yield int(json.loads(process.stdout.readline())["port"])
    finally:
        process.terminate()
        process.wait(10)


def deployed(platform: Platform, name: str, port: int, tools: tuple[str, str]) -> str:
    """The address of an API with these tools; the second needs a scope."""
    conf = CONF.format(name=name, port=port, open=tools[0], closed=tools[1])
    definition = json.dumps({"tools": [{"name": tool} for tool in tools]})
    answer = platform.deploy(conf, definition)
    assert answer.status == 200, answer.body
    return f"https://{HOST}:{platform.port}/{name}/1.0"


def environment(platform: Platform) -> dict[str, str]:
    """A program in Node reaches the gateway by its host names and verifies its certificate."""
    return {
        **os.environ,
        "NODE_OPTIONS": f"--require={PEERS}/loopback.cjs",
        "NODE_EXTRA_CA_CERTS": str(platform.data_dir / "tls" / "ca.pem"),
    }


def node(platform: Platform, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        arguments,
        cwd=PEERS,
        env=environment(platform),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def client(
    platform: Platform, url: str, *calls: tuple[str, dict[str, Any]]
) -> dict[str, Any]:
    settings = {"url": url, "token": bound_token(platform, url), "calls": calls}
    done = node(platform, "node", "mcp-client.mjs", json.dumps(settings))
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def test_the_npm_client_uses_the_npm_server(platform: Platform, numbers: int) -> None:
    url = deployed(platform, "numbers", numbers, ("add", "drop"))
    told = client(platform, url, ("add", {"a": 2, "b": 3}), ("other", {}))
    assert told["tools"] == ["add"]
    assert told["results"][0]["content"][0]["text"] == "5"
    assert told["results"][1]["code"] == -32602


def test_the_npm_client_uses_the_python_server(platform: Platform) -> None:
    with serving(weather()) as port:
        url = deployed(platform, "weather-npm", port, ("forecast", "erase"))
        told = client(platform, url, ("forecast", {"city": "Ulm"}))
    assert told["results"][0]["content"][0]["text"] == "sunny in Ulm"


def inspected(platform: Platform, url: str, *arguments: str) -> dict[str, Any]:
    """What the inspector's command line tells."""
    bearer = f"Authorization: Bearer {bound_token(platform, url)}"
    target = ("--server-url", url, "--transport", "http", "--header", bearer)
    program = str(PEERS / "node_modules/.bin/mcp-inspector")
    done = node(platform, program, "--cli", *target, *arguments)
    assert done.returncode == 0, done.stderr + done.stdout
    told: dict[str, Any] = json.loads(done.stdout[done.stdout.index("{") :])
    return told


def test_the_inspector_lists_and_calls_tools(platform: Platform) -> None:
    with serving(weather()) as port:
        url = deployed(platform, "inspected", port, ("forecast", "erase"))
        listed = inspected(platform, url, "--method", "tools/list")
        assert [tool["name"] for tool in listed["tools"]] == ["forecast"]
        call = (
            "--method",
            "tools/call",
            "--tool-name",
            "forecast",
            "--tool-arg",
            "city=Ulm",
        )
        assert inspected(platform, url, *call)["content"][0]["text"] == "sunny in Ulm"


NORTH, SEVEN, SECRET = (
    "weather+weather://north",
    "tickets+ticket://7",
    "tickets+secret://1",
)
CHANGES = (
    ("weather_change", "weather://south"),
    ("weather_change", "weather://north"),
    ("tickets_change", "ticket://7"),
)
LISTS = {
    f"notifications/{kind}/list_changed" for kind in ("tools", "prompts", "resources")
}


@pytest.fixture(scope="module")
def several(platform: Platform) -> Iterator[Callable[..., str]]:
    """Deploys an API over two servers, with these resources in its lists; its address."""
    with serving(changing("Weather")) as one, serving(changing("Tickets")) as two:

        def deploy(*resources: str) -> str:
            tools = [{"name": "weather_change"}, {"name": "tickets_change"}]
            listed = [{"uri": uri, "name": uri} for uri in resources]
            text = json.dumps({"tools": tools, "resources": listed})
            answer = platform.deploy(
                CHANGING.format(name="several-npm", one=one, two=two), text
            )
            assert answer.status == 200, answer.body
            return f"https://{HOST}:{platform.port}/several-npm/1.0"

        yield deploy


@pytest.mark.parametrize("revision", ["2025-11-25", "2026-07-28"])
def test_the_npm_clients_hear_of_changes_at_several_servers(
    platform: Platform, several: Callable[..., str], revision: str
) -> None:
    """It has not the scopes of one resource, so that it is denied."""
    url = several(NORTH)
    settings = {"url": url, "token": bound_token(platform, url), "revision": revision}
    settings |= {"uris": [NORTH, SEVEN], "denied": SECRET, "changes": CHANGES}
    process = subprocess.Popen(
        ("node", "mcp-subscriber.mjs", json.dumps(settings)),
        cwd=PEERS,
        env=environment(platform),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    stop = threading.Timer(60, process.kill)
    stop.start()
    try:
        lines = map(json.loads, process.stdout)
        assert next(lines) == {"denied": True}
        assert {next(lines)["uri"] for _ in range(2)} == {NORTH, SEVEN}
        several(NORTH, SEVEN)
        assert {next(lines)["heard"] for _ in range(3)} == LISTS
        process.stdin.write("leave\n")
        process.stdin.flush()
        assert list(lines) == [{"closed": True}]
    finally:
        stop.cancel()
        process.kill()
        process.wait(10)
