"""One stream of an MCP server: what the server is sent, and which of its bytes are messages."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from mcp_listened import run, until

from kapi.gateway.mcp_changes.upstream import (
    Address,
    listen_message,
    messages,
)

ADDRESS = Address("default.gw.wso2.com", "/changes/1.0")
OK = b"HTTP/1.1 200 OK\r\n"
EVENTS = OK + b"content-type: text/event-stream\r\n\r\n"
LARGEST = 256 * 1024
ONE, TWO = {"method": "one"}, {"method": "two", "params": {"uri": "x://ä"}}


def event(message: Any) -> bytes:
    return f"data: {json.dumps(message)}\n\n".encode()


def chunked(*pieces: bytes) -> bytes:
    """A stream of events that says where it ends (RFC 9112 §7.1)."""
    head = (
        OK
        + b"Content-Type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked"
    )
    chunks = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces]
    return head + b"\r\n\r\n" + b"".join(chunks) + b"0\r\n\r\n"


@dataclass
class Server:
    """A server with one answer."""

    asked: bytearray = field(default_factory=bytearray)
    streams: int = 0


@asynccontextmanager
async def serving(
    path: Path, pieces: Sequence[bytes], *, ends: bool = True
) -> AsyncIterator[Server]:
    """It sends the pieces apart and closes the connection; if not `ends`, when its peer does."""
    server = Server()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.streams += 1
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(
            head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        )
        server.asked += head + await reader.readexactly(length)
        with suppress(ConnectionError):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)
            if not ends:
                await reader.read()
        writer.close()
        server.streams -= 1

    async with await asyncio.start_unix_server(serve, path):
        yield server


def told(
    folder: Path,
    pieces: Sequence[bytes],
    *,
    ends: bool = True,
    check: Callable[[Server], None] = lambda _: None,
) -> list[Mapping[str, Any]]:
    """The messages until the stream ends."""

    async def work() -> list[Mapping[str, Any]]:
        async with serving(folder / "s", pieces, ends=ends) as server:
            stream = messages(
                folder / "s", ADDRESS, "weather", listen_message(7, ["x://1"])
            )
            found = [message async for message in stream]
            await until(lambda: server.streams == 0)
            check(server)
            return found

    return run(work)


def test_the_server_is_asked_to_listen(tmp_path: Path) -> None:
    def check(server: Server) -> None:
        head, _, body = bytes(server.asked).partition(b"\r\n\r\n")
        line, *headers = head.decode().split("\r\n")
        assert line == "POST /changes/1.0 HTTP/1.1"
        assert dict(header.split(": ", 1) for header in headers) == {
            "host": "default.gw.wso2.com",
            "content-type": "application/json",
            "content-length": str(len(body)),
            "accept": "application/json, text/event-stream",
            "mcp-protocol-version": "2026-07-28",
            "mcp-method": "subscriptions/listen",
            "x-forwarded-proto": "https",
            "x-kapi-url": "default.gw.wso2.com/changes/1.0",
            "x-kapi-mcp-server": "weather",
        }
        assert json.loads(body) == {
            "jsonrpc": "2.0",
            "id": 7,
            "method": "subscriptions/listen",
            "params": {
                "notifications": {"resourceSubscriptions": ["x://1"]},
                "_meta": {
                    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                    "io.modelcontextprotocol/clientCapabilities": {},
                },
            },
        }

    assert told(tmp_path, [EVENTS], check=check) == []


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_messages_come_in_any_pieces(tmp_path: Path, size: int) -> None:
    answer = EVENTS + event(ONE) + event(TWO)
    pieces = [answer[at : at + size] for at in range(0, len(answer), size)]
    assert told(tmp_path, pieces) == [ONE, TWO]


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b'data: {"method": "one"}\r\n\r\n', [ONE]),
        (b'data:{"method": "one"}\n\n', [ONE]),
        (b'data: {"method":\ndata: "one"}\n\n', [ONE]),
        (
            b': hello\nevent: message\nid: 1\ndata: {"method": "one"}\nretry: 1\n\n',
            [ONE],
        ),
        (b"\n\n: still here\n\n" + event(ONE), [ONE]),
        (b"data: {\n\n" + event(ONE), [ONE]),
        (b"data: [1]\n\ndata: 1\n\ndata: null\n\n" + event(ONE), [ONE]),
        (event(ONE) + b'data: {"method": "two"}\n', [ONE]),
        (b'data: {"method": "one"}', []),
    ],
)
def test_events_are_read_as_the_standard_says(
    tmp_path: Path, content: bytes, found: list[Any]
) -> None:
    """https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation"""
    assert told(tmp_path, [EVENTS + content]) == found


def test_a_message_is_told_while_the_stream_is_open(tmp_path: Path) -> None:
    async def work() -> None:
        async with serving(tmp_path / "s", [EVENTS, event(ONE)], ends=False) as server:
            stream = messages(tmp_path / "s", ADDRESS, "weather", b"{}")
            assert await anext(stream) == ONE
            assert server.streams == 1
            await stream.aclose()
            await until(lambda: server.streams == 0)

    run(work)


def test_a_stream_that_says_its_end_ends_there(tmp_path: Path) -> None:
    """The server keeps the connection, for more requests."""
    assert told(tmp_path, [chunked(event(ONE), event(TWO))], ends=False) == [ONE, TWO]


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 404 Not Found\r\ncontent-type: text/event-stream\r\n\r\n",
        b"HTTP/1.1 202 Accepted\r\ncontent-type: text/event-stream\r\n\r\n",
        OK + b"content-type: application/json\r\n\r\n",
        OK + b"x-type: text/event-stream\r\n\r\n",
    ],
)
def test_another_answer_is_no_stream_and_is_left(tmp_path: Path, head: bytes) -> None:
    assert told(tmp_path, [head, event(ONE)], ends=False) == []


@pytest.mark.parametrize(
    "answer", [b"data: {}\n\n", chunked().replace(b"0\r\n", b"none\r\n")]
)
def test_an_answer_that_is_no_http_ends_the_stream(
    tmp_path: Path, answer: bytes
) -> None:
    assert told(tmp_path, [answer], ends=False) == []


def test_a_server_that_is_away_tells_nothing(tmp_path: Path) -> None:
    async def work() -> list[Any]:
        return [
            each async for each in messages(tmp_path / "s", ADDRESS, "weather", b"{}")
        ]

    assert run(work) == []


@pytest.mark.parametrize(("more", "found"), [(b"", 1), (b" ", 0)])
def test_a_message_of_several_lines_has_a_limit(
    tmp_path: Path, more: bytes, found: int
) -> None:
    """256 KiB, in lines that come apart; a comment after them is read by itself."""
    start, end = b'{"method":', b'"one"}'
    lines = [start, *[b" " * 65536] * 3, b" " * (65536 - len(start + end)), end + more]
    pieces = [b"data: " + line + b"\n" for line in lines]
    comment = b":" + b" " * 128 * 1024 + b"\n"
    assert len(told(tmp_path, [EVENTS, *pieces, comment, b"\n"])) == found


def test_a_stream_ends_with_a_message_that_is_too_large(tmp_path: Path) -> None:
    filled = {"method": "x" * (LARGEST - 100)}
    assert told(tmp_path, [EVENTS, event(filled), event(ONE)]) == [filled, ONE]
    # What is read at once, 64 KiB, may be more.
    larger = {"method": "x" * (LARGEST + 128 * 1024)}
    assert told(tmp_path, [EVENTS, event(ONE), event(larger), event(TWO)]) == [ONE]


@pytest.mark.parametrize(
    "line", [b"x" * 1000, b"x" * 1000 + b"\n", b"data: " + b"x" * 994 + b"\n"]
)
def test_a_message_without_end_ends_the_stream(tmp_path: Path, line: bytes) -> None:
    """One long line, or many lines of one message."""
    ends = b"data" in line or not line.endswith(b"\n")
    pieces = [
        EVENTS,
        event(ONE),
        *[line] * (LARGEST // 1000 + 80),
        b"\n",
        event(TWO),
    ]
    assert told(tmp_path, pieces, ends=not ends) == ([ONE] if ends else [ONE, TWO])
