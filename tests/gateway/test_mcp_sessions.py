"""Sessions of MCP clients, as two nodes on one store see them."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import pytest
from mcp_listened import Servers, run, something, until

from kapi.errors import StorageBusy
from kapi.gateway.mcp_changes import sessions
from kapi.gateway.mcp_changes.sessions import Key, Sessions
from kapi.gateway.mcp_changes.upstream import Address
from kapi.store.engine.database import Database, StoreClosed
from kapi.store.gateway.mcp_sessions import McpSessions
from kapi.store.housekeeping import keep_house
from kapi.store.records import key_of

START = 1_800_000_000
HERE = Address("default.gw.wso2.com", "/several/1.0")


def key(number: int = 1, caller: str = "alice", begun: int = START) -> Key:
    return Key(f"{begun}-{number:032x}", caller, HERE)


ALICE = key()


@dataclass
class Cluster:
    """Nodes with servers of their own streams; `tell` is the store's watch."""

    database: Database
    time: float = START
    made: list[Sessions] = field(default_factory=list)

    def node(
        self, name: str, sweep: float = sessions.SWEEP_SECONDS
    ) -> tuple[Sessions, Servers]:
        node = Sessions(McpSessions(self.database), name, lambda: self.time, sweep)
        self.made.append(node)
        return node, Servers()

    def tell(self) -> None:
        for node in self.made:
            node.changed()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    database = Database.open(tmp_path / "kapi.db")
    yield Cluster(database)
    database.close()


async def opened(node: Sessions, servers: Servers, which: Key = ALICE) -> Any:
    """The stream of the client; the node holds the session."""
    session = await node.open(which, servers.source)
    assert session is not None
    return session.stream(lambda: 1)


async def told(stream: Any) -> str:
    return str((await something(stream))["params"]["uri"])


def test_what_one_node_was_asked_for_is_told_on_the_stream_at_another(
    cluster: Cluster,
) -> None:
    async def work() -> None:
        (one, at_one), (two, at_two) = cluster.node("one"), cluster.node("two")
        stream = await opened(one, at_one)
        assert await two.subscribe(ALICE, at_two.source, "a+x://1")
        await until(lambda: at_two.streams == 0)
        cluster.tell()
        assert await told(stream) == "a+x://1", "it may have changed meanwhile"
        at_one.say("a", "x://1")
        assert await told(stream) == "a+x://1"
        assert await two.unsubscribe(ALICE, at_two.source, "a+x://1")
        cluster.tell()
        await until(lambda: at_one.streams == 0)
        assert at_two.streams == 0

    run(work)


def test_a_stream_at_another_node_takes_the_place_of_the_first(
    cluster: Cluster,
) -> None:
    async def work() -> None:
        (one, at_one), (two, at_two) = cluster.node("one"), cluster.node("two")
        first = await opened(one, at_one)
        assert await one.subscribe(ALICE, at_one.source, "a+x://1")
        second = await opened(two, at_two)
        assert await told(second) == "a+x://1", "what happened before is not known"
        cluster.tell()
        with pytest.raises(EOFError):
            await something(first)
        await until(lambda: at_one.streams == 0)
        at_two.say("a", "x://1")
        assert await told(second) == "a+x://1"

    run(work)


def test_a_session_outlives_its_node(cluster: Cluster) -> None:
    async def work() -> None:
        one, at_one = cluster.node("one")
        await opened(one, at_one)
        assert await one.subscribe(ALICE, at_one.source, "a+x://1")
        cluster.made.clear()
        for name in ("one", "two"):
            node, servers = cluster.node(name)
            stream = await opened(node, servers)
            assert await told(stream) == "a+x://1"

    run(work)


def test_subscriptions_at_once_at_a_node_without_the_stream(cluster: Cluster) -> None:
    async def work() -> None:
        (one, at_one), (two, at_two) = cluster.node("one"), cluster.node("two")
        stream = await opened(one, at_one)
        uris = [f"a+x://{number}" for number in range(10)]
        asked = (two.subscribe(ALICE, at_two.source, uri) for uri in uris)
        assert await asyncio.gather(*asked) == [True] * 10
        cluster.tell()
        assert {await told(stream) for _ in uris} == set(uris)
        await until(lambda: at_two.streams == 0)

    run(work)


