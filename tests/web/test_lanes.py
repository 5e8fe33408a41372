"""Lanes of the system APIs: what one caller's network gets of the places, and by which header the
network is known.
"""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest
from starlette.requests import Request

from kapi.error_codes import TOO_BUSY
from kapi.errors import Problem
from kapi.front.web.http.lanes import Lane
from kapi.front.web.identity.app import checked_headers
from kapi.front.web.system.apis import Lanes

OWN = "203.0.113.7"


def request(forwarded_for: str) -> Request:
    """A request of a caller that stays connected; the gateway adds the last address of the
    header.
    """

    async def receive() -> dict[str, Any]:
        await asyncio.Event().wait()
        return {}

    return Request(
        {"type": "http", "headers": [(b"x-forwarded-for", forwarded_for.encode())]},
        receive,
    )


async def busy_lane(second: str) -> str:
    """What a second request gets while one of `OWN` has its network's only place."""
    lane, begun, done = Lane(4, 0, 1), threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        done.wait(30)

    first = asyncio.ensure_future(lane.run(request(f"198.51.100.1, {OWN}"), work))
    try:
        assert await asyncio.to_thread(begun.wait, 30)
        return str(await lane.run(request(second), lambda: "done"))
    except Problem as problem:
        return f"{problem.status} {problem.code}"
    finally:
        done.set()
        await first


@pytest.mark.parametrize(
    ("second", "answer"),
    [
        (OWN, "429 900957"),
        (f"198.51.100.2, {OWN}", "429 900957"),
        (f"{OWN}, 198.51.100.1", "done"),
        ("198.51.100.2", "done"),
    ],
)
def test_a_caller_cannot_choose_the_network_that_its_requests_count_for(
    second: str, answer: str
) -> None:
    assert asyncio.run(busy_lane(second)) == answer


@pytest.mark.parametrize(
    ("values", "network"),
    [
        ([OWN], OWN),
        ([f"198.51.100.2, {OWN}"], OWN),
        (["198.51.100.2", f"198.51.100.3,{OWN} "], OWN),
        (["198.51.100.2, 2001:db8::1:2:3:4"], "2001:db8::/64"),
        ([], ""),
    ],
)
def test_proofs_at_the_token_endpoint_count_for_the_last_address(
    values: list[str], network: str
) -> None:
    headers = [(b"x-forwarded-for", value.encode()) for value in values]
    form = (b"content-type", b"application/x-www-form-urlencoded")
    assert (
        checked_headers([form, (b"dpop", b"proof"), *headers], "/oauth2/token").network
        == network
    )


async def passphrases(lane: Lane, count: int) -> tuple[list[str], int]:
    """What requests of as many networks get, and the most that worked at once."""
    working, most, lock = 0, 0, threading.Lock()

    def work() -> str:
        nonlocal working, most
        with lock:
            working += 1
            most = max(most, working)
        time.sleep(0.01)
        with lock:
            working -= 1
        return "done"

    runs = [lane.run(request(f"203.0.113.{number}"), work) for number in range(count)]
    found = []
    for answer in await asyncio.gather(*runs, return_exceptions=True):
        found.append(answer.code if isinstance(answer, Problem) else str(answer))
    return found, most


def test_passphrases_are_used_one_at_a_time_and_few_wait() -> None:
    """The key of one takes 64 MiB (RFC 7914), so the machine's memory must not limit them."""
    found, most = asyncio.run(passphrases(Lanes.of(8).state, 12))
    assert most == 1
    assert found == ["done"] * 9 + [TOO_BUSY.number] * 3
