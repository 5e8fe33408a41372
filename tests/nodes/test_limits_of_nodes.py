"""Limits that two nodes count together in Redis; what happens without it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from harness import Answer, Platform, free_port
from kapi.gateway.shared_limits.redis_counts import RedisCounts
from kapi.gateway.shared_limits.wire import Question
from node_pair import Pair, call, deployed, node_pair
from postgres import PostgresServer
from redis_server import RedisServer, redis_server
from waiting import until

pytestmark = pytest.mark.long
PASSWORD = "tr0ub4dor-and-3"
OPEN = '- {target: "/open", verb: GET, secured: false}\n'


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    """A server with a password, which must not be in any log."""
    with redis_server(PASSWORD) as server:
        yield server


@pytest.fixture(scope="module")
def nodes(
    postgres: PostgresServer,
    redis: RedisServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Pair]:
    database = postgres.database()
    environment = {"KAPI_LIMITS__REDIS": redis.url}
    folder = tmp_path_factory.mktemp("shared-limits")
    with node_pair(
        folder, (database, database), PASSWORD, environment=environment
    ) as pair:
        yield pair


def limited(nodes: Pair, name: str, port: int, requests: int) -> str:
    """Deploy an API with a limit for each day; its path, once both nodes have it."""
    limit = f"{{requestsPerUnit: {requests}, unit: Day}}"
    operations = (
        '- {target: "/free", verb: GET, secured: false}\n'
        f'- {{target: "/open", verb: GET, secured: false, rateLimit: {limit}}}\n'
    )
    deployed(nodes[0], name, port, operations=operations)
    base = f"/{name.lower()}"
    for node in nodes:
        until(lambda node=node: call(node, base, path="/free").status == 200)
    return base


def opened(node: Platform, base: str) -> Answer:
    return call(node, base, path="/open")


def statuses(nodes: Pair, base: str, calls: int) -> Counter[int]:
    """The answers of this number of calls, half of them at each node, eight at a time."""
    with ThreadPoolExecutor(8) as threads:
        answers = threads.map(
            lambda number: opened(nodes[number % 2], base), range(calls)
        )
        return Counter(answer.status for answer in answers)


def settle(nodes: Pair, redis: RedisServer) -> None:
    """Wait until both nodes count in Redis, and know that they are two.

    A node learns how many there are each time that it says that it is there.
    """
    client = redis.client()
    until(lambda: client.zcard("kapi:limit-nodes") == 2)
    seen = dict(client.zrange("kapi:limit-nodes", 0, -1, withscores=True))
    until(
        lambda: all(
            client.zscore("kapi:limit-nodes", name) > at for name, at in seen.items()
        )
    )
    for node in nodes:
        until(lambda: b"does not answer" not in node.api("/readyz?verbose").body)  # noqa: B023


def test_few_calls_are_counted_exactly_over_both(nodes: Pair, echo: int) -> None:
    base = limited(nodes, "Few", echo, 15)
    assert statuses(nodes, base, 40) == {200: 15, 429: 25}
    refused = opened(nodes[0], base)
    assert refused.headers["x-ratelimit-remaining"] == "0"
    assert refused.json()["code"] == "900802"


def test_many_calls_are_at_most_the_limit_and_at_least_nine_tenths(
    nodes: Pair, echo: int
) -> None:
    base = limited(nodes, "Many", echo, 120)
    first = opened(nodes[0], base)
    assert (first.status, first.headers["x-ratelimit-remaining"]) == (200, "119")
    assert 107 <= statuses(nodes, base, 160)[200] <= 119


def test_without_redis_each_node_counts_its_share(
    nodes: Pair, redis: RedisServer, echo: int
) -> None:
    """Readiness says so; when Redis is back, it counts again, without a restart."""
    settle(nodes, redis)
    base = limited(nodes, "Shared", echo, 11)
    redis.stop(signal.SIGKILL)
    try:
        assert Counter(opened(nodes[0], base).status for _ in range(8)) == {
            200: 5,
            429: 3,
        }
        assert statuses(nodes, base, 20)[200] == 5
        said = b"Redis does not answer; limits.away = share holds"
        until(
            lambda: said in nodes[0].api("/readyz?verbose").body
        )  # known for a second
        assert nodes[0].api("/readyz").status == 200
    finally:
        redis.start()
    settle(nodes, redis)
    again = limited(nodes, "Again", echo, 10)
    assert statuses(nodes, again, 20) == {200: 10, 429: 10}


def test_a_redis_that_hangs_is_noticed(
    nodes: Pair, redis: RedisServer, echo: int
) -> None:
    settle(nodes, redis)
    base = limited(nodes, "Hangs", echo, 12)
    assert redis.process is not None
    redis.process.send_signal(signal.SIGSTOP)
    try:
        assert statuses(nodes, base, 30)[200] == 12
    finally:
        redis.process.send_signal(signal.SIGCONT)
    settle(nodes, redis)


def test_a_limit_twice_in_one_call_is_never_passed(redis: RedisServer) -> None:
    async def taken() -> int:
        counts = RedisCounts(redis.url, 5.0, 0.5, "one")
        first = Question(86400, 30, 10, 0, ahead=False, key=b"twice")
        [ruling] = (await counts.take([[first, replace(first, ahead=True)]]))[1]
        await counts.leave()
        return ruling.counts[-1][1]

    assert asyncio.run(taken()) == 25


def test_keys_expire_and_say_what_they_count(
    nodes: Pair, redis: RedisServer, echo: int
) -> None:
    settle(nodes, redis)
    extra = "rateLimit: {requestsPerUnit: 5, unit: Day}\n"
    deployed(nodes[0], "Keys", echo, extra=extra, operations=OPEN)
    assert opened(nodes[0], "/keys").status == 200
    client = redis.client()
    keys = list(client.scan_iter("kapi:limit:api/*"))
    assert len(keys) == 1
    assert all(0 < client.ttl(key) <= 86_401 for key in keys)


def test_the_process_that_counts_may_be_killed(nodes: Pair, echo: int) -> None:
    base = limited(nodes, "Killed", echo, 10)
    os.kill(nodes[0].pid("limits"), signal.SIGKILL)
    assert opened(nodes[0], base).status == 200


@pytest.mark.parametrize(("away", "status"), [("allow", 200), ("refuse", 503)])
def test_a_setting_says_what_happens_without_redis(
    away: str, status: int, echo: int, tmp_path: Path
) -> None:
    node = Platform(free_port(), tmp_path / "data")
    node.environment = {
        "KAPI_LIMITS__REDIS": f"redis://127.0.0.1:{free_port()}",
        "KAPI_LIMITS__AWAY": away,
    }
    node.start()
    try:
        extra = "rateLimit: {requestsPerUnit: 1, unit: Day}\n"
        deployed(node, "Away", echo, extra=extra, operations=OPEN)
        assert [opened(node, "/away").status for _ in range(3)] == [status] * 3
    finally:
        node.stop()


def test_tls_to_redis_is_checked_with_the_authority_of_the_url(
    echo: int, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """With another authority nothing is counted there: the server is not believed."""
    folder = tmp_path_factory.mktemp("redis-tls")
    names = folder / "redis.key", folder / "redis.pem"
    subject = ("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1")
    subprocess.run(
        [
            *(
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
            ),
            *(
                "-nodes",
                "-days",
                "2",
                "-keyout",
                str(names[0]),
                "-out",
                str(names[1]),
                *subject,
            ),
        ],
        check=True,
        capture_output=True,
    )
    tls = ("--tls-key-file", str(names[0]), "--tls-cert-file", str(names[1]))
    server = RedisServer(folder, PASSWORD, (*tls, "--tls-auth-clients", "no"))
    server.start()
    node = Platform(free_port(), tmp_path / "data")
    node.secrets.append(PASSWORD)
    node.environment = {
        "KAPI_LIMITS__REDIS": f"{server.url}?ssl_ca_certs={names[1]}",
        "KAPI_LIMITS__AWAY": "refuse",
    }
    try:
        node.start()
        extra = "rateLimit: {requestsPerUnit: 2, unit: Day}\n"
        deployed(node, "Safe", echo, extra=extra, operations=OPEN)
        assert [opened(node, "/safe").status for _ in range(3)] == [200, 200, 429]
        node.stop()
        node.environment["KAPI_LIMITS__REDIS"] = server.url
        node.start()
        assert opened(node, "/safe").status == 503
        shown = node.cli("config", "show", environment=node.environment).stdout
        assert PASSWORD not in shown
        assert f"rediss://:***@127.0.0.1:{server.port}/0" in shown
    finally:
        node.stop()
        server.stop(signal.SIGKILL)
