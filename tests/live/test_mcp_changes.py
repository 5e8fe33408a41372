"""Subscriptions to resources of several MCP servers behind one, with the official SDK."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from mcp import Client
from mcp.client.subscriptions import ResourcesListChanged, ResourceUpdated
from mcp.shared.exceptions import MCPError

from harness import Answer, Platform
from mcp_server import CHANGING, bound_token, changing, connected, serving

HOST = "default.gw.wso2.com"
NORTH, SEVEN = "weather+weather://north", "tickets+ticket://7"
SHOWN = {
    "tools": [{"name": "weather_change"}, {"name": "tickets_change"}],
    "resources": [{"uri": NORTH, "name": "north"}],
}


@pytest.fixture(scope="module")
def ports() -> Iterator[tuple[int, int]]:
    with serving(changing("Weather")) as one, serving(changing("Tickets")) as two:
        yield one, two


def deploy(platform: Platform, ports: tuple[int, int], shown: Any = SHOWN) -> None:
    answer = platform.deploy(
        CHANGING.format(name="changes", one=ports[0], two=ports[1]),
        json.dumps(shown),
    )
    assert answer.status == 200, answer.body


@pytest.fixture(scope="module")
def url(platform: Platform, ports: tuple[int, int]) -> str:
    deploy(platform, ports)
    return f"https://default.gw.wso2.com:{platform.port}/changes/1.0"


def use(platform: Platform, url: str, mode: str, work: Any, **more: Any) -> Any:
    async def run() -> Any:
        async with asyncio.timeout(40):
            bearer = bound_token(platform, url)
            async with connected(url, platform.port, bearer, mode, **more) as client:
                return await work(client)

    return asyncio.run(run())


async def change(client: Client) -> None:
    await client.call_tool("weather_change", {"uri": "weather://south"})
    await client.call_tool("weather_change", {"uri": "weather://north"})
    await client.call_tool("tickets_change", {"uri": "ticket://7"})


def test_one_stream_hears_of_changes_at_all_servers(
    platform: Platform, url: str
) -> None:
    async def work(client: Client) -> set[str]:
        async with client.listen(resource_subscriptions=[NORTH, SEVEN]) as changes:
            assert changes.honored.resource_subscriptions == [NORTH, SEVEN]
            await change(client)
            events = aiter(changes)
            return {str((await anext(events)).uri) for _ in range(2)}

    assert use(platform, url, "2026-07-28", work) == {NORTH, SEVEN}


def test_a_subscription_needs_the_scopes_of_each_resource(
    platform: Platform, url: str
) -> None:
    async def work(client: Client) -> None:
        for uri in ("tickets+secret://1", "other+ticket://7"):
            with pytest.raises(MCPError):
                async with client.listen(resource_subscriptions=[NORTH, uri]):
                    pass

    use(platform, url, "2026-07-28", work)


def test_a_deployment_changes_the_lists(
    platform: Platform, url: str, ports: tuple[int, int]
) -> None:
    async def work(client: Client) -> None:
        async with client.listen(
            resources_list_changed=True, resource_subscriptions=[NORTH]
        ) as changes:
            more = [*SHOWN["resources"], {"uri": SEVEN, "name": "seven"}]
            await asyncio.to_thread(
                deploy, platform, ports, {**SHOWN, "resources": more}
            )
            events = aiter(changes)
            assert isinstance(await anext(events), ResourcesListChanged)
            await change(client)
            assert await anext(events) == ResourceUpdated(uri=NORTH)
        await asyncio.to_thread(deploy, platform, ports)

    use(platform, url, "2026-07-28", work)


def test_a_session_subscribes_and_unsubscribes(platform: Platform, url: str) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()

    async def told(message: Any) -> None:
        if getattr(message, "method", "") == "notifications/resources/updated":
            heard.put_nowait(str(message.params.uri))

    async def work(client: Client) -> None:
        await client.subscribe_resource(NORTH)
        await client.subscribe_resource(SEVEN)
        await change(client)
        assert {await heard.get(), await heard.get()} == {NORTH, SEVEN}
        await client.unsubscribe_resource(NORTH)
        await change(client)
        assert await heard.get() == SEVEN
        with pytest.raises(MCPError):
            await client.subscribe_resource("tickets+secret://1")

    use(platform, url, "legacy", work, message_handler=told)


def test_a_session_ends_and_an_old_one_is_unknown(platform: Platform, url: str) -> None:
    bearer = bound_token(platform, url)

    def send(
        session: str, method: str = "resources/subscribe", **params: Any
    ) -> Answer:
        message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        sent = (*headers(bearer, session), "-H", "Content-Type: application/json")
        return platform.request(HOST, "/changes/1.0", *sent, "-d", json.dumps(message))

    def end(session: str) -> int:
        return platform.request(
            HOST, "/changes/1.0", "-X", "DELETE", *headers(bearer, session)
        ).status

    hello = {"protocolVersion": "2025-11-25", "capabilities": {}}
    begun = send("", "initialize", **hello, clientInfo={"name": "old", "version": "1"})
    assert begun.json()["result"]["capabilities"]["resources"]["subscribe"] is True
    session = begun.headers["mcp-session-id"]
    assert send(session, uri=NORTH).json()["result"] == {}
    assert send("1000-" + "0" * 32, uri=NORTH).status == 404
    assert [end(session), end(session)] == [204, 404]


def headers(bearer: str, session: str) -> list[str]:
    sent = [
        "-H",
        f"Authorization: Bearer {bearer}",
        "-H",
        "MCP-Protocol-Version: 2025-11-25",
    ]
    return [*sent, *(["-H", f"Mcp-Session-Id: {session}"] if session else [])]
