"""An MCP server of the official SDK for live tests, and a client that reaches the gateway by its
hosts.
"""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import httpx2
import uvicorn
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.server.mcpserver import Context, MCPServer
from mcp.types import (
    Completion,
    CompletionArgument,
    PromptReference,
    ResourceTemplateReference,
)

from harness import BASIC, Platform, free_port
from waiting import until


def weather() -> MCPServer:
    """Tools, a prompt, a resource and a template."""
    server = MCPServer("Weather", version="1.0.0")

    @server.tool()
    def forecast(city: str) -> str:
        """The weather of tomorrow."""
        return f"sunny in {city}"

    @server.tool()
    async def erase(city: str, context: Context) -> str:
        """Delete a city."""
        await context.notify_resource_updated("weather://stations")
        return f"erased {city}"

    @server.tool()
    def hidden() -> str:
        """Not in the conf."""
        return "secret"

    @server.tool()
    async def slow(context: Context) -> str:
        """Reports progress."""
        for step in range(3):
            await context.report_progress(step, 3)
        return "done"

    @server.prompt()
    def ask(city: str) -> str:
        """A question."""
        return f"What is the weather in {city}?"

    @server.resource("weather://stations")
    def stations() -> str:
        return "north, south"

    @server.resource("weather://stations/{name}")
    def station(name: str) -> str:
        return f"station {name}"

    @server.completion()
    async def complete(
        reference: PromptReference | ResourceTemplateReference,
        argument: CompletionArgument,
        _: Any,
    ) -> Completion:
        named = getattr(reference, "name", None) or getattr(reference, "uri", "")
        return Completion(values=[f"{named}: {argument.value}"])

    @server.resource("weather://secret")
    def secret() -> str:
        return "secret"

    return server


CHANGING = """name: {name}
basePath: /{name}
version: "1.0"
type: MCP
endpointConfigurations:
  production:
  - {{endpoint: "http://127.0.0.1:{one}/mcp", toolPrefix: weather}}
  - {{endpoint: "http://127.0.0.1:{two}/mcp", toolPrefix: tickets}}
operations:
  - {{target: weather_change, verb: TOOL}}
  - {{target: tickets_change, verb: TOOL}}
  - {{target: "weather+weather://{{name}}", verb: RESOURCE}}
  - {{target: "tickets+ticket://{{number}}", verb: RESOURCE}}
  - {{target: "tickets+secret://{{number}}", verb: RESOURCE, scopes: [tickets:secret]}}
"""
"""A conf of two servers that `changing` makes."""


def changing(name: str) -> MCPServer:
    """A server with a tool that tells of a change."""
    server = MCPServer(name)

    @server.tool()
    async def change(uri: str, context: Context) -> str:
        await context.notify_resource_updated(uri)
        return "changed"

    return server


@contextlib.contextmanager
def serving(server: MCPServer, **options: Any) -> Iterator[int]:
    """The port of the server, at the path /mcp."""
    port = free_port()
    app = server.streamable_http_app(**options)
    running = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error"))
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    until(lambda: running.started)
    try:
        yield port
    finally:
        running.should_exit = True
        thread.join(10)


class Loopback(httpx2.AsyncHTTPTransport):
    """Sends requests for the hosts of a platform to its port, as curl's --resolve does.

    With several addresses to one after the other that answers, as a load balancer does.
    """

    def __init__(self, port: int, addresses: Sequence[str] = ("127.0.0.1",)) -> None:
        super().__init__(verify=False)
        self._port = port
        self._addresses = deque(addresses)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        host = request.url.host
        request.extensions = {**request.extensions, "sni_hostname": host}
        for _ in range(len(self._addresses) - 1):
            with contextlib.suppress(httpx2.TransportError):
                return await self._send(request)
        return await self._send(request)

    async def _send(self, request: httpx2.Request) -> httpx2.Response:
        self._addresses.rotate(-1)
        request.url = request.url.copy_with(host=self._addresses[-1], port=self._port)
        return await super().handle_async_request(request)


@contextlib.asynccontextmanager
async def connected(
    url: str,
    port: int | Loopback,
    token: str = "",
    mode: str = "auto",
    auth: Any = None,
    **more: Any,
) -> AsyncIterator[Client]:
    """A client of the official SDK; `more` are arguments of it."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    transport = Loopback(port) if isinstance(port, int) else port
    async with (
        httpx2.AsyncClient(
            transport=transport, headers=headers, auth=auth, timeout=20
        ) as http,
        Client(
            streamable_http_client(url, http_client=http), mode=mode, **more
        ) as client,
    ):
        yield client


def bound_token(platform: Platform, resource: str, scope: str = "") -> str:
    """A token for one resource (RFC 8707)."""
    fields = [
        "-d",
        "grant_type=client_credentials",
        "--data-urlencode",
        f"resource={resource}",
    ]
    fields += ["--data-urlencode", f"scope={scope}"] if scope else []
    credentials = ("-H", f"Authorization: Basic {BASIC}")
    answer = platform.request("idp.am.wso2.com", "/oauth2/token", *credentials, *fields)
    assert answer.status == 200, answer.body
    return str(answer.json()["access_token"])
