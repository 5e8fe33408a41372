"""An HTTP proxy (CONNECT) that leads every host to this machine, so that foreign clients find the
platform by its real names.
"""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class _Tunnel(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        verb, target, *_ = self.rfile.readline().decode("latin-1").split()
        while self.rfile.readline() not in {b"\r\n", b"\n", b""}:
            pass
        assert verb == "CONNECT"
        server: _Server = self.server  # type: ignore[assignment]
        port = server.port or int(target.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as peer:
            self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
            back = threading.Thread(
                target=_pump, args=(peer, self.connection), daemon=True
            )
            back.start()
            _pump(self.connection, peer)
            back.join(10)


def _pump(source: socket.socket, target: socket.socket) -> None:
    try:
        while piece := source.recv(65536):
            target.sendall(piece)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    port = 0


@contextmanager
def proxy(port: int = 0) -> Iterator[int]:
    """Its port. It leads to `port` of this machine, or to the port that the client asks for."""
    with _Server(("127.0.0.1", 0), _Tunnel) as server:
        server.port = port
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server.server_address[1]
        server.shutdown()
