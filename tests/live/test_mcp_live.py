"""MCP servers through the real gateway, with client and server of the official SDK."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from mcp import Client
from mcp.server.mcpserver import MCPServer
from mcp.shared.exceptions import MCPError
from mcp.types import PromptReference, ResourceTemplateReference

from harness import Answer, Platform
from mcp_server import bound_token, connected, serving, weather

HOST = "default.gw.wso2.com"
DEFINITION = json.dumps({
    "serverInfo": {"name": "Weather", "version": "1.0.0"},
    "tools": [{"name": name} for name in ("forecast", "erase", "slow")],
    "prompts": [{"name": "ask"}],
    "resources": [{"uri": "weather://stations"}],
    "resourceTemplates": [{"uriTemplate": "weather://stations/{name}"}],
})  # fmt: skip
CONF = """name: Weather
basePath: /weather
version: "1.0"
type: MCP
endpointConfigurations:
  production:
    endpoint: http://127.0.0.1:{port}/mcp
operations:
  - {{target: forecast, verb: TOOL}}
  - {{target: erase, verb: TOOL, scopes: [weather:write]}}
  - {{target: slow, verb: TOOL, rateLimit: {{requestsPerUnit: 3, unit: Hour}}}}
  - {{target: ask, verb: PROMPT}}
  - {{target: "weather://stations", verb: RESOURCE}}
  - {{target: "weather://stations/{{name}}", verb: RESOURCE}}
