"""The counts of all nodes in Redis, by one script (`take.lua`) for each batch of calls.

Keys: `kapi:limit:KEY:UNIT:WINDOW`, which expire with their window, and `kapi:limit-nodes`. Redis
Cluster is not supported: a call's limits are in one script.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kapi.errors import KapiError
from kapi.gateway.shared_limits.wire import Question, Ruling

if TYPE_CHECKING:
    from redis.asyncio import Redis

Call = Sequence[Question]
_PREFIX = b"kapi:limit:"
_NODES = "kapi:limit-nodes"
AWAY_SECONDS = 10
"""A node that does not say for so long that it is there has no share any more."""
_TAKE = Path(__file__).with_name("take.lua")
_PRESENT = """
local now = tonumber(redis.call('TIME')[1])
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - tonumber(ARGV[2]))
redis.call('EXPIRE', KEYS[1], 60)
return redis.call('ZCARD', KEYS[1])
"""


class CountsAway(Exception):
    """Redis does not answer, or with an error. The text has no password."""


class RedisCounts:
    """One connection at a time; used by one event loop."""

    def __init__(self, url: str, seconds: float, ahead: float, node: str) -> None:
        """`seconds` is how long Redis may take; `node` the name of this one among all.

        `ahead` is the share of the rest of a limit that all nodes together may take ahead.
        """
        self._redis = connected(url, seconds)
        self._take = self._redis.register_script(_TAKE.read_text("ascii"))
        self._present = self._redis.register_script(_PRESENT)
        self._ahead = ahead
        self._node = node
        self.nodes = 1
        """How many nodes count, as far as known."""

    async def take(self, calls: Sequence[Call]) -> tuple[int, list[Ruling]]:
        """Count calls; the time in milliseconds and one ruling for each. Raises CountsAway."""
        keys: list[bytes] = []
        arguments: list[float] = [self.nodes, self._ahead]
        for call in calls:
            arguments.append(len(call))
            for item in call:
                keys.append(_PREFIX + item.key)
                arguments += (
                    item.unit,
                    item.allowed,
                    item.times,
                    item.spent,
                    int(item.ahead),
                )
        numbers = iter(await self._answer(self._take, keys, arguments))
        time = next(numbers)
        return time, [_ruling(len(call), numbers) for call in calls]

    async def say_present(self) -> None:
        """Say that this node is there, and learn how many are. Raises CountsAway."""
        keys = [_NODES.encode()]
        self.nodes = await self._answer(self._present, keys, [self._node, AWAY_SECONDS])

    async def leave(self) -> None:
        """Say that this node is gone, and close the connection. Raises CountsAway."""
        from redis.exceptions import RedisError

        try:
            await self._redis.zrem(_NODES, self._node)
            await self._redis.aclose()
        except (RedisError, OSError) as error:
            raise CountsAway(str(error)) from error

    async def _answer(
        self, script: Any, keys: list[bytes], arguments: list[Any]
    ) -> Any:
        from redis.exceptions import RedisError

        try:
            return await script(keys=keys, args=arguments)
        except (RedisError, OSError) as error:
            raise CountsAway(str(error)) from error


def _ruling(questions: int, numbers: Any) -> Ruling:
    passes = next(numbers) == 1
    return Ruling(passes, [(next(numbers), next(numbers)) for _ in range(questions)])


def connected(url: str, seconds: float) -> Redis:
    """A client; it connects when it is used. A lost connection is made again once.

    Raises KapiError when the driver is not installed, or the URL or a parameter in it is wrong.
    """
    try:
        from redis.asyncio import Redis
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff
        from redis.exceptions import ConnectionError as Lost
    except ImportError:
        raise KapiError(
            "environment",
            "limits.redis needs the driver redis, which is not installed",
            hint="Install it: pip install 'kapi[redis]'.",
        ) from None
    try:
        client = Redis.from_url(
            url,
            socket_timeout=seconds,
            socket_connect_timeout=seconds,
            single_connection_client=True,
            retry=Retry(NoBackoff(), 1, supported_errors=(Lost,)),
        )
        # The driver reads the parameters when it makes a connection, which it does not open yet.
        pool: Any = client.connection_pool
        pool.make_connection()
    except (TypeError, ValueError) as error:
        raise KapiError(
            "settings",
            f"limits.redis cannot be used: {error}",
            hint="Write redis://USER:PASSWORD@HOST:PORT/NUMBER and parameters of its driver.",
        ) from None
    return client
