"""The store: what is kept, in one transaction each, also when several processes open it at once."""

from __future__ import annotations

import contextlib
import dataclasses
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kapi.errors import StorageBusy
from kapi.store import Rendered, Store, StoredApi
from kapi.store.engine.database import ConstraintViolated, StoreClosed
from kapi.store.engine.sqlite.engine import SqliteEngine
from kapi.store.keys import Keys, StoredKey
from waiting import until

API = StoredApi(
    "id-1",
    "default",
    "Petstore",
    "1.0",
    "production",
    "/petstore/1.0",
    "/petstore",
    1,
    1_800_000_000,
)
KEY = StoredKey("first", "RS256", "active", "-----BEGIN PRIVATE KEY-----", 10)


@pytest.fixture
def store(where: Path | str) -> Iterator[Store]:
    opened = Store.open(where)
    yield opened
    opened.close()


def resource(name: str, body: bytes = b"body", fingerprint: str = "f") -> Rendered:
    return Rendered("cluster", name, fingerprint, body)


def kept(store: Store) -> dict[str, bytes]:
    return {item.name: item.body for item in store.rendered()}


def test_a_new_store_is_empty(store: Store) -> None:
    store.save_api(API, "conf", b"definition", ())
    assert store.apis() == (API,)
    assert Keys(store.database).all() == store.rendered() == ()


def test_the_files_of_a_store_are_private(tmp_path: Path) -> None:
    path = tmp_path / "kapi.db"
    store = Store.open(path)
    store.save_api(API, "conf", b"definition", ())
    # The write-ahead log and its index hold the same secrets.
    files = {
        file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()
    }
    assert files == dict.fromkeys(("kapi.db", "kapi.db-wal", "kapi.db-shm"), 0o600)
    store.close()


def test_writes_reach_the_disk_before_the_call_returns(tmp_path: Path) -> None:
    engine = SqliteEngine.open(tmp_path / "kapi.db")
    with engine.alone() as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)


@pytest.mark.parametrize(
    "definition", [b"", b"\0\xff\xfe", "openapi: ä".encode(), b"x" * 1_000_000]
)
def test_the_texts_of_an_api_come_back_byte_for_byte(
    store: Store, definition: bytes
) -> None:
    store.save_api(API, "näme: 'x'\r\n", definition, ())
    assert store.api_source("id-1") == ("näme: 'x'\r\n", definition)
    assert store.api_source("id-2") is None


def test_saving_again_replaces_the_whole_api(store: Store) -> None:
    store.save_api(API, "old", b"old", [resource("a", b"1"), resource("b")])
    newer = dataclasses.replace(API, name="Other", default_base_path=None, revision=2)
    store.save_api(newer, "new", b"new", [resource("a", b"2", "g")], [("cluster", "b")])
    assert store.apis() == (newer,)
    assert store.api_source("id-1") == ("new", b"new")
    assert store.rendered() == (resource("a", b"2", "g"),)


def test_apis_are_listed_by_id(store: Store) -> None:
    for name in ("c", "a", "b"):
        store.save_api(dataclasses.replace(API, id=name), "", b"", ())
    assert [api.id for api in store.apis()] == ["a", "b", "c"]


def test_a_watch_tells_of_changes_by_this_and_other_connections(
    store: Store, where: Path | str
) -> None:
    told: list[str] = []
    watch = store.database.watch(poll=0.01)
    for topic in ("a", "b"):
        watch.on(topic, lambda topic=topic: told.append(topic))
    with store.database.transaction("a"):
        pass
    watch.begin()
    watch.start()
    other = Store.open(where)
    for database in (store.database, other.database):
        with database.transaction("b"):
            pass
        until(lambda: told)
        assert told == ["b"]
        told.clear()
    with contextlib.suppress(ZeroDivisionError), store.database.transaction("a"):
        _ = 1 / 0
    time.sleep(0.1)
    watch.stop()
    other.close()
    assert told == []


def test_a_watch_tells_of_changes_between_its_beginning_and_its_start(
    store: Store,
) -> None:
    told: list[str] = []
    watch = store.database.watch(poll=0.01)
    watch.begin()
    with store.database.transaction("a"):
        pass
    watch.on("a", lambda: told.append("a"))
    watch.start()
    until(lambda: told == ["a"])
    watch.stop()


def test_a_change_that_the_storage_withholds_is_told_again(store: Store) -> None:
    told: list[str] = []
    watch = store.database.watch(poll=0.01)

    def reads() -> None:
        told.append("a")
        if len(told) == 1:
            raise StorageBusy

    watch.begin()
    watch.on("a", reads)
    watch.start()
    with store.database.transaction("a"):
        pass
    until(lambda: len(told) == 2)
    time.sleep(0.1)
    watch.stop()
    assert told == ["a", "a"]


def test_deleting_an_api_leaves_the_others(store: Store) -> None:
    store.save_api(API, "1", b"1", [resource("a"), resource("shared", b"both")])
    store.save_api(dataclasses.replace(API, id="id-2"), "2", b"2", [resource("b")])
    store.delete_api(
        "id-1",
        [resource("shared", b"one")],
        [("cluster", "a"), ("cluster", "never was")],
    )
    assert [api.id for api in store.apis()] == ["id-2"]
    assert store.api_source("id-1") is None
    assert kept(store) == {"b": b"body", "shared": b"one"}
    store.delete_api("id-1")
    assert [api.id for api in store.apis()] == ["id-2"]


