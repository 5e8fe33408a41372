"""The process `limits`: counts the limits of all nodes in Redis. Only with `limits.redis`."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import socket

from kapi.front.web.limits import LimitsProtocol
from kapi.gateway.shared_limits.counting import Counting
from kapi.gateway.shared_limits.redis_counts import RedisCounts
from kapi.run_files import node_id
from kapi.settings import Settings


def run_limits(settings: Settings, listener: socket.socket) -> None:
    """Serve Envoy's questions until a signal."""
    import uvloop

    gc.collect()
    gc.freeze()
    uvloop.run(_serve(settings, listener))


async def _serve(settings: Settings, listener: socket.socket) -> None:
    limits = settings.limits
    counts = RedisCounts(limits.redis, limits.timeout, limits.ahead, node_id(settings))
    counting = Counting(counts)
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    work = [loop.create_task(counting.look()), loop.create_task(counting.run())]
    server = await loop.create_unix_server(
        lambda: LimitsProtocol(counting), sock=listener
    )
    await stop.wait()
    server.close()
    for task in work:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    await counting.leave()