def test_an_ended_session_is_unknown_at_each_node(cluster: Cluster) -> None:
    async def work() -> None:
        (one, at_one), (two, _) = cluster.node("one"), cluster.node("two")
        stream = await opened(one, at_one)
        assert await two.end(ALICE)
        cluster.tell()
        with pytest.raises(EOFError):
            await something(stream)
        for node in (one, two):
            assert await node.open(ALICE, Servers().source) is None
            assert await node.subscribe(ALICE, Servers().source, "a+x://1") is None
            assert not await node.end(ALICE)

    run(work)


def test_a_node_that_was_not_told_learns_of_the_end(cluster: Cluster) -> None:
    """With the next request, before the store tells it."""

    async def work() -> None:
        (one, at_one), (two, _) = cluster.node("one"), cluster.node("two")
        for ask in ("subscribe", "unsubscribe", "open"):
            which = key(len(ask))
            stream = await opened(one, at_one, which)
            assert await one.subscribe(which, at_one.source, "a+x://1")
            assert await two.end(which)
            uri = () if ask == "open" else ("a+x://2",)
            assert not await getattr(one, ask)(which, at_one.source, *uri)
            with pytest.raises(EOFError):
                await something(stream)
            await until(lambda: at_one.streams == 0)

    run(work)


class Faulty(McpSessions):
    """A store that is away when it is asked for changes the first time."""

    faults: ClassVar[list[Exception]] = []

    def changed_since(self, change: int) -> Any:
        if self.faults:
            raise self.faults.pop()
        return super().changed_since(change)


@pytest.mark.parametrize("tells", [1, 3])
def test_changes_are_read_again_after_a_fault_of_the_store(
    cluster: Cluster, tells: int
) -> None:
    async def work() -> None:
        one = Sessions(Faulty(cluster.database), "one", lambda: cluster.time)
        (two, at_two), at_one = cluster.node("two"), Servers()
        one.changed()
        stream = await opened(one, at_one)
        assert await two.subscribe(ALICE, at_two.source, "a+x://1")
        Faulty.faults.append(StorageBusy())
        for _ in range(tells):
            one.changed()
        assert await told(stream) == "a+x://1"

    run(work)


