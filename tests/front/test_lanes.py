"""Lanes of the system APIs: what one caller's network gets of the places, and by which header the network is known."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from starlette.requests import Request

from kapi.errors import Problem
from kapi.front.web.http.lanes import Lane
from kapi.front.web.identity.app import checked_headers

OWN = "203.0.113.7"


def request(forwarded_for: str) -> Request:
    """A request of a caller that stays connected; the gateway adds the last address of the header."""

    async def receive() -> dict[str, Any]:
        await asyncio.Event().wait()
        return {}

    return Request(
        {"type": "http", "headers": [(b"x-forwarded-for", forwarded_for.encode())]}, receive
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
        checked_headers([form, (b"dpop", b"proof"), *headers], "/oauth2/token").network == network
    )