def test_adding_what_was_rendered_keeps_the_rest_but_that_of_other_settings(
    store: Store,
) -> None:
    store.add_rendered([resource("a"), resource("b")], "f")
    store.add_rendered(
        [resource("b", b"new"), Rendered("route", "b", "f", b"other kind")], "f"
    )
    assert {(item.kind, item.name): item.body for item in store.rendered()} == {
        ("cluster", "a"): b"body",
        ("cluster", "b"): b"new",
        ("route", "b"): b"other kind",
    }
    store.add_rendered([Rendered("cluster", "c", "g", b"")], "g")
    assert {item.fingerprint for item in store.rendered()} == {"g"}


def test_nothing_is_added_to_what_was_rendered_if_another_node_has_deployed(
    store: Store,
) -> None:
    store.add_rendered([resource("a")], "f", after=0)
    store.save_api(API, "", b"", [resource("b")])
    store.add_rendered([resource("a", b"late"), resource("b", b"late")], "f", after=0)
    assert kept(store) == {"a": b"body", "b": b"body"}


def test_a_write_that_fails_changes_nothing(store: Store) -> None:
    store.save_api(API, "old", b"old", [resource("a", b"1")])

    def breaks_off() -> Iterator[Rendered]:
        yield resource("a", b"2")
        raise RuntimeError("no more")

    newer = dataclasses.replace(API, revision=2)
    for write in (
        lambda: store.save_api(newer, "new", b"new", breaks_off(), [("cluster", "a")]),
        lambda: store.delete_api("id-1", breaks_off(), [("cluster", "a")]),
        lambda: store.add_rendered(breaks_off(), "f"),
    ):
        with pytest.raises(RuntimeError, match="no more"):
            write()
        assert (store.apis(), store.api_source("id-1"), kept(store)) == (
            (API,),
            ("old", b"old"),
            {"a": b"1"},
        )
    with pytest.raises(ConstraintViolated):
        store.save_api(newer, "new", None, ())  # type: ignore[arg-type]
    store.save_api(newer, "new", b"new", ())
    assert store.apis() == (newer,)


def test_reopening_keeps_everything(where: Path | str) -> None:
    first = Store.open(where)
    Keys(first.database).add_first(KEY)
    first.save_api(API, "conf", b"definition", [resource("a")])
    first.close()
    for _ in range(2):
        again = Store.open(where)
        assert (Keys(again.database).all(), again.apis(), again.api_source("id-1")) == (
            (KEY,),
            (API,),
            ("conf", b"definition"),
        )
        assert again.rendered() == (resource("a"),)
        again.close()
    with pytest.raises(StoreClosed):
        again.apis()


def test_what_one_store_writes_another_reads(store: Store, where: Path | str) -> None:
    other = Store.open(where)
    store.save_api(API, "conf", b"definition", ())
    assert other.apis() == (API,)
    other.delete_api("id-1")
    other.close()
    assert store.apis() == ()


def test_threads_may_share_a_store(store: Store) -> None:
    faults: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for round_number in range(20):
                api = dataclasses.replace(API, id=f"id-{number}", revision=round_number)
                store.save_api(api, str(round_number), b"", [resource(api.id)])
                assert store.api_source(api.id) == (str(round_number), b"")
        except BaseException as fault:
            faults.append(fault)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults
    assert {api.revision for api in store.apis()} == {19}
    assert len(store.apis()) == len(store.rendered()) == 8


OPEN_AND_WRITE = """
import sys
from pathlib import Path
from kapi.store import Store
from kapi.store.keys import Keys, StoredKey
print("ready", flush=True)
sys.stdin.readline()
name = sys.argv[2]
where = sys.argv[1]
store = Store.open(where if "://" in where else Path(where))
keys = Keys(store.database)
print(keys.add_first(StoredKey(name, "RS256", "active", "pem", 1)), keys.all()[0].kid, flush=True)
store.close()
"""


@pytest.mark.parametrize("processes", [2, 6])
def test_processes_may_open_a_new_store_at_once(
    where: Path | str, processes: int
) -> None:
    """Every one finds all tables and the same first key, whichever process made them."""
    started = [
        subprocess.Popen(
            [sys.executable, "-c", OPEN_AND_WRITE, str(where), f"p{number}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for number in range(processes)
    ]
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
    for process in started:
        assert process.stdin is not None
        process.stdin.write(b"go\n")
        process.stdin.flush()
    answers = [
        process.communicate(timeout=30)[0].decode().split() for process in started
    ]
    assert [process.returncode for process in started] == [0] * processes
    assert sorted(first for first, _ in answers) == ["False"] * (processes - 1) + [
        "True"
    ]
    assert {kid for _, kid in answers} == {
        f"p{next(n for n, (first, _) in enumerate(answers) if first == 'True')}"
    }
    if isinstance(where, Path):
        assert stat.S_IMODE(where.stat().st_mode) == 0o600
