"""What waits for MCP clients is limited, for one client and for all of them together."""

from __future__ import annotations

import asyncio

from kapi.gateway.mcp_changes.events import Ended, Event, Events, Waiting
from kapi.gateway.mcp_changes.feed import updated
from kapi.gateway.mcp_changes.session import has_room

MOST = 1024
"""Notifications that wait for one client."""


async def read(events: Events) -> list[Event]:
    found = []
    while (event := await events.next(0.01)) is not None:
        found.append(event)
    return found


def all_of(events: Events) -> list[Event]:
    return asyncio.run(read(events))


def test_a_resource_that_changes_often_waits_once() -> None:
    events = Events(Waiting())
    for _ in range(3 * MOST):
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

    async def reading() -> None:
        for number in range(MOST):
            events.put(updated(f"one+file:///{number}"))
        assert len(await read(events)) == MOST
        for number in range(MOST + 1):
            events.put(updated(f"one+file:///{number}"))
        assert await read(events) == [Ended("", gracefully=False)]
        events.put(updated("one+file:///0"))
        assert await read(events) == [updated("one+file:///0")], "it waits no more"

    asyncio.run(reading())


def test_what_waits_for_all_clients_is_limited_to_32_megabytes() -> None:
    """Each notification counts 512 bytes and its URI."""
    fits = "x" * (32 * 1024 * 1024 - 512)
    for uri, stays in ((fits, True), (f"{fits}x", False)):
        events = Events(Waiting())
        events.put(updated(uri))
        assert events.size == (512 + len(uri) if stays else 512)
        assert (all_of(events) == [updated(uri)]) is stays


def test_what_was_told_does_not_count() -> None:
    events = Events(Waiting(2 * 1024))

    async def reading() -> None:
        for number in range(20):
            change = updated(f"one+file:///{number}")
            events.put(change)
            assert await read(events) == [change]
            assert events.size == 0
        events.give_up()
        events.give_up()
        assert events.size == 512
        assert await read(events) == [Ended("", gracefully=False)]

    asyncio.run(reading())


def test_an_event_of_a_stream_that_was_replaced_waits_again() -> None:
    events = Events(Waiting())
    events.put_back(None)
    events.put_back(updated("one+file:///a"))
    events.put_back({"method": "other"})
    assert all_of(events) == [updated("one+file:///a"), {"method": "other"}]


def test_together_they_take_no_more_and_who_has_most_gives_way() -> None:
    waiting = Waiting(1024 * 1024)
    modest = [Events(waiting) for _ in range(100)]
    for events in modest:
        events.put(updated("one+file:///a"))
    greedy = [Events(waiting) for _ in range(50)]
    for number in range(MOST):
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


def test_what_waits_may_be_as_much_as_the_limit() -> None:
    waiting = Waiting(1024)
    gone = Events(waiting)
    gone.put({"method": "other"})
    del gone
    both = [Events(waiting), Events(waiting)]
    for events in both:
        events.put({"method": "other"})
    assert [all_of(events) for events in both] == [[{"method": "other"}]] * 2


def test_the_uris_of_a_session_are_limited_by_number_and_length() -> None:
    some = [f"one+file:///{number}" for number in range(99)]
    assert has_room(some, "one+file:///last")
    assert not has_room([*some, "one+file:///last"], "one+file:///more")
    assert has_room([*some, "one+file:///last"], some[0]), "it is there already"
    long = ["x" * 2000] * 8
    assert has_room(long, "y" * 384), "16384 characters together"
    assert not has_room(long, "y" * 385)
