"""Instructions of Envoy outside the kernel for a WebSocket frame to the backend and back, counted
by callgrind; not part of `run.py`. Through kapi beside a plain proxy, as `instructions.py` does it
for calls: one connection, one thread; it works on a busy machine.
"""

from __future__ import annotations

import json
import shutil
import socket
import ssl
import tempfile
import threading
from pathlib import Path

from frames_cpu import ACCEPTED, FRAME, OPERATIONS, UPGRADE, plain
from instructions import counted, saved, static

from harness import conf, free_port

MORE = """- {target: "/codes", verb: GET, secured: false,
   stream: {type: WebSocket, closeFrames: true}}
"""
KINDS = ("open", "secured", "limited", "messages", "codes")


def serve() -> int:
    """A backend that accepts every handshake, then sends back every byte; its port."""
    server = socket.create_server(("127.0.0.1", 0))

    def answer(connection: socket.socket) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += connection.recv(65536)
        connection.sendall(ACCEPTED)
        while piece := connection.recv(65536):
            connection.sendall(piece)

    def accept() -> None:
        while True:
            threading.Thread(
                target=answer, args=(server.accept()[0],), daemon=True
            ).start()

    threading.Thread(target=accept, daemon=True).start()
    port: int = server.getsockname()[1]
    return port


class Frames:
    """A handshake at the first use, then frames, each of which comes back before the next."""

    def __init__(self, path: str, token: str) -> None:
        head = f"GET {path} HTTP/1.1\r\nAuthorization: Bearer {token}\r\n"
        self._request = head.encode() + UPGRADE + b"\r\n"
        self._open = False

    def send(self, stream: ssl.SSLSocket, times: int) -> None:
        """Send so many frames, and read them back."""
        if not self._open:
            self._open = True
            stream.sendall(self._request)
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += stream.recv(65536)
            assert head.startswith(b"HTTP/1.1 101"), head
        for _ in range(times):
            stream.sendall(FRAME)
            left = len(FRAME)
            while left:
                left -= len(stream.recv(left))


def measure(folder: Path) -> None:
    backend = serve()
    text = conf("Frames", "/frames", port=backend, operations=OPERATIONS + MORE)
    found, pem, token = saved(folder, text)
    port = free_port()
    bare = plain(port, backend, pem)
    base = counted(folder / "plain", bare, port, Frames("/", token).send)
    print(f"{'plain proxy':<20} {base:7.2f} thousand", flush=True)
    for kind in KINDS:
        port = free_port()
        config = static(json.loads(json.dumps(found)), pem, port, folder / "access.log")
        frames = Frames(f"/frames/1.0.0/{kind}", token)
        value = counted(folder / kind, config, port, frames.send)
        print(
            f"kapi, {kind:<14} {value:7.2f} thousand   {value / base:.2f} ×", flush=True
        )


def main() -> None:
    """Print the counts."""
    assert shutil.which("callgrind_control"), (
        "install valgrind (Debian: apt-get install valgrind)"
    )
    with tempfile.TemporaryDirectory() as name:
        measure(Path(name))


if __name__ == "__main__":
    main()
