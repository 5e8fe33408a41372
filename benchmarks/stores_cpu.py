"""Processor time of the flows that write: an identity worker on PostgreSQL beside one on SQLite.

The flows are those of `flows_cpu.py`. The CPU of the database server is measured besides: all its
processes. Interleaved rounds.
"""

from __future__ import annotations

import asyncio
import dataclasses
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import uvloop
from flows_cpu import ROUNDS, Server, round_of, settings_of, signed_in_to_ours
from measure import cpu_seconds
from token_cpu import start_ours

from kapi.settings import StoreSettings
from postgres import PostgresServer, postgres_server

FLOWS = ("authorization code", "refresh", "introspection")


def started(folder: Path, url: str) -> tuple[Server, subprocess.Popen[bytes]]:
    """A worker on a database; an empty URL is SQLite."""
    folder.mkdir()
    settings = dataclasses.replace(settings_of(folder), store=StoreSettings(url))
    cookies = signed_in_to_ours(settings)
    worker, path = start_ours(settings)
    connect = lambda: asyncio.open_unix_connection(str(path))  # noqa: E731
    paths = ("/oauth2/authorize", "/oauth2/token", "/oauth2/introspect")
    return Server(worker.pid, connect, *paths, cookies), worker


def server_seconds(server: PostgresServer) -> float:
    """CPU of all processes of the database server that run now; ended ones count in the first."""
    assert server.process is not None
    own = server.process.pid
    tasks = Path(f"/proc/{own}/task/{own}/children").read_text().split()
    return cpu_seconds(own, *map(int, tasks))


Workers = dict[str, tuple[Server, subprocess.Popen[bytes]]]


async def measure(workers: Workers, postgres: PostgresServer) -> None:
    used: dict[str, list[dict[str, float]]] = {name: [] for name in workers}
    at_server: list[float] = []
    try:
        for number in range(ROUNDS + 1):
            for name, (server, _) in workers.items():
                before = server_seconds(postgres)
                result = await round_of(server, "access_token")
                if number:
                    used[name].append(result)
                    if name == "PostgreSQL":
                        at_server.append(server_seconds(postgres) - before)
    finally:
        for _, worker in workers.values():
            worker.terminate()
            worker.wait()
    for flow in FLOWS:
        one, other = ([result[flow] for result in used[name]] for name in workers)
        ratio = statistics.median(b / a for a, b in zip(one, other, strict=True))
        print(
            f"{flow:<20} SQLite {statistics.median(one) * 1e6:6.0f} µs CPU of the worker"
            f"   PostgreSQL {statistics.median(other) * 1e6:6.0f} µs   ÷ SQLite {ratio:.2f}"
        )
    print(
        f"the database server, a round of all flows: {statistics.median(at_server):.2f} s CPU"
    )


def main() -> None:
    with postgres_server() as postgres, tempfile.TemporaryDirectory() as folder:
        workers = {
            "SQLite": started(Path(folder) / "sqlite", ""),
            "PostgreSQL": started(Path(folder) / "postgres", postgres.database()),
        }
        uvloop.run(measure(workers, postgres))


if __name__ == "__main__":
    main()
