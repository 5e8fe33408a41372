"""GraphQL APIs through the gateway with the clients of the field: gql, Apollo Client, graphql-ws
and graphql-sse.
"""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gql import Client, gql
from gql.transport.aiohttp import AIOHTTPTransport
from gql.transport.exceptions import TransportQueryError
from gql.transport.websockets import WebsocketsTransport

from graphql_backend import SDL
from graphql_streams import StreamServer, stream_server
from harness import Platform, free_port

HOST = "default.gw.wso2.com"
PATH = "/clients/1.0"
CONF = """
name: "Clients"
basePath: "/clients"
version: "1.0"
type: "GRAPHQL"
endpointConfigurations:
  production: {endpoint: "http://127.0.0.1:%d/graphql"}
operations:
- {target: hero, verb: QUERY, secured: false}
- {target: heroes, verb: QUERY, scopes: ["heroes:read"]}
- {target: heroAdded, verb: SUBSCRIPTION}
"""
pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def backend() -> Iterator[StreamServer]:
    with stream_server() as running:
        yield running


@pytest.fixture(scope="module")
def platform(
    tmp_path_factory: pytest.TempPathFactory, backend: StreamServer
) -> Iterator[Platform]:
    running = Platform(free_port(), tmp_path_factory.mktemp("kapi") / "data")
    running.start()
    answer = running.deploy(CONF % backend.port, SDL)
    assert answer.status == 200, answer.body.decode()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def token(platform: Platform) -> str:
    return platform.token("heroes:read")


def test_apollo_graphql_ws_and_graphql_sse(platform: Platform, token: str) -> None:
    peers = Path(__file__).parent / "peers"
    settings = {"host": HOST, "port": platform.port, "path": PATH, "token": token}
    authority = str(platform.data_dir / "tls" / "ca.pem")
    done = subprocess.run(
        [
            "node",
            "--require",
            "./loopback.cjs",
            "graphql-clients.mjs",
            json.dumps(settings),
        ],
        cwd=peers,
        env={**os.environ, "NODE_EXTRA_CA_CERTS": authority},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert [item["heroes"][0]["name"] for item in told["apollo"]] == ["Luke"] * 3
    assert "900902" in told["refused"]
    added = [{"heroAdded": {"name": f"Hero {number}"}} for number in (1, 2)]
    assert told["socket"] == told["events"] == added
    assert told["socketQuery"] == told["socketAfter"] == [{"hero": {"id": "1"}}]
    assert told["socketRefused"] == {"codes": ["900422"]}
    assert told["eventsRefused"].keys() == {"codes"}


def test_gql(platform: Platform, token: str) -> None:
    asyncio.run(_gql(platform, token))


async def _gql(platform: Platform, token: str) -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    headers = {"Authorization": f"Bearer {token}"}
    http = AIOHTTPTransport(
        f"https://127.0.0.1:{platform.port}{PATH}",
        headers={"Host": HOST, **headers},
        ssl=context,
    )
    both = gql(
        "query($id: ID) { hero(id: $id) { ...F } heroes { ...F } } fragment F on Hero { id }"
    )
    async with Client(transport=http) as session:
        found: dict[str, Any] = await session.execute(both)
        assert found == {"hero": {"id": "1"}, "heroes": [{"id": "1"}]}
    socket = WebsocketsTransport(
        f"wss://{HOST}:{platform.port}{PATH}",
        headers=headers,
        ssl=context,
        subprotocols=[WebsocketsTransport.GRAPHQLWS_SUBPROTOCOL],
        connect_args={"host": "127.0.0.1", "proxy": None},
    )
    async with Client(transport=socket) as session:
        names = []
        async for result in session.subscribe(
            gql("subscription { heroAdded { name } }")
        ):
            names.append(result["heroAdded"]["name"])
            if len(names) == 2:
                break
        assert names == ["Hero 1", "Hero 2"]
        with pytest.raises(TransportQueryError, match="no operation query secret"):
            await session.execute(gql("{ secret }"))
        assert await session.execute(gql("{ hero { id } }")) == {"hero": {"id": "1"}}
