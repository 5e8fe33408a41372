"""The table of nodes, leases, and what nodes leave of each other's rendered resources."""

from __future__ import annotations

import dataclasses
import threading
from pathlib import Path

import pytest

from kapi.store import Rendered, Store, StoredApi, StoreMoved
from kapi.store.engine.database import Database
from kapi.store.gateway.counters import Counter, Counters
from kapi.store.gateway.modules import PinnedModules
from kapi.store.leases import Lease
from kapi.store.nodes import Confirmed, Node, Nodes
from waiting import LIMIT

A = Node("a", "host:1", "1.0", "fa")
B = dataclasses.replace(A, id="b", name="host:2", fingerprint="fb")
API = StoredApi("id-1", "default", "pets", "1", "", "/pets/1", None, 1, 1)


@pytest.fixture
def store(database: Database) -> Store:
    return Store(database)


def test_a_node_reports_what_it_has(database: Database) -> None:
    nodes = Nodes(database)
    nodes.report(A, Confirmed(1, 0))
    nodes.report(B, Confirmed(2, 5))
    nodes.report(A, Confirmed(3, 5))
    found = {node.id: node for node in nodes.all()}
    assert {name: node.confirmed for name, node in found.items()} == {
        "a": Confirmed(3, 5),
        "b": Confirmed(2, 5),
    }
    assert all(node.alive for node in found.values())
    nodes.remove("a")
    assert [node.id for node in nodes.all()] == ["b"]


def test_a_node_that_was_not_seen_for_long_is_away_and_later_forgotten(
    database: Database,
) -> None:
    nodes = Nodes(database)
    nodes.report(A, Confirmed(1, 0))
    nodes.report(B, Confirmed(1, 0))
    Counters(database, "a").save([Counter("n", 3600, 1, 1)], ())
    Counters(database, "b").save([Counter("n", 3600, 1, 2)], ())
    with database.transaction() as db:
        db.execute("UPDATE nodes SET seen_at = seen_at - 60 WHERE id = 'a'")
    assert {node.id: node.alive for node in nodes.all()} == {"a": False, "b": True}
    nodes.forget_old()
    assert len(nodes.all()) == 2
    with database.transaction() as db:
        db.execute("UPDATE nodes SET seen_at = seen_at - 100000 WHERE id = 'a'")
    nodes.forget_old()
    assert [node.id for node in nodes.all()] == ["b"]
    assert Counters(database, "a").all() == ()
    assert [item.used for item in Counters(database, "b").all()] == [2]


def test_a_change_after_one_of_another_node_is_refused(store: Store) -> None:
    assert store.change() == 0
    store.save_api(API, "conf", b"", (), after=0)
    assert store.change() == 1
    with pytest.raises(StoreMoved):
        store.save_api(dataclasses.replace(API, id="id-2"), "conf", b"", (), after=0)
    with pytest.raises(StoreMoved):
        store.delete_api("id-1", after=0)
    store.save_api(dataclasses.replace(API, id="id-2"), "conf", b"", (), after=1)
    assert [api.id for api in store.apis_since(1)] == ["id-2"]
    both = frozenset(("one", "other"))
    assert store.api_ids_or(both, 2) is both
    store.delete_api("id-1", after=2)
    assert store.apis_since(2) == ()
    assert store.api_ids_or(both, 3) == {"id-2"}
    # As many as were known at another change: one is gone, and another node has stored one.
    store.save_api(dataclasses.replace(API, id="id-3"), "conf", b"", (), after=3)
    assert store.api_ids_or(both, 3) == {"id-2", "id-3"}


def test_nodes_with_other_settings_keep_their_resources_but_for_what_has_changed(
    store: Store,
) -> None:
    Nodes(store.database).report(A, Confirmed(0, 0))
    Nodes(store.database).report(B, Confirmed(0, 0))
    for fingerprint in ("fa", "fb", "gone"):
        both = [Rendered("scope", name, fingerprint, b"old") for name in ("x", "y")]
        store.add_rendered(both, fingerprint)
    assert {item.fingerprint for item in store.rendered()} == {"fa", "fb", "gone"}
    store.save_api(API, "", b"", [Rendered("scope", "x", "fa", b"new")])
    assert {item.name: item.body for item in store.rendered("fa")} == {
        "x": b"new",
        "y": b"old",
    }
    assert {item.name: item.body for item in store.rendered("fb")} == {"y": b"old"}
    store.add_rendered([Rendered("scope", "x", "fb", b"b")], "fb")
    assert {item.fingerprint for item in store.rendered()} == {"fa", "fb"}


def test_counters_of_one_machine_go_to_the_first_node(database: Database) -> None:
    Counters(database).save([Counter("n", 3600, 1, 7)], ())
    first, second = Counters(database, "a"), Counters(database, "b")
    first.adopt()
    second.adopt()
    assert [item.used for item in first.all()] == [7]
    assert second.all() == ()


def test_one_node_at_a_time_holds_a_lease(where: Path | str) -> None:
    inside, most = 0, 0
    count = threading.Lock()

    def work(holder: str) -> None:
        nonlocal inside, most
        database = Database.open(where)
        lease = shared if isinstance(where, Path) else Lease(database, "work", holder)
        for _ in range(5):
            with lease.held(), lease.held():
                with count:
                    inside += 1
                    most = max(most, inside)
                with count:
                    inside -= 1
        database.close()

    database = Database.open(where)
    shared = Lease(database, "work", "all")
    threads = [threading.Thread(target=work, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT)
    assert most == 1
    database.close()


@pytest.mark.long
def test_a_lease_of_a_dead_node_ends(where: Path | str) -> None:
    database = Database.open(where)
    with Lease(database, "work", "dead").held(), database.transaction() as db:
        db.execute("UPDATE leases SET until = 1")
        db.execute("UPDATE leases SET holder = 'dead'")
    with Lease(database, "work", "alive").held():
        pass
    database.close()


def test_who_sees_an_api_sees_its_modules(store: Store) -> None:
    """Another node reads both as soon as it hears of the change."""
    pinned = PinnedModules(store.database)
    store.save_api(
        API, "conf", b"", (), modules={"file:a.wasm": "a1", "file:b.wasm": "b1"}
    )
    assert pinned.of(API.id) == {"file:a.wasm": "a1", "file:b.wasm": "b1"}
    with pytest.raises(StoreMoved):
        store.save_api(API, "conf", b"", (), modules={"file:a.wasm": "a2"}, after=0)
    assert pinned.of(API.id)["file:a.wasm"] == "a1"
    store.save_api(API, "conf", b"", (), modules={"file:a.wasm": "a2"})
    assert pinned.of(API.id) == {"file:a.wasm": "a2"}
