"""Envoy's side of the Proxy-Wasm ABI in Python, as far as the admission module uses it: a clock
that can be set, memory that threads share.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import wasmtime

from kapi.policies.admission import MODULE

OK, NOT_FOUND, CAS_MISMATCH = 0, 1, 8
ENGINE = wasmtime.Engine()
ROOTS = {"admit": 1, "keys": 2, "ledger": 3, "stream": 4}


@cache
def compiled(file: Path) -> wasmtime.Module:
    """A module as machine code, which takes a second of processor time."""
    return wasmtime.Module.from_file(ENGINE, file)


def linked(host: object, file: Path) -> tuple[wasmtime.Store, Any]:
    """A new copy of a module whose imports are methods of the host, and its exports."""
    store = wasmtime.Store(ENGINE)
    linker = wasmtime.Linker(ENGINE)
    linker.allow_shadowing = True
    module = compiled(file)
    for item in module.imports:
        linker.define_func(item.module, item.name, item.type, getattr(host, item.name))
    return store, linker.instantiate(store, module).exports(store)


@dataclass
class Shared:
    """What the threads of one Envoy share."""

    now: float = 1_800_000_000
    data: dict[bytes, tuple[bytes, int]] = field(default_factory=dict)
    cas: int = 0

    def set(self, key: bytes, value: bytes, cas: int) -> int:
        if cas and key in self.data and self.data[key][1] != cas:
            return CAS_MISMATCH
        self.cas += 1
        self.data[key] = value, self.cas
        return OK


@dataclass
class Reply:
    status: int
    details: str
    body: str
    headers: dict[str, str]


def unpacked(packed: bytes) -> dict[str, str]:
    """Headers as the ABI passes them."""
    count = struct.unpack_from("<I", packed)[0]
    texts = [
        text.decode() for text in packed[4 + 8 * count :].split(b"\0")[: 2 * count]
    ]
    return dict(zip(texts[::2], texts[1::2], strict=True))


class Thread:
    """One worker thread of Envoy with its own copy of the module."""

    def __init__(self, shared: Shared, told: str = "") -> None:
        """`told` is what the parts that count are told after their names."""
        self.shared = shared
        self.asked: dict[int, tuple[str, str, bytes]] = {}
        """Cluster, path and body of the calls that the module makes, by number."""
        self.continued: list[int] = []
        self.before_set: Callable[[], None] = lambda: None
        self.properties: dict[str, bytes] = {}
        self.said: dict[str, str] = {}
        self.headers: dict[int, dict[str, str]] = {0: {}, 2: {}}
        self.buffers: dict[int, bytes] = {}
        self.reply: Reply | None = None
        self.foreign: list[str] = []
        self.closed: list[int] = []
        """Calls that the module has ended."""
        self.effective = 0
        self.contexts = 10
        self.store, self.exports = linked(self, MODULE)
        self.memory: Any = self.exports["memory"]
        for part, root in ROOTS.items():
            text = part + told * (part in ("admit", "keys"))
            self.buffers[7] = text.encode()
            self.call("proxy_on_context_create", root, 0)
            assert self.call("proxy_on_configure", root, len(text)) == 1

    def call(self, name: str, *arguments: int) -> Any:
        function: Any = self.exports[name]
        return function(self.store, *arguments)

    def request(self, part: str = "admit", body: bytes = b"") -> Reply | dict[str, str]:
        """A refusal, or the headers that the answer gets. The body comes in two pieces."""
        self.reply, self.headers[2] = None, {}
        self.contexts += 1
        context = self.contexts
        self.call("proxy_on_context_create", context, ROOTS[part])
        paused = self.call("proxy_on_request_headers", context, 1, 0 if body else 1)
        if body and self.reply is None:
            held = self.call("proxy_on_request_body", context, 1, 0)
            assert held == paused
            self.buffers[0] = body
            paused = self.call("proxy_on_request_body", context, len(body), 1)
        if self.reply is None:
            assert paused == 0
            self.call("proxy_on_response_headers", context, 1, 1)
        self.call("proxy_on_delete", context)
        return self.reply if self.reply is not None else dict(self.headers[2])

    def answered(self, headers: dict[str, str], pieces: list[bytes]) -> Reply | None:
        """A refusal, or None after an answer of the backend has passed in pieces, untouched."""
        self.reply, self.headers[2] = None, dict(headers)
        self.contexts += 1
        context = self.contexts
        self.call("proxy_on_context_create", context, ROOTS["admit"])
        paused = self.call("proxy_on_request_headers", context, 1, 1)
        if self.reply is None:
            assert paused == self.call("proxy_on_response_headers", context, 1, 0) == 0
            for piece in pieces:
                self.buffers[1] = piece
                assert self.call("proxy_on_response_body", context, len(piece), 0) == 0
                assert self.buffers[1] == piece
            self.buffers[1] = b""
            assert self.call("proxy_on_response_body", context, 0, 1) == 0
        self.call("proxy_on_delete", context)
        return self.reply

    def begun(self) -> int:
        """The number of a call at a limited route that may wait for an answer."""
        self.reply = None
        self.contexts += 1
        self.call("proxy_on_context_create", self.contexts, ROOTS["admit"])
        status = self.call("proxy_on_request_headers", self.contexts, 1, 1)
        if status == 0:
            self.continued.append(self.contexts)
        return self.contexts

    def told(self, number: int, status: int, body: bytes = b"") -> None:
        """The answer to a call that the module made; status 0: none."""
        del self.asked[number]
        self.headers[6] = {":status": str(status)} if status else {}
        self.buffers[4] = body
        self.call(
            "proxy_on_http_call_response", ROOTS["admit"], number, 1, len(body), 0
        )

    def opened(self, **properties: bytes) -> int:
        """The number of a call that is open from now on, at a route whose calls last."""
        self.properties = properties
        self.contexts += 1
        self.call("proxy_on_context_create", self.contexts, ROOTS["stream"])
        assert self.call("proxy_on_request_headers", self.contexts, 1, 0) == 0
        return self.contexts

    def sent(self, context: int, piece: bytes) -> bytes:
        """What goes on to the backend of a piece that the client of an open call sends."""
        self.buffers[0] = piece
        assert self.call("proxy_on_request_body", context, len(piece), 0) == 0
        return self.buffers[0]

    def came(self, context: int, piece: bytes) -> bytes:
        """What the client of an open call gets of a piece that the backend sends."""
        self.buffers[1] = piece
        assert self.call("proxy_on_response_body", context, len(piece), 0) == 0
        return self.buffers[1]

    def tick(self) -> list[int]:
        """The calls that a tick ends."""
        self.closed = []
        self.call("proxy_on_tick", ROOTS["stream"])
        return self.closed

    def read(self, start: int, size: int) -> bytes:
        return bytes(self.memory.read(self.store, start, start + size))

    def give(self, value: bytes, out: int, out_size: int) -> int:
        start = self.call("proxy_on_memory_allocate", len(value)) if value else 0
        self.memory.write(self.store, value, start)
        self.memory.write(self.store, struct.pack("<I", start), out)
        self.memory.write(self.store, struct.pack("<I", len(value)), out_size)
        return OK

    def proxy_get_current_time_nanoseconds(self, out: int) -> int:
        self.memory.write(
            self.store, struct.pack("<Q", int(self.shared.now * 10**9)), out
        )
        return OK

    def random_get(self, out: int, size: int) -> int:
        self.memory.write(self.store, bytes(range(size)), out)
        return OK

    def proxy_get_property(self, path: int, size: int, out: int, out_size: int) -> int:
        *_, before, name = self.read(path, size).decode().split("\0")
        name = f"{before}/{name}" if name.isdigit() else name
        if name == "plan":
            return self.give(self.plan(), out, out_size)
        return (
            self.give(self.properties[name], out, out_size)
            if name in self.properties
            else NOT_FOUND
        )

    def plan(self) -> bytes:
        """What a route says in one text (`planned` of `kapi.policies.admission`)."""
        names = ("kind", "limits", "place", "usage", "models", "prices")
        said = filter(self.properties.__contains__, names)
        return b"\n".join(
            name.encode() + b"\t" + self.properties[name] for name in said
        )

    def proxy_set_property(
        self, path: int, size: int, value: int, value_size: int
    ) -> int:
        self.said[self.read(path, size).decode()] = self.read(
            value, value_size
        ).decode()
        return OK

    def proxy_get_shared_data(
        self, key: int, size: int, out: int, out_size: int, cas: int
    ) -> int:
        found = self.shared.data.get(self.read(key, size))
        if found is None:
            return NOT_FOUND
        self.memory.write(self.store, struct.pack("<I", found[1]), cas)
        return self.give(found[0], out, out_size)

    def proxy_set_shared_data(
        self, key: int, size: int, value: int, value_size: int, cas: int
    ) -> int:
        self.before_set()
        return self.shared.set(
            self.read(key, size), self.read(value, value_size), cas % 2**32
        )

    def proxy_get_buffer_bytes(
        self, kind: int, start: int, length: int, out: int, out_size: int
    ) -> int:
        return self.give(self.buffers[kind][start : start + length], out, out_size)

    def proxy_set_tick_period_milliseconds(self, period: int) -> int:
        assert period == 1000
        return OK

    def proxy_set_effective_context(self, context: int) -> int:
        self.effective = context
        return OK

    def proxy_close_stream(self, kind: int) -> int:
        self.closed.append(self.effective)
        return OK

    def proxy_continue_stream(self, kind: int) -> int:
        assert kind == 0
        self.continued.append(self.effective)
        return OK

    def proxy_http_call(
        self,
        cluster: int,
        cluster_size: int,
        headers: int,
        headers_size: int,
        body: int,
        body_size: int,
        trailers: int,
        trailers_size: int,
        milliseconds: int,
        token: int,
    ) -> int:
        assert (trailers, trailers_size, milliseconds) == (0, 0, 350)
        pairs = unpacked(self.read(headers, headers_size))
        number = self.contexts * 1000 + len(self.asked)
        name = self.read(cluster, cluster_size).decode()
        self.asked[number] = name, pairs[":path"], self.read(body, body_size)
        self.memory.write(self.store, struct.pack("<I", number), token)
        return OK

    def proxy_get_header_map_value(
        self, kind: int, key: int, size: int, out: int, out_size: int
    ) -> int:
        name = self.read(key, size).decode()
        return (
            self.give(self.headers[kind][name].encode(), out, out_size)
            if name in self.headers[kind]
            else NOT_FOUND
        )

    def proxy_get_header_map_pairs(self, kind: int, out: int, out_size: int) -> int:
        pairs = [
            (name.encode(), value.encode())
            for name, value in self.headers[kind].items()
        ]
        sizes = b"".join(
            struct.pack("<II", len(name), len(value)) for name, value in pairs
        )
        texts = b"".join(name + b"\0" + value + b"\0" for name, value in pairs)
        return self.give(struct.pack("<I", len(pairs)) + sizes + texts, out, out_size)

    def proxy_replace_header_map_value(
        self, kind: int, key: int, size: int, value: int, value_size: int
    ) -> int:
        self.headers[kind][self.read(key, size).decode()] = self.read(
            value, value_size
        ).decode()
        return OK

    def proxy_remove_header_map_value(self, kind: int, key: int, size: int) -> int:
        self.headers[kind].pop(self.read(key, size).decode(), None)
        return OK

    def proxy_set_buffer_bytes(
        self, kind: int, start: int, length: int, data: int, size: int
    ) -> int:
        kept = self.buffers[kind]
        self.buffers[kind] = (
            kept[:start] + self.read(data, size) + kept[start + length :]
        )
        return OK

    def proxy_call_foreign_function(
        self, name: int, size: int, argument: int, length: int, out: int, out_size: int
    ) -> int:
        self.foreign.append(self.read(name, size).decode())
        return self.give(b"", out, out_size)

    def proxy_send_local_response(
        self,
        status: int,
        details: int,
        details_size: int,
        body: int,
        body_size: int,
        headers: int,
        headers_size: int,
        grpc: int,
    ) -> int:
        pairs = unpacked(self.read(headers, headers_size))
        self.reply = Reply(
            status,
            self.read(details, details_size).decode(),
            self.read(body, body_size).decode(),
            pairs,
        )
        return OK
