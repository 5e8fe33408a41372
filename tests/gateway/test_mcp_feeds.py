"""What servers say on their streams, and what a client is told of it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from mcp_listened import UPDATED, Servers, run, something, until

from kapi.gateway.mcp_changes import feed
from kapi.gateway.mcp_changes.events import Events, Waiting
from kapi.gateway.mcp_changes.feed import Feed
from kapi.gateway.mcp_changes.listening import Asked, listen

ID = "io.modelcontextprotocol/subscriptionId"
LONGEST = 2048
ACKNOWLEDGED = "notifications/subscriptions/acknowledged"


def wanted(**notifications: Any) -> dict[str, Any]:
    return {"id": 7, "params": {"notifications": notifications}}


def listened(servers: Servers, **notifications: Any) -> Any:
    """The stream of a client that asks for this."""
    return listen(Asked.of(wanted(**notifications)), servers.source, lambda: 1)


def honored(uris: Any) -> dict[str, Any]:
    """The acknowledgement of a server."""
    params = {"notifications": {"resourceSubscriptions": uris}}
    return {"method": ACKNOWLEDGED, "params": params}


async def taken(
    from_a: Feed, events: Events, *messages: Any
) -> tuple[list[str], list[Any]]:
    """What a server honored with these messages, and what was told then."""

    async def source(server: str, uris: list[str]) -> Any:
        assert (server, uris) == ("a", ["x://1", "x://2"])
        for message in messages:
            yield message

    from_a.start(source)
    found = await from_a.honored()
    told = []
    while (event := await events.next(0.01)) is not None:
        told.append(event)
    return found, told


def fed(*messages: Any) -> tuple[list[str], list[Any]]:
    events = Events(Waiting())
    from_a = Feed("a", ["x://1", "x://2"], events)
    return run(lambda: taken(from_a, events, *messages))


@pytest.mark.parametrize(
    ("message", "uris"),
    [
        (honored(["x://2", "x://3", 4, "x://1"]), ["a+x://1", "a+x://2"]),
        (honored(["x://2"]), ["a+x://2"]),
        (honored([]), []),
        (honored("x://1"), []),
        (honored({"x://1": True}), []),
        ({"method": ACKNOWLEDGED, "params": {"notifications": ["x://1"]}}, []),
        ({"method": ACKNOWLEDGED, "params": [1]}, []),
        ({"method": ACKNOWLEDGED}, []),
        ({"method": "notifications/message"}, []),
    ],
)
def test_a_server_honors_what_it_acknowledges_of_what_it_was_asked(
    message: Any, uris: list[str]
) -> None:
    assert fed(message)[0] == uris


@pytest.mark.parametrize(
    "params",
    [None, [], {}, {"uri": 1}, {"uri": None}, {"uri": "x" * (LONGEST + 1)}],
)
def test_a_change_without_a_usable_uri_is_not_told(params: Any) -> None:
    longest = "x" * LONGEST
    good = {"method": UPDATED, "params": {"uri": longest}}
    found, told = fed(honored(["x://1"]), {"method": UPDATED, "params": params}, good)
    assert found == ["a+x://1"]
    change, ended = told
    assert change == {
        "jsonrpc": "2.0",
        "method": UPDATED,
        "params": {"uri": f"a+{longest}"},
    }
    assert (ended.server, ended.gracefully) == ("a", False)


def test_who_waits_for_a_server_does_not_wait_longer_than_its_stream(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(feed, "_PATIENCE", 3600)

    async def work() -> None:
        servers = Servers()
        servers.deaf.add("a")
        stopped = Feed("a", ["x://1"], Events(Waiting()))
        stopped.start(servers.source)
        waiting = asyncio.create_task(stopped.honored())
        await until(lambda: servers.streams == 1)
        stopped.stop()
        assert await waiting == []
        await until(lambda: servers.streams == 0)

    run(work)


def test_a_stream_ends_the_one_before_when_it_is_acknowledged() -> None:
    async def work() -> None:
        servers, events = Servers(), Events(Waiting())
        first = Feed("a", ["x://1"], events)
        first.start(servers.source)
        assert await first.honored() == ["a+x://1"]
        second = Feed("a", ["x://2"], events, [first])
        assert (first.streams, second.streams) == (1, 2)
        second.start(servers.source)
        assert await second.honored() == ["a+x://2"]
        await until(lambda: servers.streams == 1)
        assert second.streams == 1
        second.stop()
        await until(lambda: servers.streams == 0)

    run(work)


def test_a_stream_that_is_stopped_stops_the_one_before() -> None:
    async def work() -> None:
        servers, events = Servers(), Events(Waiting())
        first = Feed("a", ["x://1"], events)
        first.start(servers.source)
        assert await first.honored() == ["a+x://1"]
        servers.deaf.add("a")
        second = Feed("a", ["x://2"], events, [first])
        second.start(servers.source)
        await until(lambda: servers.streams == 2)
        second.stop()
        await until(lambda: servers.streams == 0)

    run(work)


def test_a_server_that_acknowledges_nothing_in_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(feed, "_PATIENCE", 0.01)

    async def work() -> None:
        servers = Servers()
        servers.deaf.add("a")
        deaf = Feed("a", ["x://1"], Events(Waiting()))
        deaf.start(servers.source)
        assert await deaf.honored() == []
        deaf.stop()

    run(work)


def test_the_end_of_a_server_is_graceful_if_a_result_came_last() -> None:
    result, change = {"id": 1, "result": {}}, {"method": "notifications/message"}
    assert fed(honored([]), result)[1][-1].gracefully
    assert not fed(honored([]), result, change)[1][-1].gracefully
    assert fed(result)[1] == [], "it was never open"


@pytest.mark.parametrize(
    ("message", "uris", "lists"),
    [
        (wanted(resourceSubscriptions=["a+1", "b+1", "a+1"]), ("a+1", "b+1"), []),
        (
            wanted(promptsListChanged=True, toolsListChanged=1),
            (),
            ["promptsListChanged"],
        ),
        (wanted(resourcesListChanged=False, resourceSubscriptions=None), (), []),
        ({"id": 7, "params": {"notifications": None}}, (), []),
        ({"id": 7}, (), []),
    ],
)
def test_what_a_client_asks_for(
    message: Any, uris: tuple[str, ...], lists: list[str]
) -> None:
    asked = Asked.of(message)
    assert (asked.id, asked.uris, asked.lists) == (7, uris, lists)


def test_each_server_is_asked_for_its_own_resources() -> None:
    async def work() -> None:
        servers = Servers()
        longest = "a+" + "x" * (LONGEST - 2)
        uris = ["a+x://1", "b+x+y://1", "a+x://2", "nowhere", longest, f"{longest}x"]
        stream = listened(servers, resourceSubscriptions=uris)
        first = await something(stream)
        asked = [("a", ["x://1", "x://2", longest[2:]]), ("b", ["x+y://1"])]
        assert servers.asked == asked
        told = ["a+x://1", "a+x://2", longest, "b+x+y://1"]
        assert first == {
            "jsonrpc": "2.0",
            "method": ACKNOWLEDGED,
            "params": {
                "notifications": {"resourceSubscriptions": told},
                "_meta": {ID: 7},
            },
        }
        await stream.aclose()
        await until(lambda: servers.streams == 0)

    run(work)


def test_a_client_of_whom_no_server_knows_keeps_its_stream() -> None:
    async def work() -> None:
        servers = Servers()
        servers.silent.add("a")
        stream = listened(
            servers, resourceSubscriptions=["a+x://1"], toolsListChanged=True
        )
        first = await something(stream)
        assert first["params"]["notifications"] == {"toolsListChanged": True}
        assert await anext(stream) is None, "nothing was to tell for a second"

    run(work)


def test_the_stream_of_a_client_ends_with_a_result() -> None:
    async def work() -> list[Any]:
        servers = Servers()
        stream = listened(servers, resourceSubscriptions=["a+x://1", "b+x://1"])
        await something(stream)
        servers.end("b", gracefully=True)
        rest = [message async for message in stream if message]
        await until(lambda: servers.streams == 0)
        return rest

    result = {"resultType": "complete", "_meta": {ID: 7}}
    assert run(work) == [{"jsonrpc": "2.0", "id": 7, "result": result}]