"""
MODES = ["auto", "legacy"]


@pytest.fixture(scope="module")
def server() -> Iterator[int]:
    with serving(weather()) as port:
        yield port


@pytest.fixture(scope="module")
def deployed(platform: Platform, server: int) -> Platform:
    answer = platform.deploy(CONF.format(port=server), DEFINITION)
    assert answer.status == 200, answer.body
    return platform


def url(platform: Platform, path: str = "/weather/1.0") -> str:
    return f"https://{HOST}:{platform.port}{path}"


def token(platform: Platform, scope: str = "", resource: str = "") -> str:
    return bound_token(platform, resource or url(platform), scope)


def use(platform: Platform, mode: str, work: Any, scope: str = "") -> Any:
    async def run() -> Any:
        async with connected(
            url(platform), platform.port, token(platform, scope), mode=mode
        ) as client:
            return await work(client)

    return asyncio.run(run())


@pytest.mark.parametrize("mode", MODES)
def test_a_client_of_the_sdk_uses_tools_prompts_and_resources(
    deployed: Platform, mode: str
) -> None:
    async def work(client: Client) -> list[str]:
        answer = await client.call_tool("forecast", {"city": "Ulm"})
        prompt = await client.get_prompt("ask", {"city": "Ulm"})
        resource = await client.read_resource("weather://stations/north")
        return [
            answer.content[0].text,
            prompt.messages[0].content.text,
            resource.contents[0].text,
        ]

    assert use(deployed, mode, work) == [
        "sunny in Ulm",
        "What is the weather in Ulm?",
        "station north",
    ]


@pytest.mark.parametrize("mode", MODES)
def test_lists_have_what_the_caller_may_use(deployed: Platform, mode: str) -> None:
    async def names(client: Client) -> list[list[str]]:
        tools = await client.list_tools()
        prompts = await client.list_prompts()
        resources = await client.list_resources()
        templates = await client.list_resource_templates()
        return [
            [item.name for item in tools.tools],
            [item.name for item in prompts.prompts],
            [item.uri for item in resources.resources],
            [item.uri_template for item in templates.resource_templates],
        ]

    others = [["ask"], ["weather://stations"], ["weather://stations/{name}"]]
    assert use(deployed, mode, names) == [["forecast", "slow"], *others]
    assert use(deployed, mode, names, "weather:write") == [
        ["forecast", "erase", "slow"],
        *others,
    ]


@pytest.mark.parametrize("mode", MODES)
def test_an_operation_that_the_conf_does_not_have_is_unknown(
    deployed: Platform, mode: str
) -> None:
    async def hidden(client: Client) -> str:
        with pytest.raises(MCPError) as tool:
            await client.call_tool("hidden", {})
        with pytest.raises(MCPError) as resource:
            await client.read_resource("weather://secret")
        return f"{tool.value} {resource.value}"

    told = use(deployed, mode, hidden)
    assert "Unknown tool: hidden" in told
    assert "Unknown resource: weather://secret" in told


def test_progress_comes_while_a_tool_runs(deployed: Platform) -> None:
    seen: list[float] = []

    async def work(client: Client) -> str:
        async def told(
            progress: float, total: float | None, message: str | None
        ) -> None:
            seen.append(progress)

        answer = await client.call_tool("slow", {}, progress_callback=told)
        return str(answer.content[0].text)

    assert use(deployed, "auto", work) == "done"
    assert seen == [0, 1, 2]


META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
}


def post(
    platform: Platform,
    body: str,
    *headers: str,
    bearer: str = "",
    version: str = "2026-07-28",
) -> Answer:
    sent = [
        "Content-Type: application/json",
        "Accept: application/json, text/event-stream",
        f"MCP-Protocol-Version: {version}",
        *([f"Authorization: Bearer {bearer}"] if bearer else []),
        *headers,
    ]
    arguments = [part for header in sent for part in ("-H", header)]
    return platform.request(HOST, "/weather/1.0", "--http1.1", *arguments, "-d", body)


def call(platform: Platform, tool: str, bearer: str, *, name: str = "") -> Answer:
    params = {"name": tool, "arguments": {"city": "Ulm"}, "_meta": META}
    message = {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params}
    headers = ("Mcp-Method: tools/call", f"Mcp-Name: {name or tool}")
    return post(platform, json.dumps(message), *headers, bearer=bearer)


def test_a_caller_without_a_token_is_led_to_the_authorization_server(
    deployed: Platform,
) -> None:
    refused = call(deployed, "forecast", "")
    assert refused.status == 401
    place = f"https://{HOST}:{deployed.port}/.well-known/oauth-protected-resource/weather/1.0"
    assert f'resource_metadata="{place}"' in refused.headers["www-authenticate"]
    metadata = deployed.request(
        HOST, "/.well-known/oauth-protected-resource/weather/1.0"
    ).json()
    assert metadata["resource"] == url(deployed)
    assert metadata["scopes_supported"] == ["weather:write"]


def test_a_token_for_another_service_is_refused(deployed: Platform) -> None:
    for bearer in (
        deployed.token(),
        token(deployed, resource="https://other.example/mcp"),
    ):
        refused = call(deployed, "forecast", bearer)
        assert (refused.status, refused.json()["code"]) == (401, "900901")
        assert 'error="invalid_token"' in refused.headers["www-authenticate"]
    assert call(deployed, "forecast", token(deployed)).status == 200


def test_a_tool_needs_its_scopes(deployed: Platform) -> None:
    refused = call(deployed, "erase", token(deployed))
    assert refused.status == 403
    challenge = refused.headers["www-authenticate"]
    assert 'error="insufficient_scope", scope="weather:write"' in challenge
    error = refused.json()
    assert (error["id"], error["error"]["data"]["code"]) == (7, "900910")
    assert call(deployed, "erase", token(deployed, "weather:write")).status == 200


def test_a_tool_has_a_limit_of_its_own(deployed: Platform) -> None:
    bearer = token(deployed)
    answers = [call(deployed, "slow", bearer) for _ in range(4)]
    refused = answers[-1]
    assert refused.status == 429
    assert refused.json()["error"]["data"]["code"] == "900802"
    assert int(refused.headers["retry-after"]) > 0
    assert call(deployed, "forecast", bearer).status == 200


def test_headers_agree_with_the_body(deployed: Platform) -> None:
    bearer = token(deployed)
    refused = call(deployed, "erase", bearer, name="forecast")
    assert (refused.status, refused.json()["error"]["code"]) == (400, -32020)
    message = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/list",
        "params": {"_meta": META},
    }
    answer = post(
        deployed, json.dumps(message), "Mcp-Method: tools/call", bearer=bearer
    )
    assert answer.json()["error"]["code"] == -32020
    later = json.dumps(message).replace("2026-07-28", "2030-01-01")
    answer = post(
        deployed, later, "Mcp-Method: tools/list", bearer=bearer, version="2030-01-01"
    )
    assert (answer.status, answer.json()["error"]["code"]) == (400, -32022)
    assert "2026-07-28" in answer.json()["error"]["data"]["supported"]


def test_a_subscription_hears_of_a_change(deployed: Platform) -> None:
    async def work(client: Client) -> str:
        async with client.listen(
            resource_subscriptions=["weather://stations"]
        ) as changes:
            await client.call_tool("erase", {"city": "Ulm"})
            return str((await anext(aiter(changes))).uri)

    assert use(deployed, "2026-07-28", work, "weather:write") == "weather://stations"


def test_a_session_of_revision_2025_06_18(deployed: Platform) -> None:
    bearer, version = token(deployed), "2025-06-18"
    hello = {"protocolVersion": version, "capabilities": {}}
    hello["clientInfo"] = {"name": "old", "version": "1"}
    message = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello}
    answer = post(deployed, json.dumps(message), bearer=bearer, version=version)
    assert f'"protocolVersion":"{version}"'.encode() in answer.body
    session = f"Mcp-Session-Id: {answer.headers['mcp-session-id']}"
    ready = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    answer = post(deployed, json.dumps(ready), session, bearer=bearer, version=version)
    assert answer.status == 202
    params = {"name": "forecast", "arguments": {"city": "Ulm"}}
    message = {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": params}
    answer = post(
        deployed, json.dumps(message), session, bearer=bearer, version=version
    )
    assert b"sunny in Ulm" in answer.body
    message["params"]["name"] = "erase"
    answer = post(
        deployed, json.dumps(message), session, bearer=bearer, version=version
    )
    assert (answer.status, answer.json()["error"]["data"]["code"]) == (403, "900910")


def test_pages_of_other_origins_are_refused(deployed: Platform) -> None:
    bearer = token(deployed)
    message = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping"})
    for origin, status in ((url(deployed, ""), 400), ("https://evil.example", 403)):
        answer = post(
            deployed, message, f"Origin: {origin}", bearer=bearer, version="2025-11-25"
        )
        assert answer.status == status, answer.body


def test_a_message_with_two_meanings_is_refused(deployed: Platform) -> None:
    bearer = token(deployed)
    call = '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":'
    twice = call + '{"name":"erase","name":"forecast"}}'
    batch = '[{"jsonrpc":"2.0","id":1,"method":"tools/list"}]'
    case = call + '{"Name":"erase","name":"forecast"}}'
    for body, code in ((twice, -32700), (batch, -32600), (case, -32600), ("{", -32700)):
        answer = post(deployed, body, bearer=bearer, version="2025-11-25")
        assert (answer.status, answer.json()["error"]["code"]) == (400, code), body


SEVERAL = """name: Several
basePath: /several
version: "1.0"
type: MCP
endpointConfigurations:
  production:
  - endpoint: http://127.0.0.1:{one}/mcp
    toolPrefix: weather
  - endpoint: http://127.0.0.1:{two}/mcp
    toolPrefix: tickets
