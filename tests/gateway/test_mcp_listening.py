"""Subscriptions over several MCP servers, with servers that are lists of messages."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from mcp_listened import UPDATED, Servers, run, something, until
from starlette.requests import Request
from starlette.responses import StreamingResponse

from kapi.front.web.enforcer.mcp import MOST_STREAMS_OF_CALLER, McpChanges
from kapi.gateway.mcp_changes.events import Ended, Events
from kapi.gateway.mcp_changes.listening import Asked, listen
from kapi.gateway.mcp_changes.session import Session
from kapi.gateway.mcp_changes.sessions import Sessions
from kapi.store.engine.database import Database
from kapi.store.gateway.mcp_sessions import McpSessions

START = 1_800_000_000.0


def asked(*uris: str, **lists: bool) -> Asked:
    notifications = {"resourceSubscriptions": list(uris), **lists}
    return Asked.of({"id": 7, "params": {"notifications": notifications}})


def asked_times(servers: Servers, times: int) -> bool:
    return len(servers.asked) == times


def session_of(servers: Servers) -> Session:
    session = Session(servers.source, START)
    session.hold()
    return session


async def subscribed(servers: Servers) -> Session:
    """A session with one subscription, at the server `a`."""
    session = session_of(servers)
    assert await session.subscribe("a+x://1")
    return session


def test_all_servers_tell_on_one_stream_with_their_prefixes() -> None:
    async def work() -> None:
        servers = Servers()
        servers.silent.add("c")
        stream = listen(
            asked("a+x://1", "b+x://1", "c+x://1"), servers.source, lambda: 1
        )
        first = await something(stream)
        honored = {"resourceSubscriptions": ["a+x://1", "b+x://1"]}
        assert first["params"]["notifications"] == honored
        servers.say("b", "x://" + "1" * 3000)
        servers.say("b", "x://1/below")
        told = (await something(stream))["params"]
        meta = {"io.modelcontextprotocol/subscriptionId": 7}
        assert told == {"uri": "b+x://1/below", "_meta": meta}

    run(work)


def test_a_stream_ends_as_that_of_its_server() -> None:
    async def work(gracefully: bool) -> list[str]:
        servers = Servers()
        stream = listen(asked("a+x://1"), servers.source, lambda: 1)
        await something(stream)
        servers.end("a", gracefully=gracefully)
        return [
            "result"
            for message in [m async for m in stream if m]
            if "result" in message
        ]

    assert run(lambda: work(True)) == ["result"]
    assert run(lambda: work(False)) == []


def test_lists_change_with_the_revision_and_the_stream_ends_with_the_api() -> None:
    async def work() -> None:
        revision: list[int | None] = [1]
        stream = listen(
            asked(toolsListChanged=True), Servers().source, lambda: revision[0]
        )
        assert (await something(stream))["params"]["notifications"] == {
            "toolsListChanged": True
        }
        await anext(stream)
        revision[0] = 2
        assert (await something(stream))["method"] == "notifications/tools/list_changed"
        revision[0] = None
        assert "result" in await something(stream)

    run(work)


def test_a_client_that_does_not_read_loses_its_stream_and_no_memory() -> None:
    async def work() -> None:
        events = Events()
        for _ in range(1025):
            events.put({"method": UPDATED})
        assert await events.next(1) == Ended("", gracefully=False)

    run(work)


def test_a_session_listens_again_and_tells_of_what_it_may_have_missed() -> None:
    async def work() -> None:
        servers = Servers()
        session = await subscribed(servers)
        stream = session.stream(lambda: 1)
        servers.end("a", gracefully=False)
        assert (await something(stream))["params"] == {"uri": "a+x://1"}
        assert len(servers.asked) == 2
        session.unsubscribe("a+x://1")
        assert not await session.subscribe("noprefix")
        assert not await session.subscribe("a+x://" + "1" * 3000)

    run(work)


def test_a_session_that_changes_often_keeps_one_stream_at_a_server() -> None:
    async def work() -> None:
        servers = Servers()
        session = await subscribed(servers)
        for _ in range(1000):
            assert await session.subscribe("a+x://2")
            session.unsubscribe("a+x://2")
        assert await session.subscribe("a+x://3")
        await until(lambda: servers.streams == 1)
        servers.say("a", "x://3")
        assert (await something(session.stream(lambda: 1)))["params"] == {
            "uri": "a+x://3"
        }

    run(work)


def test_a_session_that_another_node_holds_listens_to_no_server() -> None:
    async def work() -> None:
        servers = Servers()
        session = await subscribed(servers)
        stream = session.stream(lambda: 1)
        assert await anext(stream) is None
        session.leave()
        with pytest.raises(EOFError):
            await something(stream)
        await until(lambda: servers.streams == 0)
        assert list(session.uris) == ["a+x://1"], "it is held again later"

    run(work)


def test_a_session_that_comes_back_at_once_listens_again() -> None:
    async def work() -> None:
        servers = Servers()
        session = Session(servers.source, START)
        session.take_up(["a+x://1"], ())
        assert servers.asked == [], "another node holds it"
        session.hold()
        session.leave()
        session.hold()
        stream = session.stream(lambda: 1)
        assert (await something(stream))["params"] == {"uri": "a+x://1"}
        session.hold()
        assert servers.streams == 1
        servers.say("a", "x://1")
        assert (await something(stream))["params"] == {"uri": "a+x://1"}

    run(work)


def test_a_newer_stream_gets_what_the_older_one_waited_for() -> None:
    async def work() -> None:
        servers = Servers()
        session = await subscribed(servers)
        older, newer = session.stream(lambda: 1), session.stream(lambda: 1)
        assert await anext(older) is None
        assert await anext(newer) is None
        waiting = asyncio.create_task(anext(older, "ended"))
        await asyncio.sleep(0)
        servers.say("a", "x://1")
        assert await waiting == "ended"
        assert (await something(newer))["params"] == {"uri": "a+x://1"}

    run(work)


def test_what_other_nodes_were_asked_for() -> None:
    async def work() -> None:
        servers = Servers()
        session = await subscribed(servers)
        session.take_up(["a+x://1", "b+x://2"], ())
        await until(lambda: len(servers.open) == 2)
        stream = session.stream(lambda: 1)
        told = await something(stream)
        assert told["params"] == {"uri": "b+x://2"}, "the other is listened to"
        session.take_up((), ["a+x://1", "c+x://3"])
        await until(lambda: servers.streams == 1)
        assert list(session.uris) == ["b+x://2"]

    run(work)


def test_uris_of_a_session_are_bounded() -> None:
    async def work() -> None:
        session = session_of(Servers())
        for number in range(100):
            assert await session.subscribe(f"a+x://{number}")
        assert not await session.subscribe("a+x://more")
        assert await session.subscribe("a+x://0")
        session.unsubscribe("a+x://0")
        assert await session.subscribe("a+x://more")

    run(work)


def test_streams_at_a_server_that_acknowledges_nothing_are_bounded() -> None:
    async def work() -> None:
        servers = Servers()
        session = await subscribed(servers)
        servers.deaf.add("a")
        waiting = []
        most = 0
        for number in range(200):
            waiting.append(asyncio.create_task(session.subscribe("a+x://2")))
            await until(partial(asked_times, servers, number + 2))
            most = max(most, servers.streams)
        assert most == 100
        for task in waiting:
            task.cancel()
        session.end()
        await until(lambda: servers.streams == 0)

    run(work)


def test_a_stream_that_replaces_one_acknowledges_for_it_too() -> None:
    async def work() -> None:
        servers = Servers()
        session = session_of(servers)
        servers.deaf.add("a")
        waiting = asyncio.create_task(session.subscribe("a+x://1"))
        await until(lambda: servers.streams == 1)
        servers.deaf.clear()
        assert await session.subscribe("a+x://2")
        assert await waiting

    run(work)


def test_a_session_that_ends_while_it_subscribes_keeps_no_stream() -> None:
    async def work() -> None:
        servers = Servers()
        session = await subscribed(servers)
        servers.deaf.add("a")
        waiting = asyncio.create_task(session.subscribe("a+x://2"))
        await until(partial(asked_times, servers, 2))
        session.end()
        assert not await waiting
        await until(lambda: servers.streams == 0)

    run(work)


def test_streams_of_a_caller_are_bounded_and_leave_some_to_others(
    tmp_path: Path,
) -> None:
    async def work() -> None:
        stored = McpSessions(Database.open(tmp_path / "kapi.db"))
        changes = McpChanges(
            Path("/nowhere"), Sessions(stored, "", lambda: START), lambda _: 1
        )
        body = b'{"jsonrpc": "2.0", "id": 1, "method": "subscriptions/listen", "params": {}}'

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body}

        async def opened(caller: str) -> Any:
            headers = [(b"host", b"h"), (b"x-kapi-mcp-caller", caller.encode())]
            scope = {"type": "http", "method": "POST", "headers": headers}
            answer = await changes.post(Request(scope, receive))
            if isinstance(answer, StreamingResponse):
                await anext(aiter(answer.body_iterator))
            return answer

        streams = [await opened("alice") for _ in range(MOST_STREAMS_OF_CALLER)]
        assert {item.status_code for item in streams} == {200}
        assert (await opened("alice")).status_code == 429
        assert (await opened("bob")).status_code == 200
        await streams[0].body_iterator.aclose()
        assert (await opened("alice")).status_code == 200

    run(work)
