"""How long tokens wait through the gateway: median and 99th percentile at several connections.

At 1, 32, 128 and 512 connections, each asks again as soon as it is answered, so requests always
wait for the signature. The callers' connections are open before all of them ask at once; those from
Envoy to the provider are not. Each result is printed beside the bound of a fair queue: the same
requests and answers of the same run, but answered in the order of the requests. A machine that is
busy with other work makes both longer.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import ssl
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import uvloop
from token_cpu import request

from harness import Platform, free_port

CONNECTIONS = (1, 32, 128, 512)
SECONDS, ROUNDS = 4.0, 3
GOAL = 2.5
Seen = list[tuple[float, float]]
"""When each request was sent and when it was answered."""


async def one(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, until: float, seen: Seen
) -> None:
    """One caller, from its first request on."""
    message = request("/oauth2/token")
    sent = time.perf_counter()
    while sent < until:
        writer.write(message)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        await reader.readexactly(length)
        answered = time.perf_counter()
        seen.append((sent, answered))
        sent = answered
    writer.close()


async def load(port: int, connections: int, seconds: float) -> Seen:
    """This number of callers for this time."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    at = {
        "host": "127.0.0.1",
        "port": port,
        "ssl": context,
        "server_hostname": "idp.am.wso2.com",
    }
    opened = [await asyncio.open_connection(**at) for _ in range(connections)]
    seen: Seen = []
    until = time.perf_counter() + seconds
    await asyncio.gather(*(one(*connection, until, seen) for connection in opened))
    return seen


def fair(seen: Seen) -> list[float]:
    """The waits if the first to ask had been the first to get one of the same answers."""
    asked = sorted(sent for sent, _ in seen)
    answers = sorted(answered for _, answered in seen)
    return [end - begin for begin, end in zip(asked, answers, strict=True)]


def quantile(values: list[float], share: float) -> float:
    """That part of the values is smaller, in milliseconds."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] * 1000


def report(connections: int, rounds: list[Seen]) -> None:
    """One line: the median of the rounds, by the ratio of 99th percentile and median."""
    rows = []
    for seen in rounds:
        waits, bound = [end - begin for begin, end in seen], fair(seen)
        half, late = quantile(waits, 0.5), quantile(waits, 0.99)
        rows.append(
            (
                late / half,
                half,
                late,
                quantile(bound, 0.5),
                quantile(bound, 0.99),
                max(waits) * 1000,
            )
        )
    ratio, half, late, fair_half, fair_late, worst = sorted(rows)[len(rows) // 2]
    rate = sum(map(len, rounds)) / len(rounds) / SECONDS
    print(
        f"{connections:>4} connections"
        f"  p50 {half:6.1f} ms  p99 {late:6.1f} ms  longest {worst:6.0f} ms"
        f"  p99 ÷ p50 {ratio:5.2f}   fair queue: p50 {fair_half:6.1f}  p99 {fair_late:6.1f}"
        f"  ÷ {fair_late / fair_half:5.2f}   {rate:5.0f} tokens/s   (goal {GOAL})",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--workers", default="1")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    chosen = parser.parse_args()
    gc.freeze()
    with tempfile.TemporaryDirectory() as folder:
        platform = Platform(
            free_port(), Path(folder) / "data", ("--workers", chosen.workers)
        )
        platform.start()
        try:
            with contextlib.suppress(KeyboardInterrupt):
                for connections in CONNECTIONS:
                    rounds = [
                        uvloop.run(load(platform.port, connections, SECONDS))
                        for _ in range(chosen.rounds)
                    ]
                    report(connections, rounds)
        finally:
            platform.stop()


if __name__ == "__main__":
    main()
