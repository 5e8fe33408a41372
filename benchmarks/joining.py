"""A fresh node that joins a PostgreSQL database with many APIs: processor time and memory.

The time is until the node is ready, the memory for each API. Run with numbers of APIs:
`benchmarks/joining.py 10 1000 5000`. No other node has rendered, so this one renders all of them.
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from measure import cpu_seconds, resident_mb

import waiting
from harness import Platform, echo_backend, free_port
from node_pair import GW
from nodes import fill
from postgres import PostgresServer, postgres_server


def join(
    server: PostgresServer, folder: Path, apis: int, port: int
) -> dict[str, float]:
    """Start a node; memory of its processes in MB."""
    url = server.database()
    fill(url, apis, port)
    folder.mkdir()
    node = Platform(free_port(), folder / "data", ("--database", url))
    begun = time.monotonic()
    node.start()
    try:
        took = time.monotonic() - begun
        assert node.request(GW, f"/old{apis - 1}/1.0.0/open").status == 200
        used = {name: cpu_seconds(node.pid(name)) for name in ("control", "envoy")}
        pids = {name: node.pid(name) for name in ("control", "envoy")}
        memory = {name: resident_mb(pid)[pid] for name, pid in pids.items()}
    finally:
        node.stop()
    print(
        f"{apis:5} APIs: ready after {took:.1f} s; CPU control {used['control']:.1f} s,"
        f" Envoy {used['envoy']:.1f} s; memory control {memory['control']:.0f} MB,"
        f" Envoy {memory['envoy']:.0f} MB",
        flush=True,
    )
    return memory


def main() -> None:
    waiting.LIMIT = 1800.0
    numbers = [int(text) for text in sys.argv[1:]] or [10, 1000, 5000]
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(postgres_server(durable=False))
        port = stack.enter_context(echo_backend())
        first = join(server, folder / str(numbers[0]), numbers[0], port)
        for number in numbers[1:]:
            memory = join(server, folder / str(number), number, port)
            for name, much in memory.items():
                each = (much - first[name]) / (number - numbers[0]) * 1024
                print(f"      {name}: {each:.0f} kB for each API", flush=True)


if __name__ == "__main__":
    main()
