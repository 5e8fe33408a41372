"""What waits for MCP clients is limited, for one client and for all of them together."""

from __future__ import annotations

import asyncio

from kapi.gateway.mcp_changes.events import MOST_WAITING, Ended, Event, Events, Waiting
from kapi.gateway.mcp_changes.feed import updated
from kapi.gateway.mcp_changes.session import MOST_URI_CHARACTERS, MOST_URIS, has_room


async def read(events: Events) -> list[Event]:
    found = []
    while (event := await events.next(0.01)) is not None:
        found.append(event)
    return found


def all_of(events: Events) -> list[Event]:
    return asyncio.run(read(events))


def test_a_resource_that_changes_often_waits_once() -> None:
    events = Events(Waiting())
    for _ in range(3 * MOST_WAITING):
        events.put(updated("one+file:///a"))
    events.put(updated("one+file:///b"))

    async def reading() -> None:
        assert await read(events) == [
            updated("one+file:///a"),
            updated("one+file:///b"),
        ]
        events.put(updated("one+file:///a"))
        assert await read(events) == [updated("one+file:///a")], "it was told before"

    asyncio.run(reading())


def test_a_client_that_does_not_read_loses_its_stream() -> None:
    events = Events(Waiting())
    for number in range(MOST_WAITING + 1):
        events.put(updated(f"one+file:///{number}"))
    assert all_of(events) == [Ended("", gracefully=False)]


def test_together_they_take_no_more_and_who_has_most_gives_way() -> None:
    waiting = Waiting(1024 * 1024)
    modest = [Events(waiting) for _ in range(100)]
    for events in modest:
        events.put(updated("one+file:///a"))
    greedy = [Events(waiting) for _ in range(50)]
    for number in range(MOST_WAITING):
        for events in greedy:
            events.put(updated(f"one+file:///{number}{'x' * 2000}"))
        assert sum(events.size for events in (*modest, *greedy)) <= 1024 * 1024 + 4096
    assert all(all_of(events) == [updated("one+file:///a")] for events in modest)


def test_clients_that_are_gone_count_no_more() -> None:
    waiting = Waiting(64 * 1024)
    for _ in range(100):
        gone = Events(waiting)
        for number in range(20):
            gone.put(updated(f"one+file:///{number}"))
    del gone
    events = Events(waiting)
    events.put(updated("one+file:///a"))
    assert all_of(events) == [updated("one+file:///a")]


def test_the_uris_of_a_session_are_limited_by_number_and_length() -> None:
    some = [f"one+file:///{number}" for number in range(MOST_URIS - 1)]
    assert has_room(some, "one+file:///last")
    assert not has_room([*some, "one+file:///last"], "one+file:///more")
    assert has_room([*some, "one+file:///last"], some[0]), "it is there already"
    long = ["x" * 2000] * (MOST_URI_CHARACTERS // 2000)
    assert not has_room(long, "y" * 2000)
