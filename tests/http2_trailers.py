"""The smallest HTTP/2 client that sends trailers (RFC 9113 §8.1), which curl cannot: one request,
answered by its frames.
"""

from __future__ import annotations

import socket
import ssl
import struct

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RST_STREAM, _SETTINGS = 0, 1, 3, 4
_END_STREAM, _END_HEADERS, _ACK = 1, 4, 1


def post_with_trailers(
    port: int,
    host: str,
    path: str,
    headers: dict[str, str],
    body: bytes,
    trailers: dict[str, str],
) -> bytes:
    """The body of the answer; an AssertionError when the stream is reset."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    with context.wrap_socket(
        socket.create_connection(("127.0.0.1", port), timeout=10), server_hostname=host
    ) as peer:
        asked = {
            ":method": "POST",
            ":scheme": "https",
            ":authority": host,
            ":path": path,
            **headers,
        }
        peer.sendall(
            _PREFACE
            + _frame(_SETTINGS, 0, 0, b"")
            + _frame(_HEADERS, _END_HEADERS, 1, _fields(asked))
            + _frame(_DATA, 0, 1, body)
            + _frame(_HEADERS, _END_HEADERS | _END_STREAM, 1, _fields(trailers))
        )
        return _answer(peer)


def _answer(peer: ssl.SSLSocket) -> bytes:
    content = b""
    while True:
        head = _exactly(peer, 9)
        length, kind, flags = int.from_bytes(head[:3]), head[3], head[4]
        payload = _exactly(peer, length)
        assert kind != _RST_STREAM, "the stream was reset"
        if kind == _SETTINGS and not flags & _ACK:
            peer.sendall(_frame(_SETTINGS, _ACK, 0, b""))
        if kind == _DATA:
            content += payload
        if kind in (_DATA, _HEADERS) and flags & _END_STREAM:
            return content


def _exactly(peer: ssl.SSLSocket, length: int) -> bytes:
    content = b""
    while len(content) < length:
        piece = peer.recv(length - len(content))
        assert piece, "the connection was closed"
        content += piece
    return content


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return (
        len(payload).to_bytes(3)
        + bytes([kind, flags])
        + struct.pack(">I", stream)
        + payload
    )


def _fields(headers: dict[str, str]) -> bytes:
    """HPACK literals, never indexed (RFC 7541 §6.2.3)."""
    return b"".join(
        b"\x10" + _text(name) + _text(value) for name, value in headers.items()
    )


def _text(value: str) -> bytes:
    content, length = value.encode(), len(value.encode())
    if length < 127:
        return bytes([length]) + content
    size, rest = b"\x7f", length - 127
    while rest >= 128:
        size, rest = size + bytes([rest % 128 + 128]), rest // 128
    return size + bytes([rest]) + content
