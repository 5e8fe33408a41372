"""Rate limits through the real gateway: exact between Envoy's threads, kept across deployments and
restarts.
"""

from __future__ import annotations

import asyncio
import sqlite3
import ssl
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing

import pytest

from harness import DEFINITION, Answer, Platform, conf, free_port
from waiting import until

GW, SANDBOX = "default.gw.wso2.com", "default.sandbox.gw.wso2.com"
LIMIT = "rateLimit: {{requestsPerUnit: {}, unit: {}}}\n"


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    running = Platform(
        free_port(),
        tmp_path_factory.mktemp("kapi") / "data",
        environment={"KAPI_GATEWAY__CONCURRENCY": "2"},
    )
    running.start()
    yield running
    running.stop()
    assert "Traceback" not in "".join(
        path.read_text() for path in (running.data_dir / "logs").glob("*.log")
    )


def not_at_the_end_of(seconds: int, margin: int) -> None:
    """Wait for the next window when this one is about to end, so that a test is not on both
    sides.
    """
    left = seconds - time.time() % seconds
    if left < margin:
        time.sleep(left + 0.1)


def api(
    name: str,
    port: int,
    limit: str,
    *,
    operations: str = '- {target: "/items", verb: GET, secured: false}\n',
    more: str = "",
) -> str:
    text = conf(
        name, f"/{name.lower()}", port=port, extra=limit + more, operations=operations
    )
    return text.replace(
        "operations:",
        f'  sandbox:\n    endpoint: "http://127.0.0.1:{port}/sandbox"\noperations:',
        1,
    )


def deployed(platform: Platform, text: str) -> None:
    answer = platform.deploy(text, DEFINITION)
    assert answer.status == 200, answer.body


def statuses(
    platform: Platform, path: str, times: int, host: str = GW, *more: str
) -> list[int]:
    return [platform.request(host, path, *more).status for _ in range(times)]


