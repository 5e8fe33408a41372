"""Expiring records: taken once, also when several ask at the same moment; gone when they expire."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from kapi.store.engine.database import Database
from kapi.store.housekeeping import keep_house
from kapi.store.records import Record, Records, key_of


@pytest.fixture
def records(database: Database) -> Records:
    return Records(database)


def record(key: str = "k", family: str = "f", expires_at: int = 100) -> Record:
    return Record(key, family, {"n": 1}, expires_at)


def test_a_record_comes_back_until_it_expires(records: Records) -> None:
    records.put("code", record())
    assert records.get("code", "k", 99) == record()
    assert records.get("code", "k", 100) is None
    assert records.get("other", "k", 1) is None


def test_of_many_takers_exactly_one_is_first(records: Records) -> None:
    records.put("code", record())
    taken: list[bool] = []

    def take() -> None:
        found = records.take("code", "k", 5)
        assert found is not None
        taken.append(found[1])

    threads = [threading.Thread(target=take) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == [False] * 19 + [True]
    assert records.take("code", "unknown", 5) is None
    assert records.take("code", "k", 100) is None


def test_adding_again_is_a_replay_until_the_first_has_expired(records: Records) -> None:
    assert records.add("jti", record(), 5)
    assert not records.add("jti", record(), 99)
    assert records.add("jti", record(expires_at=200), 100)


def test_an_update_sees_and_replaces_the_payload(records: Records) -> None:
    records.put("session", record())
    updated = records.update(
        "session", "k", 5, lambda found: {"n": found.payload["n"] + 1}
    )
    assert updated is not None
    assert records.get("session", "k", 5) == updated
    assert updated.payload == {"n": 2}
    assert records.update("session", "k", 5, lambda _: None) == updated
    assert records.update("session", "unknown", 5, lambda _: {}) is None


def test_a_family_goes_together(records: Records) -> None:
    records.put("refresh", record("a"))
    records.put("access", record("b"))
    records.put("refresh", record("c", family="g"))
    assert [item.key for item in records.family("refresh", "f", 5)] == ["a"]
    records.delete_family("f")
    assert records.get("access", "b", 5) is None
    assert records.get("refresh", "c", 5) is not None


def test_purging_and_deleting(records: Records, database: Database) -> None:
    for key, expires_at in (("a", 10), ("b", 20), ("c", 30)):
        records.put("code", record(key, expires_at=expires_at))
    keep_house(database, 10)
    records.delete("code", "c")
    assert [key for key in "abc" if records.get("code", key, 1)] == ["b"]


def test_the_key_of_a_secret_does_not_hold_it() -> None:
    assert len(key_of("secret")) == 64
    assert "secret" not in key_of("secret")


def admitted(
    records: Records,
    key: str,
    holder: str = "shop",
    now: int = 5,
    expires_at: int = 100,
    of_all: int = 100,
) -> int:
    return records.admit(
        "pushed",
        record(key, expires_at=expires_at),
        now,
        holder=holder,
        most=3,
        of_all=of_all,
    )


def test_a_holder_has_only_so_many_waiting_records(records: Records) -> None:
    assert [
        admitted(records, key, expires_at=ends)
        for key, ends in (("a", 60), ("b", 80), ("c", 100), ("d", 120))
    ] == [0, 0, 0, 55]
    assert records.get("pushed", "d", 5) is None
    # Others are not concerned; neither are other kinds, and records that nobody is held to account
    # for.
    assert admitted(records, "e", "other") == 0
    assert (
        records.admit("device", record("f"), 5, holder="shop", most=3, of_all=100) == 0
    )
    # One that was used, taken out or is over makes room.
    records.take("pushed", "a", 5)
    assert admitted(records, "g") == 0
    assert records.pop("pushed", "b", 5) is not None
    assert records.pop("pushed", "b", 5) is None
    assert (admitted(records, "h"), admitted(records, "i")) == (0, 95)
    assert admitted(records, "j", now=100, expires_at=200) == 0


def test_of_too_many_in_all_the_oldest_go_and_none_that_was_used(
    records: Records,
) -> None:
    records.put("pushed", record("kept", expires_at=10))
    for number in range(40):
        admitted(
            records,
            f"k{number}",
            f"holder {number}",
            expires_at=100 + number,
            of_all=10,
        )
        if number == 0:
            records.take("pushed", "k0", 5)
    assert [
        number for number in range(40) if records.get("pushed", f"k{number}", 5)
    ] == [
        0,
        *range(30, 40),
    ]
    assert records.get("pushed", "kept", 5)


def test_an_opened_record_makes_room_and_can_be_opened_again(records: Records) -> None:
    assert [admitted(records, key) for key in "abcd"] == [0, 0, 0, 95]
    for _ in range(3):
        found = records.open("pushed", "a", 5, most=3, of_all=100)
        assert found is not None
        assert found.payload == {"n": 1}
    assert (admitted(records, "d"), admitted(records, "e")) == (0, 95)
    assert records.open("pushed", "a", 100, most=3, of_all=100) is None
    assert records.open("pushed", "nothing", 5, most=3, of_all=100) is None


def test_opened_records_are_few_too(records: Records) -> None:
    for number in range(20):
        holder = f"holder {number % 4}"
        assert admitted(records, f"k{number}", holder, expires_at=100 + number) == 0
        assert records.open("pushed", f"k{number}", 5, most=2, of_all=6)
    left = [number for number in range(20) if records.get("pushed", f"k{number}", 5)]
    assert left == list(range(14, 20))


def test_parallel_requests_share_one_limit(records: Records) -> None:
    with ThreadPoolExecutor(8) as pool:
        waits = list(
            pool.map(lambda number: admitted(records, f"k{number}"), range(24))
        )
    assert waits.count(0) == 3


def test_the_newest_of_a_family_stay(records: Records) -> None:
    for number in range(5):
        records.put_newest("browser", record(f"k{number}", "alice", 100 + number), 3)
    records.put_newest("browser", record("k2", "alice", 200), 3)
    records.put_newest("browser", record("other", "bob"), 3)
    assert [item.key for item in records.family("browser", "alice", 5)] == [
        "k2",
        "k3",
        "k4",
    ]
    assert records.get("browser", "other", 5)
