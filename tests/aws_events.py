"""The binary stream of events of AWS, as Bedrock sends it; written and read by hand."""

from __future__ import annotations

import base64
import json
import struct
import zlib
from typing import Any

MEDIA_TYPE = "application/vnd.amazon.eventstream"
TYPE = b"\x0b:event-type\x07\x00\x05chunk"


def message(payload: bytes, headers: bytes = TYPE) -> bytes:
    """A message with real checksums."""
    prelude = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    head = prelude + struct.pack(">I", zlib.crc32(prelude)) + headers + payload
    return head + struct.pack(">I", zlib.crc32(head))


def wrapped(document: Any) -> bytes:
    """The payload of a message of `invoke-with-response-stream`."""
    text = base64.b64encode(json.dumps(document).encode()).decode()
    return json.dumps({"bytes": text, "p": "abcdef"}, separators=(",", ":")).encode()


def read(body: bytes) -> list[Any]:
    """The documents of a stream, whose checksums are compared."""
    found = []
    while body:
        size, headers, prelude = struct.unpack(">III", body[:12])
        one, body = body[:size], body[size:]
        assert zlib.crc32(one[:8]) == prelude
        assert zlib.crc32(one[:-4]) == struct.unpack(">I", one[-4:])[0]
        assert one[12 : 12 + headers] == TYPE
        document = json.loads(one[12 + headers : -4])
        if "bytes" in document:
            document = json.loads(base64.b64decode(document["bytes"], validate=True))
        found.append(document)
    return found
