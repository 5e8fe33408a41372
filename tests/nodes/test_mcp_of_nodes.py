"""Sessions of MCP at several servers, with the official SDK behind a load balancer of two nodes."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from mcp import Client

from harness import Answer, Platform
from mcp_server import CHANGING, Loopback, bound_token, changing, connected, serving
from node_pair import GW, Pair, node_pair
from postgres import PostgresServer
from waiting import until

pytestmark = pytest.mark.long
SHOWN = json.dumps({"tools": [{"name": "weather_change"}, {"name": "tickets_change"}]})
NORTH, SEVEN = "weather+weather://north", "tickets+ticket://7"
HELLO = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "old", "version": "1"},
}


@pytest.fixture(scope="module")
def nodes(
    postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pair]:
    database = postgres.database()
    with node_pair(tmp_path_factory.mktemp("mcp"), (database, database)) as pair:
        yield pair


@pytest.fixture(scope="module")
def url(nodes: Pair) -> Iterator[str]:
    with serving(changing("Weather")) as one, serving(changing("Tickets")) as two:
        answer = nodes[0].deploy(
            CHANGING.format(name="changes", one=one, two=two), SHOWN
        )
        assert answer.status == 200, answer.body
        until(lambda: nodes[1].request(GW, "/changes/1.0").status == 401)
        yield f"https://{GW}:{nodes[0].port}/changes/1.0"


def send(
    node: Platform, bearer: str, session: str, method: str, **params: Any
) -> Answer:
    message = json.dumps(
        {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    )
    more = ("-H", "Content-Type: application/json", "-d", message)
    return node.request(GW, "/changes/1.0", *headers(bearer, session), *more)


def headers(bearer: str, session: str) -> tuple[str, ...]:
    sent = (
        "-H",
        f"Authorization: Bearer {bearer}",
        "-H",
        "MCP-Protocol-Version: 2025-11-25",
    )
    return (*sent, "-H", f"Mcp-Session-Id: {session}") if session else sent


def test_a_session_is_known_at_each_node_until_it_ends_at_one(
    nodes: Pair, url: str
) -> None:
    one, other = nodes
    bearer = bound_token(one, url)
    session = send(one, bearer, "", "initialize", **HELLO).headers["mcp-session-id"]
    for node in nodes:
        subscribed = send(node, bearer, session, "resources/subscribe", uri=NORTH)
        assert subscribed.json().get("result") == {}, subscribed
    ended = other.request(GW, "/changes/1.0", "-X", "DELETE", *headers(bearer, session))
    assert ended.status == 204
    for node in nodes:
        again = send(node, bearer, session, "resources/subscribe", uri=NORTH)
        assert again.status == 404
        assert "Send initialize again" in again.json()["error"]["message"]


async def change(client: Client) -> None:
    await client.call_tool("weather_change", {"uri": "weather://north"})
    await client.call_tool("tickets_change", {"uri": "ticket://7"})


@pytest.mark.parametrize("killed", [0, 1])
def test_a_session_goes_on_over_both_nodes_and_when_one_is_killed(
    nodes: Pair, url: str, killed: int
) -> None:
    """Each request goes to another node. One of them has the stream, so one of the two kills ends
    it; the SDK gives a stream up that broke twice.
    """
    heard: asyncio.Queue[str] = asyncio.Queue()

    async def told(message: Any) -> None:
        if getattr(message, "method", "") == "notifications/resources/updated":
            heard.put_nowait(str(message.params.uri))

    async def hear(*uris: str) -> None:
        """Wait until these were told; one may be told again, as nodes tell of what may be new."""
        left = set(uris)
        while left:
            left.discard(await heard.get())

    async def work() -> None:
        balancer = Loopback(nodes[0].port, [node.address for node in nodes])
        bearer = bound_token(nodes[0], url)
        async with connected(
            url, balancer, bearer, "legacy", message_handler=told
        ) as client:
            await client.subscribe_resource(NORTH)
            await client.subscribe_resource(SEVEN)
            await change(client)
            await hear(NORTH, SEVEN)
            await asyncio.to_thread(restarted, nodes[killed])
            await change(client)
            await hear(NORTH, SEVEN)
            await client.unsubscribe_resource(NORTH)

    async def bounded() -> None:
        async with asyncio.timeout(60):
            await work()

    asyncio.run(bounded())


def restarted(node: Platform) -> None:
    """Kill a node, and start it again."""
    assert node.process is not None
    os.kill(node.process.pid, signal.SIGKILL)
    node.process.wait(20)
    node.start()
