"""The table of the audit log, on each engine."""

from __future__ import annotations

from pathlib import Path

from kapi.store.audit import FAILED, FAILURE, AuditStore, Event, Sought
from kapi.store.engine.database import Database


def test_entries_are_numbered_found_and_followed(where: Path | str) -> None:
    store = AuditStore(Database.open(where), 100)
    assert store.newest(Sought(), 10) == []
    store.append(Event("api.deploy", subject="alice", client="ci", organization="acme"))
    store.append(Event("api.undeploy", FAILURE, client="ci", organization="acme"))
    store.append(Event("apis", organization="other"))
    numbers = [item["id"] for item in store.newest(Sought(), 10)]
    assert numbers == [1, 2, 3]
    assert [item["id"] for item in store.newest(Sought(), 2)] == [2, 3]
    assert [item["id"] for item in store.newest(Sought(event="api"), 9)] == [1, 2]
    assert [item["id"] for item in store.newest(Sought(event="api.deploy"), 9)] == [1]
    assert store.newest(Sought(event="ap"), 9) == []
    assert [item["id"] for item in store.newest(Sought(failed=True), 9)] == [2]
    assert [item["id"] for item in store.newest(Sought(by="ci"), 9)] == [1, 2]
    assert [item["id"] for item in store.newest(Sought("other"), 9)] == [3]
    assert [item["id"] for item in store.after(1, Sought(), 1)] == [2]
    assert store.after(3, Sought(), 9) == []


def test_failures_do_not_push_out_changes(where: Path | str) -> None:
    store = AuditStore(Database.open(where), 5)
    store.append(Event("api.deploy"))
    for number in range(20):
        store.append(Event("sign_in", FAILURE, target=str(number), class_=FAILED))
    events = store.newest(Sought(), 100)
    assert [item["event"] for item in events] == ["api.deploy", *["sign_in"] * 5]
    assert [item["target"] for item in events[1:]] == ["15", "16", "17", "18", "19"]
    assert [item["id"] for item in events] == [1, 17, 18, 19, 20, 21]


def test_more_than_the_most_are_kept_until_some_are_deleted_together(
    where: Path | str,
) -> None:
    store = AuditStore(Database.open(where), 300)
    for _ in range(302):
        store.append(Event("api.deploy"))
    assert [item["id"] for item in store.newest(Sought(), 500)] == [*range(1, 303)]
    store.append(Event("api.deploy"))
    assert [item["id"] for item in store.newest(Sought(), 500)] == [*range(4, 304)]


def test_the_first_word_of_an_event_is_enough(where: Path | str) -> None:
    store = AuditStore(Database.open(where), 100)
    for name in ("sign_in", "sign_out", "api.deploy", "api_key.add"):
        store.append(Event(name))
    found = {}
    for word in ("sign", "api", "api_key", "sign_in", "si"):
        sought = Sought(event=word)
        found[word] = [item["event"] for item in store.newest(sought, 9)]
    assert found == {
        "sign": ["sign_in", "sign_out"],
        "api": ["api.deploy"],
        "api_key": ["api_key.add"],
        "sign_in": ["sign_in"],
        "si": [],
    }