operations:
  - {{target: weather_forecast, verb: TOOL}}
  - {{target: weather_erase, verb: TOOL, scopes: [weather:write]}}
  - {{target: tickets_find, verb: TOOL}}
  - {{target: weather_ask, verb: PROMPT}}
  - {{target: tickets_ask, verb: PROMPT, scopes: [tickets:ask]}}
  - {{target: "weather+weather://stations", verb: RESOURCE}}
  - {{target: "weather+weather://stations/{{name}}", verb: RESOURCE}}
  - {{target: "weather+weather://secret", verb: RESOURCE, scopes: [weather:secret]}}
  - {{target: "tickets+ticket://{{number}}", verb: RESOURCE, scopes: [tickets:read]}}
"""
CITY = {"type": "object", "properties": {"city": {"type": "string"}}}
TOOLS = ("weather_forecast", "weather_erase", "tickets_find")
SHOWN = json.dumps({
    "tools": [{"name": name, "inputSchema": CITY} for name in TOOLS],
    "prompts": [{"name": "weather_ask"}, {"name": "tickets_ask"}, {"name": "weather_other"}],
    "resources": [
        {"uri": f"weather+weather://{name}", "name": name} for name in ("stations", "secret")
    ],
    "resourceTemplates": [
        {"uriTemplate": "weather+weather://stations/{name}", "name": "station"},
        {"uriTemplate": "tickets+ticket://{number}", "name": "ticket"},
    ],
})  # fmt: skip


def tickets() -> MCPServer:
    server = MCPServer("Tickets")

    @server.tool()
    def find(number: int) -> dict[str, int]:
        return {"number": number}

    @server.resource("ticket://{number}")
    def ticket(number: str) -> str:
        return f"ticket {number}"

    return server


@pytest.fixture(scope="module")
def several(platform: Platform, server: int) -> Iterator[str]:
    """The address of two servers behind one."""
    with serving(tickets()) as other:
        deployed = platform.deploy(SEVERAL.format(one=server, two=other), SHOWN)
        assert deployed.status == 200, deployed.body
        yield url(platform, "/several/1.0")


def at_several(platform: Platform, base: str, mode: str, scope: str, work: Any) -> Any:
    async def run() -> Any:
        bearer = token(platform, scope, base)
        async with connected(base, platform.port, bearer, mode) as client:
            return await work(client)

    return asyncio.run(run())


@pytest.mark.parametrize("mode", MODES)
def test_several_servers_are_one(platform: Platform, several: str, mode: str) -> None:
    async def work(client: Client) -> None:
        tools = [tool.name for tool in (await client.list_tools()).tools]
        assert tools == ["weather_forecast", "tickets_find"]
        sunny = await client.call_tool("weather_forecast", {"city": "Ulm"})
        assert sunny.content[0].text == "sunny in Ulm"
        found = await client.call_tool("tickets_find", {"number": 7})
        assert found.structured_content == {"number": 7}
        prompts = (await client.list_prompts()).prompts
        assert [item.name for item in prompts] == ["weather_ask"]
        prompt = await client.get_prompt("weather_ask", {"city": "Ulm"})
        assert prompt.messages[0].content.text == "What is the weather in Ulm?"

    at_several(platform, several, mode, "", work)


@pytest.mark.parametrize("mode", MODES)
def test_resources_of_several_servers_have_uris_with_a_prefix(
    platform: Platform, several: str, mode: str
) -> None:
    north = "weather+weather://stations/north"

    async def work(client: Client) -> None:
        listed = (await client.list_resources()).resources
        assert [str(item.uri) for item in listed] == ["weather+weather://stations"]
        templates = (await client.list_resource_templates()).resource_templates
        uris = ["weather+weather://stations/{name}", "tickets+ticket://{number}"]
        assert [item.uri_template for item in templates] == uris
        content = (await client.read_resource(north)).contents[0]
        assert (str(content.uri), content.text) == (north, "station north")
        content = (await client.read_resource("tickets+ticket://7")).contents[0]
        assert content.text == "ticket 7"
        for uri in (
            "weather+weather://secret",
            "tickets+weather://stations",
            "weather://stations",
        ):
            with pytest.raises(MCPError):
                await client.read_resource(uri)

    at_several(platform, several, mode, "tickets:read", work)


@pytest.mark.parametrize("mode", MODES)
def test_completions_go_to_the_server_of_the_prefix(
    platform: Platform, several: str, mode: str
) -> None:
    async def work(client: Client) -> None:
        for reference, own in (
            (PromptReference(name="weather_ask"), "ask"),
            (
                ResourceTemplateReference(uri="weather+weather://stations/{name}"),
                "weather://stations/{name}",
            ),
        ):
            found = await client.complete(reference, {"name": "city", "value": "U"})
            assert found.completion.values == [f"{own}: U"]
        with pytest.raises(MCPError):
            await client.complete(
                ResourceTemplateReference(uri="tickets+ticket://{number}"),
                {"name": "number", "value": "7"},
            )

    at_several(platform, several, mode, "", work)
