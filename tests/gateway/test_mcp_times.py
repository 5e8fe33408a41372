"""How long MCP servers and clients are waited for, on a clock that passes at once."""

from __future__ import annotations

import asyncio
from typing import Any

from mcp_listened import Servers, passed, run_ahead, something

from kapi.gateway.mcp_changes.events import Ended, Events, Waiting, told
from kapi.gateway.mcp_changes.feed import Feed, updated
from kapi.gateway.mcp_changes.listening import Asked, listen
from kapi.gateway.mcp_changes.session import Session


class Timed(Servers):
    """Servers that note when they were asked."""

    def __init__(self) -> None:
        super().__init__()
        self.times: list[float] = []

    async def source(self, server: str, uris: list[str]) -> Any:
        self.times.append(passed())
        async for message in super().source(server, uris):
            yield message


def test_a_client_hears_each_second_that_there_is_nothing() -> None:
    async def work() -> list[float]:
        stream = listen(Asked.of({"id": 7}), Servers().source, lambda: 1)
        await something(stream)
        times = []
        for _ in range(3):
            assert await anext(stream) is None
            times.append(passed())
        return times

    assert run_ahead(work) == [1, 2, 3]


def test_a_server_has_ten_seconds_for_its_acknowledgement() -> None:
    async def work() -> None:
        servers = Servers()
        servers.deaf.add("a")
        feed = Feed("a", ["x://1"], Events(Waiting()))
        feed.start(servers.source)
        assert await feed.honored() == []
        assert passed() == 10
        feed.stop()

    run_ahead(work)


def test_a_server_that_ends_its_stream_is_asked_again_later_each_time() -> None:
    async def work() -> list[float]:
        servers = Timed()
        session = Session(servers.source, 0.0)
        session.hold()
        assert await session.subscribe("a+x://1")
        stream = session.stream(lambda: 1)
        servers.silent.add("a")
        servers.end("a", gracefully=False)
        while len(servers.times) < 9:
            assert await anext(stream) is None
        session.end()
        return servers.times

    assert run_ahead(work) == [0, 1, 3, 7, 15, 31, 61, 91, 121]


def test_a_node_that_takes_a_session_asks_at_once() -> None:
    async def work() -> list[float]:
        servers = Timed()
        servers.silent.add("a")
        session = Session(servers.source, 0.0)
        session.take_up(["a+x://1", "a+x://2"], ())
        session.hold()
        await asyncio.sleep(8)
        assert servers.asked[0] == ("a", ["x://1", "x://2"])
        servers.silent.clear()
        stream = session.stream(lambda: 1)
        found = [(await something(stream))["params"]["uri"] for _ in range(2)]
        assert found == ["a+x://1", "a+x://2"]
        session.end()
        return servers.times

    assert run_ahead(work) == [0, 1, 3, 7, 15]


def test_a_session_that_ends_is_asked_for_no_more() -> None:
    async def work() -> list[float]:
        servers = Timed()
        session = Session(servers.source, 0.0)
        session.hold()
        assert await session.subscribe("a+x://1")
        servers.silent.add("a")
        servers.end("a", gracefully=False)
        stream = session.stream(lambda: 1)
        await anext(stream)
        session.end()
        rest = [message async for message in stream if message]
        await asyncio.sleep(100)
        return [*servers.times, *rest]

    assert run_ahead(work) == [0]


def test_lists_are_told_once_for_each_revision() -> None:
    async def work() -> None:
        revisions: list[int | None] = [1, 1, 2, 2, 3, None, None]
        events = Events(Waiting())
        lists = ("toolsListChanged", "promptsListChanged")
        found: list[Any] = []
        async for event in told(events, lists, lambda: revisions.pop(0)):
            found.append(event if isinstance(event, Ended | None) else event["method"])
            if isinstance(event, Ended):
                break
        tools = "notifications/tools/list_changed"
        prompts = "notifications/prompts/list_changed"
        changed = [tools, prompts, None]
        assert found == [None, *changed, None, *changed, Ended("", gracefully=True)]
        assert passed() == 5

    run_ahead(work)


def test_a_change_of_a_resource_is_told_with_those_of_the_lists() -> None:
    async def work() -> None:
        revisions = [1, 2, 2]
        events = Events(Waiting())
        events.put(updated("a+x://1"))
        stream = told(events, ("toolsListChanged",), lambda: revisions.pop(0))
        assert (await anext(stream) or {})["method"].endswith("list_changed")
        assert await anext(stream) == updated("a+x://1")
        assert passed() == 0

    run_ahead(work)