async def at_once(
    port: int, path: str, requests: int, connections: int
) -> Counter[int]:
    """Many requests over many connections, so that all of Envoy's threads take part."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    seen: Counter[int] = Counter()

    async def one() -> None:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=context, server_hostname=GW
        )
        for _ in range(requests // connections):
            writer.write(f"GET {path} HTTP/1.1\r\nHost: {GW}\r\n\r\n".encode())
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            seen[int(head.split()[1])] += 1
            length = next(
                int(line.partition(":")[2])
                for line in head.split("\r\n")
                if line.startswith("content-length:")
            )
            await reader.readexactly(length)
        writer.close()

    await asyncio.gather(*(one() for _ in range(connections)))
    return seen


def test_over_the_limit_is_429_with_a_body_and_the_way_out(
    platform: Platform, echo: int
) -> None:
    deployed(platform, api("Three", echo, LIMIT.format(3, "Hour")))
    not_at_the_end_of(3600, 60)
    first = platform.request(GW, "/three/1.0.0/items")
    assert (
        first.status,
        first.headers["x-ratelimit-limit"],
        first.headers["x-ratelimit-remaining"],
    ) == (200, "3, 3;w=3600", "2")
    assert statuses(platform, "/three/1.0.0/items", 2) == [200, 200]
    over = platform.request(GW, "/three/1.0.0/items")
    until = 3600 - time.time() % 3600
    assert over.status == 429
    assert over.headers["content-type"].startswith("application/json")
    assert {name: over.json()[name] for name in ("error_message", "code")} == {
        "error_message": "Message throttled out",
        "code": "900800",
    }
    assert (
        over.json()["error_description"]
        == f"You have exceeded your quota. Try again in {over.headers['retry-after']} s."
    )
    assert abs(int(over.headers["retry-after"]) - until) < 5
    assert over.headers["x-ratelimit-reset"] == over.headers["retry-after"]
    assert (
        over.headers["x-ratelimit-limit"],
        over.headers["x-ratelimit-remaining"],
    ) == (
        "3, 3;w=3600",
        "0",
    )


def test_the_limit_of_an_api_is_one_for_hosts_verbs_and_paths(
    platform: Platform, echo: int
) -> None:
    operations = (
        '- {target: "/items", verb: GET, secured: false}\n'
        '- {target: "/items", verb: POST, secured: false}\n'
    )
    deployed(
        platform,
        api(
            "Shared",
            echo,
            LIMIT.format(4, "Day"),
            operations=operations,
            more="defaultVersion: true\n",
        ),
    )
    not_at_the_end_of(86400, 60)
    assert platform.request(GW, "/shared/1.0.0/items").status == 200
    assert platform.request(GW, "/shared/items").status == 200
    assert platform.request(GW, "/shared/1.0.0/items", "-X", "POST").status == 200
    assert platform.request(SANDBOX, "/shared/1.0.0/items").status == 200
    assert [
        platform.request(host, path).status
        for host in (GW, SANDBOX)
        for path in ("/shared/items", "/shared/1.0.0/items")
    ] == [429] * 4


def test_the_limit_of_an_operation_is_its_own_and_apart_for_the_sandbox(
    platform: Platform, echo: int
) -> None:
    operations = (
        f'- {{target: "/items", verb: GET, secured: false, {LIMIT.format(2, "Hour").strip()}}}\n'
        f'- {{target: "/items", verb: POST, secured: false, {LIMIT.format(1, "Hour").strip()}}}\n'
        '- {target: "/free", verb: GET, secured: false}\n'
    )
    deployed(
        platform,
        api("Apart", echo, "", operations=operations, more="defaultVersion: true\n"),
    )
    not_at_the_end_of(3600, 60)
    assert statuses(platform, "/apart/1.0.0/items", 1) + statuses(
        platform, "/apart/items", 2
    ) == [
        200,
        200,
        429,
    ]
    assert statuses(platform, "/apart/1.0.0/items", 2, GW, "-X", "POST") == [200, 429]
    assert statuses(platform, "/apart/items", 3, SANDBOX) == [200, 200, 429]
    assert platform.request(GW, "/apart/items").json()["code"] == "900802"
    free = platform.request(GW, "/apart/free")
    assert free.status == 200
    assert not [name for name in free.headers if "ratelimit" in name]


def test_a_refused_call_does_not_count(platform: Platform, echo: int) -> None:
    operations = '- {target: "/items", verb: GET, scopes: ["items:read"]}\n'
    deployed(
        platform, api("Closed", echo, LIMIT.format(1, "Hour"), operations=operations)
    )
    not_at_the_end_of(3600, 60)
    allowed, other = platform.token("items:read"), platform.token()
    assert platform.request(GW, "/closed/1.0.0/items").status == 401
    assert (
        platform.request(
            GW, "/closed/1.0.0/items", "-H", f"Authorization: Bearer {other}"
        ).status
        == 403
    )
    assert statuses(
        platform, "/closed/1.0.0/items", 2, GW, "-H", f"Authorization: Bearer {allowed}"
    ) == [200, 429]


def test_exactly_the_limit_passes_however_many_ask_at_once(
    platform: Platform, echo: int
) -> None:
    deployed(platform, api("Exact", echo, LIMIT.format(777, "Hour")))
    not_at_the_end_of(3600, 120)
    assert asyncio.run(at_once(platform.port, "/exact/1.0.0/items", 2000, 40)) == {
        200: 777,
        429: 1223,
    }


def test_deploying_again_and_deploying_others_keeps_the_count(
    platform: Platform, echo: int
) -> None:
    deployed(platform, api("Kept", echo, LIMIT.format(3, "Hour")))
    not_at_the_end_of(3600, 60)
    assert statuses(platform, "/kept/1.0.0/items", 2) == [200, 200]
    deployed(platform, api("Neighbour", echo, LIMIT.format(3, "Hour")))
    deployed(
        platform,
        api(
            "Kept",
            echo,
            LIMIT.format(3, "Hour"),
            more="additionalProperties: [{name: a, value: b}]\n",
        ),
    )
    assert statuses(platform, "/kept/1.0.0/items", 2) == [200, 429]
    # A higher limit lets what is left of it through.
    deployed(platform, api("Kept", echo, LIMIT.format(4, "Hour")))
    assert statuses(platform, "/kept/1.0.0/items", 2) == [200, 429]


def over_and_back(platform: Platform, path: str) -> list[int]:
    return statuses(platform, path, 2)


def test_hours_and_days_are_kept_across_restarts(platform: Platform, echo: int) -> None:
    deployed(platform, api("Hourly", echo, LIMIT.format(3, "Hour")))
    deployed(platform, api("Daily", echo, LIMIT.format(3, "Day")))
    not_at_the_end_of(3600, 120)
    for path in ("/hourly/1.0.0/items", "/daily/1.0.0/items"):
        assert statuses(platform, path, 2) == [200, 200]
    platform.stop()
    platform.start()
    for path in ("/hourly/1.0.0/items", "/daily/1.0.0/items"):
        assert over_and_back(platform, path) == [200, 429]


def test_an_envoy_that_was_killed_gets_its_counters_back(
    platform: Platform, echo: int
) -> None:
    import os
    import signal

    deployed(platform, api("Killed", echo, LIMIT.format(2, "Hour")))
    not_at_the_end_of(3600, 120)
    others = kept_counters(platform)
    assert statuses(platform, "/killed/1.0.0/items", 2) == [200, 200]
    until(lambda: 2 in [used for name, used in kept_counters(platform) - others])
    before = platform.pid("envoy")
    os.kill(before, signal.SIGKILL)
    until(lambda: platform.pid("envoy") not in {before, None} and answers(platform))
    time.sleep(0.5)
    assert statuses(platform, "/killed/1.0.0/items", 2) == [429, 429]


def kept_counters(platform: Platform) -> set[tuple[str, int]]:
    """The names of the counters in the store, and what they say. They are read each second."""
    with closing(sqlite3.connect(platform.data_dir / "kapi.db")) as database:
        return set(database.execute("SELECT name, used FROM counters").fetchall())


def answers(platform: Platform) -> bool:
    import subprocess

    command = [
        "curl",
        "-sk",
        "-o",
        "/dev/null",
        "-w",
        "%{http_code}",
        "-H",
        "Host: api.am.wso2.com",
        f"https://127.0.0.1:{platform.port}/ready",
    ]
    return (
        subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=20
        ).stdout
        == "200"
    )


@pytest.mark.long
def test_a_new_minute_begins_with_the_clock(platform: Platform, echo: int) -> None:
    deployed(platform, api("Minute", echo, LIMIT.format(2, "Minute")))
    not_at_the_end_of(60, 15)
    assert statuses(platform, "/minute/1.0.0/items", 3) == [200, 200, 429]
    wait = int(platform.request(GW, "/minute/1.0.0/items").headers["retry-after"])
    time.sleep(60 - time.time() % 60 - 1)
    last: Answer = platform.request(GW, "/minute/1.0.0/items")
    assert last.status == 429 or wait <= 1
    time.sleep(1.1)
    assert statuses(platform, "/minute/1.0.0/items", 3) == [200, 200, 429]
