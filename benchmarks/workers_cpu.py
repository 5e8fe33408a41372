"""Client-credentials tokens with two identity workers beside one: processor time and wall time.

The workers share the store and nothing else; each has its socket, as behind the gateway. Rounds
with one and with two workers alternate, with the same connections for each worker. The ratio by
processor time is what two free processors give: a lock or a shared process that both wait for, or
that takes time of its own, makes it less than two. The wall ratio also contains the load generator
and whatever else runs.
"""

from __future__ import annotations

import asyncio
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import uvloop
from cryptography.hazmat.primitives.asymmetric import rsa
from measure import thread_seconds
from token_cpu import load, request, signature_seconds

from kapi.run_files import prepare_run
from kapi.settings import Settings

REQUESTS, ROUNDS = 1600, 9


class Signers:
    """Processes that only sign: what this machine itself gives two at a time."""

    def __init__(self) -> None:
        self._pool = ProcessPoolExecutor(2)
        self.ratios: list[float] = []

    def measure(self) -> None:
        """One round: the processor time of a signature alone, and beside another process."""
        alone = self._pool.submit(_signing).result()
        both = [self._pool.submit(_signing) for _ in range(2)]
        self.ratios.append(2 * alone / statistics.fmean(item.result() for item in both))


def _signing() -> float:
    return signature_seconds(
        rsa.generate_private_key(public_exponent=65537, key_size=2048)
    )


class Worker:
    """One identity worker on a socket of its own."""

    def __init__(self, settings: Settings, number: int) -> None:
        self.path = settings.data_dir / f"bench-{number}.sock"
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(self.path))
        listener.listen(1024)
        handle = listener.fileno()
        command = [
            sys.executable,
            "-m",
            "kapi.app",
            "identity",
            str(prepare_run(settings)),
        ]
        self.process = subprocess.Popen([*command, str(handle)], pass_fds=[handle])

    async def tokens(self, requests: int) -> None:
        """So many, over 32 connections."""
        path = str(self.path)
        await load(
            lambda: asyncio.open_unix_connection(path),
            request("/oauth2/token"),
            requests,
        )

    @property
    def waits(self) -> int:
        """How often its threads gave a processor back to wait for something."""
        tasks = Path(f"/proc/{self.process.pid}/task").iterdir()
        lines = [
            line
            for task in tasks
            for line in (task / "status").read_text().splitlines()
        ]
        return sum(
            int(line.split()[1]) for line in lines if line.startswith("voluntary")
        )


class Figures:
    """What rounds with one number of workers used, for each token."""

    def __init__(self) -> None:
        self.cpu: list[float] = []
        self.wall: list[float] = []
        self.waits: list[float] = []

    async def measure(self, workers: list[Worker]) -> None:
        """One round."""
        pids = [worker.process.pid for worker in workers]
        used, waited = thread_seconds(*pids), sum(worker.waits for worker in workers)
        begun = time.perf_counter()
        await asyncio.gather(*(worker.tokens(REQUESTS) for worker in workers))
        tokens = REQUESTS * len(workers)
        self.wall.append((time.perf_counter() - begun) / tokens)
        self.cpu.append((thread_seconds(*pids) - used) / tokens)
        self.waits.append((sum(worker.waits for worker in workers) - waited) / tokens)


async def measure(folder: Path) -> None:
    settings = Settings(data_dir=folder)
    workers = [Worker(settings, number) for number in range(2)]
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    one, two, signs, signers = Figures(), Figures(), [], Signers()
    try:
        for worker in workers:
            await worker.tokens(320)
        for _ in range(ROUNDS):
            signs.append(signature_seconds(key))
            signers.measure()
            await one.measure(workers[:1])
            await two.measure(workers)
    finally:
        for worker in workers:
            worker.process.terminate()
            worker.process.wait()
    report(one, two, signs)
    bare = statistics.median(signers.ratios)
    print(f"signatures of two processes ÷ one, by processor time: {bare:.2f}")


def report(one: Figures, two: Figures, signs: list[float]) -> None:
    print(f"load {os.getloadavg()[0]:.0f} on {os.cpu_count()} processors")
    print(f"one RSA-2048 signature   {statistics.median(signs) * 1e6:6.0f} µs CPU")
    for name, figures in (("one worker", one), ("two workers", two)):
        cpu, wall = (
            statistics.median(figures.cpu) * 1e6,
            statistics.median(figures.wall) * 1e6,
        )
        waits = statistics.median(figures.waits)
        print(
            f"{name:<12} a token    {cpu:6.0f} µs CPU   {wall:6.0f} µs wall   {waits:.2f} waits"
        )
    by_cpu = statistics.median(2 * a / b for a, b in zip(one.cpu, two.cpu, strict=True))
    by_wall = statistics.median(a / b for a, b in zip(one.wall, two.wall, strict=True))
    print(
        f"tokens of two ÷ one: by processor time {by_cpu:.2f}, by wall time {by_wall:.2f} (1.9)"
    )


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        uvloop.run(measure(Path(folder)))


if __name__ == "__main__":
    main()
