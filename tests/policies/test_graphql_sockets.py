"""The built module and subscriptions over a WebSocket: what of a client's frames passes, however
they come in pieces.
"""

from __future__ import annotations

import itertools
import json
import struct
from typing import Any

from envoy_host import Reply, Shared, Thread
from hypothesis import given, settings
from hypothesis import strategies as st

START = 1_800_000_000
PING = b"\x81\x8f\0\0\0\0" + b'{"type":"ping"}'
PROPERTIES = {"kind": b"graphql\tt\tmessage=4000", "query a": b"o\t", "query b": b"\t"}
HEADERS = {
    ":method": "GET",
    ":path": "/api/1.0",
    "upgrade": "websocket",
    "sec-websocket-protocol": "other, graphql-transport-ws",
    "sec-websocket-extensions": "permessage-deflate",
}


class Socket:
    """An open connection."""

    def __init__(self, thread: Thread) -> None:
        self.thread = thread
        thread.properties, thread.headers[0], thread.reply = (
            dict(PROPERTIES),
            dict(HEADERS),
            None,
        )
        thread.contexts += 1
        self.context = thread.contexts
        thread.call("proxy_on_context_create", self.context, 1)
        assert thread.call("proxy_on_request_headers", self.context, 1, 0) == 0

    def client(self, piece: bytes) -> bytes:
        return self._through(0, "proxy_on_request_body", piece)

    def backend(self, piece: bytes) -> bytes:
        return self._through(1, "proxy_on_response_body", piece)

    def _through(self, kind: int, callback: str, piece: bytes) -> bytes:
        self.thread.buffers[kind] = piece
        assert self.thread.call(callback, self.context, len(piece), 0) == 0
        return self.thread.buffers[kind]


def frame(payload: bytes, first: int = 0x81, *, masked: bool = True) -> bytes:
    size, bit = len(payload), 0x80 if masked else 0
    head = (
        bytes((first, bit | size))
        if size < 126
        else bytes((first, bit | 126)) + struct.pack(">H", size)
    )
    if not masked:
        return head + payload
    mask = b"\x01\xf2\x7a\x33"
    return head + mask + bytes(byte ^ mask[n % 4] for n, byte in enumerate(payload))


def subscribe(field: str, size: int = 0) -> bytes:
    payload = {"query": "{%s}" % field, "variables": {"x": "y" * size}}  # noqa: UP031
    return json.dumps({"id": field, "type": "subscribe", "payload": payload}).encode()


MESSAGES = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "ping", "control"]),
        st.integers(0, 1000),
        st.integers(1, 3),
    ),
    max_size=6,
)


def fragments(payload: bytes, count: int) -> bytes:
    step = len(payload) // count + 1
    parts = [payload[at : at + step] for at in range(0, len(payload), step)]
    return b"".join(
        frame(part, (0x80 if n == len(parts) - 1 else 0) | (1 if n == 0 else 0))
        for n, part in enumerate(parts)
    )


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    return [data[start:end] for start, end in itertools.pairwise(places)]


@settings(max_examples=60, deadline=None)
@given(MESSAGES, st.lists(st.integers(0, 9000), max_size=8))
def test_refused_messages_are_taken_out_and_the_others_pass_as_they_are(
    messages: list[tuple[str, int, int]], cuts: list[int]
) -> None:
    sent, wanted, refused = b"", b"", 0
    for what, size, count in messages:
        if what == "control":
            sent, wanted = sent + frame(b"!", 0x89), wanted + frame(b"!", 0x89)
            continue
        text = b'{"type":"ping"}' if what == "ping" else subscribe(what, size)
        here = fragments(text, count)
        sent, wanted = sent + here, wanted + (PING if what == "b" else here)
        refused += what == "b"
    socket = Socket(Thread(Shared(START)))
    assert b"".join(socket.client(piece) for piece in pieces(sent, cuts)) == wanted
    # The answers come before the next message of the backend, and never within one.
    first, pong = frame(b"one", 0x01, masked=False), frame(b"pong", masked=False)
    rest = frame(b"two", 0x80, masked=False)
    told = b"".join(
        socket.backend(piece) for piece in pieces(first + rest + pong, cuts)
    )
    assert told.endswith(first + rest + pong if refused else pong)
    assert told.count(b'"type":"error"') == refused


def test_the_backend_is_offered_one_protocol_and_no_compression() -> None:
    thread = Thread(Shared(START))
    Socket(thread)
    assert thread.headers[0]["sec-websocket-protocol"] == "graphql-transport-ws"
    assert "sec-websocket-extensions" not in thread.headers[0]
    thread.headers[0] = {**HEADERS, "sec-websocket-protocol": "graphql-ws"}
    reply: Any = thread.request()
    assert isinstance(reply, Reply)
    assert reply.status == 400


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=5))
def test_nonsense_passes_nothing_but_control_frames(
    data: bytes, cuts: list[int]
) -> None:
    """What is passed begins with a control frame, or ends the connection."""
    socket = Socket(Thread(Shared(START)))
    passed = b"".join(socket.client(piece) for piece in pieces(data, cuts))
    assert not passed or passed[0] in {0x88, 0x89, 0x8A}
    socket.backend(data)


def test_after_a_close_nothing_passes_in_either_direction() -> None:
    socket = Socket(Thread(Shared(START)))
    closing = socket.client(frame(b"no JSON"))
    assert closing[0] == 0x88
    assert struct.unpack(">H", closing[6:8]) == (4400,)
    assert socket.client(frame(subscribe("a"))) == b""
    told = socket.backend(frame(b"\x03\xe8", 0x88, masked=False))
    assert (told[0], struct.unpack(">H", told[2:4])) == (0x88, (4400,))
    assert socket.backend(frame(b"more", masked=False)) == b""


def test_a_message_that_is_too_large_is_refused_by_its_header() -> None:
    socket = Socket(Thread(Shared(START)))
    closing = socket.client(b"\x81\xff" + struct.pack(">Q", 2**40))
    assert struct.unpack(">H", closing[6:8]) == (1009,)