def test_a_store_that_was_closed_is_asked_no_more(
    cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    async def work() -> None:
        one = Sessions(Faulty(cluster.database), "one", lambda: cluster.time)
        await opened(one, Servers())
        Faulty.faults.append(StoreClosed())
        one.changed()
        await until(lambda: not Faulty.faults)
        await asyncio.sleep(0.01)

    run(work)
    gc.collect()
    assert caplog.messages == []


def test_a_session_is_of_one_caller_and_not_older_than_its_first_use(
    cluster: Cluster,
) -> None:
    async def work() -> None:
        node, servers = cluster.node("one")
        await node.open(ALICE, servers.source)
        assert await node.subscribe(ALICE, servers.source, "a+x://1")
        bobs = await node.open(key(caller="bob"), servers.source)
        assert bobs is not None
        assert not bobs.uris
        for name in ("1700000000-" + "a" * 32, "x", "", f"{ALICE.id}0"):
            assert await node.open(Key(name, "alice", HERE), servers.source) is None
        assert await node.open(key(2, begun=START + 1000), servers.source) is None

    run(work)


def test_sessions_of_a_caller_are_bounded_and_unused_ones_end(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "MOST_OF_CALLER", 3)

    async def work() -> None:
        node, servers = cluster.node("one")
        for number in range(3):
            assert await node.open(key(number), servers.source)
        assert await node.open(key(3), servers.source) is None
        assert await node.open(key(3, "bob"), servers.source)
        cluster.time += sessions.UNUSED_SECONDS + 1
        keep_house(cluster.database, int(cluster.time))
        assert await node.open(key(3, begun=int(cluster.time)), servers.source)

    run(work)


@pytest.mark.parametrize(("of_caller", "count"), [(True, 1_000), (False, 10_000)])
def test_sessions_are_limited_for_each_caller_and_for_all(
    cluster: Cluster, count: int, *, of_caller: bool
) -> None:
    others = []
    for number in range(count - 1):
        caller = key_of("alice") if of_caller else f"caller {number}"
        others.append((f"session {number}", caller, START + 300))
    with cluster.database.transaction() as db:
        db.executemany(
            "INSERT INTO mcp_sessions (id, caller, node, uris, change, ended, expires_at)"
            " VALUES (?, ?, '', '[]', 0, 0, ?)",
            others,
        )

    async def work() -> None:
        node, servers = cluster.node("one")
        assert await node.open(key(1), servers.source)
        assert await node.open(key(2), servers.source) is None
        assert bool(await node.open(key(2, "bob"), servers.source)) is of_caller

    run(work)


@pytest.mark.parametrize(
    ("age", "begins"), [(-61, False), (-60, True), (360, True), (361, False)]
)
def test_a_session_begins_within_five_minutes_of_initialize(
    cluster: Cluster, age: int, *, begins: bool
) -> None:
    """The clocks of nodes may differ by a minute."""

    async def work() -> None:
        node, servers = cluster.node("one")
        found = await node.open(key(begun=START - age), servers.source)
        assert (found is not None) is begins

    run(work)


@pytest.mark.parametrize("ahead", [0, 50])
def test_an_ended_session_is_known_for_as_long_as_its_id_could_begin_one(
    cluster: Cluster, ahead: int
) -> None:
    async def work() -> None:
        node, _ = cluster.node("one")
        which = key(begun=START + ahead)
        assert await node.end(which)
        ((expires,),) = cluster.database.rows("SELECT expires_at FROM mcp_sessions")
        assert expires == START + ahead + 360
        cluster.time = START + ahead + 360
        keep_house(cluster.database, int(cluster.time))
        cluster.time += 1
        assert await node.open(which, Servers().source) is None

    run(work)


def test_a_session_that_is_used_expires_five_minutes_later(cluster: Cluster) -> None:
    def expires() -> int:
        ((found,),) = cluster.database.rows("SELECT expires_at FROM mcp_sessions")
        return int(found) - START

    async def work() -> None:
        node, servers = cluster.node("one")
        await node.open(ALICE, servers.source)
        assert expires() == 300
        cluster.time += 10
        assert await node.subscribe(ALICE, servers.source, "a+x://1")
        assert expires() == 310
        assert await node.subscribe(ALICE, servers.source, "a+x://1")
        await node.open(ALICE, servers.source)
        cluster.time += 5
        await node.open(ALICE, servers.source)
        assert expires() == 315

    run(work)


def test_uris_are_bounded_over_nodes(cluster: Cluster) -> None:
    async def work() -> None:
        (one, at_one), (two, at_two) = cluster.node("one"), cluster.node("two")
        await one.open(ALICE, at_one.source)
        await two.subscribe(ALICE, at_two.source, "a+x://0")
        for number in range(1, 100):
            assert await one.subscribe(ALICE, at_one.source, f"a+x://{number}")
        three, at_three = cluster.node("three")
        for node, servers in ((one, at_one), (two, at_two), (three, at_three)):
            assert await node.subscribe(ALICE, servers.source, "a+x://more") is False
        assert at_three.asked == [], "the node knows them"

    run(work)


def test_an_unused_session_ends_and_one_with_a_stream_stays(cluster: Cluster) -> None:
    async def work() -> None:
        (one, at_one), (two, at_two) = cluster.node("one", 0.01), cluster.node("two")
        stream = await opened(one, at_one)
        assert await anext(stream) is None
        unused = key(2)
        assert await one.subscribe(unused, at_one.source, "a+x://1")
        for _ in range(3):
            cluster.time += sessions.UNUSED_SECONDS - 1
            await until(partial(_lasts, cluster))
        await until(lambda: at_one.streams == 0)
        keep_house(cluster.database, int(cluster.time))
        assert await two.open(unused, at_two.source) is None
        assert await two.open(ALICE, at_two.source)

    run(work)


@pytest.mark.parametrize(("closed", "stays"), [(1, True), (2, False)])
def test_a_session_ends_some_time_after_its_newest_stream(
    cluster: Cluster, closed: int, *, stays: bool
) -> None:
    async def work() -> None:
        node, servers = cluster.node("one", 0.01)
        session = await node.open(ALICE, servers.source)
        assert session is not None
        assert await node.subscribe(ALICE, servers.source, "a+x://1")
        for _ in range(2):
            assert await anext(session.stream(lambda: 1)) is None
        node.left(session, closed)
        cluster.time += 300
        await asyncio.sleep(0.05)
        assert servers.streams == 1, "it is used until five minutes have passed"
        cluster.time += 1
        if stays:
            await asyncio.sleep(0.1)
            assert servers.streams == 1
        else:
            await until(lambda: servers.streams == 0)

    run(work)


def _lasts(cluster: Cluster) -> bool:
    """Whether the store lets some session go on."""
    row = cluster.database.row("SELECT max(expires_at) FROM mcp_sessions")
    return row is not None and row[0] > cluster.time + 200
