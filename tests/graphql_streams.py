"""A GraphQL server with subscriptions for live tests: graphql-transport-ws, and graphql-sse in its
distinct mode.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

import graphql
from aiohttp import WSMsgType, web

from graphql_backend import ROOT, SDL

PROTOCOL = "graphql-transport-ws"


async def _heroes(*_: Any) -> AsyncIterator[dict[str, Any]]:
    """Two heroes at once; then the stream is open and silent."""
    for number in (1, 2):
        yield {"heroAdded": {"id": str(number), "name": f"Hero {number}"}}
    await asyncio.Event().wait()


@dataclass
class StreamServer:
    """Remembers the messages of clients, handshakes, and the codes of their Close frames."""

    port: int = 0
    messages: list[dict[str, Any]] = field(default_factory=list)
    handshakes: list[dict[str, str]] = field(default_factory=list)
    closed: list[int | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.persisted: dict[str, str] = {}
        self.schema = graphql.build_schema(SDL)
        self.schema.subscription_type.fields["heroAdded"].subscribe = _heroes

    async def results(self, request: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
        """Results; or one with errors alone."""
        document = graphql.parse(request["query"])
        errors = graphql.validate(self.schema, document)
        if errors:
            yield {"errors": [error.formatted for error in errors]}
            return
        operation = graphql.get_operation_ast(document, request.get("operationName"))
        name = request.get("operationName")
        if operation.operation is not graphql.OperationType.SUBSCRIPTION:
            yield graphql.execute_sync(
                self.schema, document, ROOT, operation_name=name
            ).formatted
            return
        found = graphql.subscribe(self.schema, document, ROOT, operation_name=name)
        if asyncio.iscoroutine(found):
            found = await found
        async for result in found:
            yield result.formatted

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self.socket(request)
        body = dict(request.query) if request.method == "GET" else await request.json()
        digest = (
            (body.get("extensions") or {}).get("persistedQuery", {}).get("sha256Hash")
        )
        if digest:
            body["query"] = self.persisted.setdefault(digest, body.get("query"))
        if "text/event-stream" in request.headers.get("Accept", ""):
            return await self.events(request, body)
        return web.json_response(await anext(self.results(body)))

    async def events(
        self, request: web.Request, body: dict[str, Any]
    ) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await answer.prepare(request)
        async for result in self.results(body):
            await answer.write(f"event: next\ndata: {json.dumps(result)}\n\n".encode())
        await answer.write(b"event: complete\ndata:\n\n")
        return answer

    async def socket(self, request: web.Request) -> web.WebSocketResponse:
        self.handshakes.append(
            {name.lower(): value for name, value in request.headers.items()}
        )
        socket = web.WebSocketResponse(protocols=(PROTOCOL,))
        await socket.prepare(request)
        tasks: dict[str, asyncio.Task[None]] = {}
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                await self.take(socket, json.loads(message.data), tasks)
        self.closed.append(socket.close_code)
        for task in tasks.values():
            task.cancel()
        return socket

    async def take(
        self,
        socket: web.WebSocketResponse,
        message: dict[str, Any],
        tasks: dict[str, asyncio.Task[None]],
    ) -> None:
        self.messages.append(message)
        if message["type"] == "connection_init":
            await socket.send_json({"type": "connection_ack"})
        elif message["type"] == "ping":
            await socket.send_json({"type": "pong"})
        elif message["type"] == "subscribe":
            work = self.run(socket, message["id"], message["payload"])
            tasks[message["id"]] = asyncio.create_task(work)
        elif message["type"] == "complete" and message["id"] in tasks:
            tasks.pop(message["id"]).cancel()

    async def run(
        self, socket: web.WebSocketResponse, key: str, request: dict[str, Any]
    ) -> None:
        async for result in self.results(request):
            if result.keys() == {"errors"}:
                await socket.send_json(
                    {"id": key, "type": "error", "payload": result["errors"]}
                )
                return
            await socket.send_json({"id": key, "type": "next", "payload": result})
        await socket.send_json({"id": key, "type": "complete"})


@contextlib.contextmanager
def stream_server() -> Iterator[StreamServer]:
    found = StreamServer()
    loop = asyncio.new_event_loop()
    started = threading.Event()

    async def start() -> web.AppRunner:
        app = web.Application()
        app.router.add_route("*", "/graphql", found.answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        found.port = runner.addresses[0][1]
        return runner

    def serve() -> None:
        runner = loop.run_until_complete(start())
        started.set()
        loop.run_forever()
        loop.run_until_complete(runner.cleanup())
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    started.wait(10)
    try:
        yield found
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
