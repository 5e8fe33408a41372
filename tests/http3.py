"""A call over HTTP/3 (RFC 9114) with aioquic."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aioquic.asyncio.client import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import QuicEvent

from harness import Answer


class Client(QuicConnectionProtocol):
    """One request on a connection."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.http = H3Connection(self._quic)
        self.headers: dict[str, str] = {}
        self.body = b""
        self.ended = asyncio.Event()

    async def call(self, headers: Mapping[str, str], body: bytes) -> Answer:
        stream = self._quic.get_next_available_stream_id()
        pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
        self.http.send_headers(stream, pairs, end_stream=not body)
        if body:
            self.http.send_data(stream, body, end_stream=True)
        self.transmit()
        await asyncio.wait_for(self.ended.wait(), 20)
        return Answer(int(self.headers[":status"]), self.headers, self.body)

    def quic_event_received(self, event: QuicEvent) -> None:
        for item in self.http.handle_event(event):
            if isinstance(item, HeadersReceived):
                self.headers.update(
                    {name.decode(): value.decode() for name, value in item.headers}
                )
            if isinstance(item, DataReceived):
                self.body += item.data
            if isinstance(item, HeadersReceived | DataReceived) and item.stream_ended:
                self.ended.set()


def http3(
    port: int,
    host: str,
    path: str,
    *,
    authorities: Path,
    method: str = "GET",
    body: bytes = b"",
    **headers: str,
) -> Answer:
    """Call a host of the gateway on its UDP port, with a certificate of these authorities."""
    configuration = QuicConfiguration(
        is_client=True, alpn_protocols=H3_ALPN, server_name=host
    )
    configuration.load_verify_locations(str(authorities))
    if body:
        headers["content-length"] = str(len(body))
    pseudo = {":method": method, ":scheme": "https", ":authority": host, ":path": path}

    async def run() -> Answer:
        async with connect(
            "127.0.0.1", port, configuration=configuration, create_protocol=Client
        ) as client:
            assert isinstance(client, Client)
            return await client.call({**pseudo, **headers}, body)

    return asyncio.run(run())


def hold(port: int, host: str, many: int, *, authorities: Path) -> int:
    """Open this many connections, one after the other, and leave them open; how many answered."""
    configuration = QuicConfiguration(
        is_client=True, alpn_protocols=H3_ALPN, server_name=host
    )
    configuration.load_verify_locations(str(authorities))
    headers = {":method": "GET", ":scheme": "https", ":authority": host, ":path": "/"}

    async def run() -> int:
        async with contextlib.AsyncExitStack() as opened:
            for answered in range(many):
                connecting = connect(
                    "127.0.0.1",
                    port,
                    configuration=configuration,
                    create_protocol=Client,
                )
                try:
                    # Envoy drops a connection over the limit without a word.
                    async with asyncio.timeout(10):
                        client = await opened.enter_async_context(connecting)
                        assert isinstance(client, Client)
                        await client.call(headers, b"")
                except (ConnectionError, TimeoutError):
                    return answered
        return many

    return asyncio.run(run())
