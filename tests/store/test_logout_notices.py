"""Clients that must be told that a session ended: none is lost, one process tells each."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from kapi.store.accounts import Ending, end_account
from kapi.store.engine.database import Database
from kapi.store.families import SESSION, Families
from kapi.store.logout_notices import (
    LEASE_SECONDS,
    MOST_ATTEMPTS,
    MOST_SECONDS,
    LogoutNotice,
    LogoutNotices,
)
from kapi.store.records import Record, Records
from kapi.store.revocations import TOPIC

NOW = 1_800_000_000


def sign_in(
    database: Database, *sids: str, clients: tuple[str, ...] = ("shop",)
) -> None:
    for sid in sids:
        payload = {
            "sid": sid,
            "user": "ada",
            "clients": clients,
            "issuer": "https://i.example",
        }
        Records(database).put(SESSION, Record(f"key of {sid}", sid, payload, NOW + 900))


def end(database: Database) -> None:
    """End the account of the sessions."""
    with database.transaction(TOPIC) as db:
        end_account(db, "ada", Ending("https://i.example", NOW, "test"))


def sids(notices: tuple[LogoutNotice, ...]) -> list[str]:
    return sorted(notice.sid for notice in notices)


def test_each_client_of_a_session_is_told_who_ended_where(database: Database) -> None:
    sign_in(database, "s1", clients=("shop", "bank"))
    end(database)
    taken = sorted(
        LogoutNotices(database).take(NOW, 10), key=lambda item: item.client_id
    )
    assert taken == [
        LogoutNotice("s1", client, "ada", "https://i.example", 1)
        for client in ("bank", "shop")
    ]


def test_a_session_that_a_person_ends_is_noted_with_its_end(database: Database) -> None:
    sign_in(database, "s1", "s2")

    class Ended:
        sid, user = "s2", "ada"

    Families(database).revoke_session(Ended, "https://i.example", NOW, "test")
    assert sids(LogoutNotices(database).take(NOW, 10)) == ["s2"]
    assert Records(database).get(SESSION, "key of s1", NOW) is not None


def test_what_a_process_took_before_it_ended_is_due_again(where: Path | str) -> None:
    first = Database.open(where)
    sign_in(first, "s1")
    end(first)
    assert sids(LogoutNotices(first).take(NOW, 10)) == ["s1"]
    first.close()
    later = LogoutNotices(Database.open(where))
    assert later.take(NOW + LEASE_SECONDS - 1, 10) == ()
    assert later.next_due() == NOW + LEASE_SECONDS
    [again] = later.take(NOW + LEASE_SECONDS, 10)
    assert (again.sid, again.attempts) == ("s1", 2)
    later.done(again)
    assert later.next_due() is None


def test_of_parallel_processes_one_takes_each(where: Path | str) -> None:
    databases = [Database.open(where) for _ in range(4)]
    made = [f"s{number:02}" for number in range(40)]
    sign_in(databases[0], *made)
    end(databases[0])
    with ThreadPoolExecutor(8) as pool:
        taken = pool.map(
            lambda turn: LogoutNotices(databases[turn % 4]).take(NOW, 3), range(40)
        )
        assert sorted(sid for some in taken for sid in sids(some)) == made


def test_a_client_that_does_not_answer_is_asked_less_and_less(
    database: Database,
) -> None:
    notices, now, pauses = LogoutNotices(database), NOW, []
    sign_in(database, "s1")
    end(database)
    for _ in range(MOST_ATTEMPTS - 1):
        [notice] = notices.take(now, 10)
        assert notices.failed(notice, now)
        due = notices.next_due() or 0
        pauses.append(due - now)
        now = due
    assert pauses == [1, 2, 4, 8, 16, 32, 64, 128, 256]
    [last] = notices.take(now, 10)
    assert not notices.failed(last, now)
    assert notices.next_due() is None


def test_its_other_notices_wait_too_and_those_of_others_do_not(
    database: Database,
) -> None:
    notices = LogoutNotices(database)
    sign_in(database, "s1", "s2", "s3", clients=("slow",))
    sign_in(database, "s4")
    end(database)
    [first] = notices.take(NOW, 1)
    notices.failed(first, NOW)
    assert [item.client_id for item in notices.take(NOW, 10)] == (
        ["shop"] if first.client_id == "slow" else ["slow"] * 3
    )
    assert len(notices.take(NOW + 1, 10)) == (3 if first.client_id == "slow" else 1)


def test_old_ones_are_dropped(database: Database) -> None:
    notices = LogoutNotices(database)
    sign_in(database, "s1")
    end(database)
    assert notices.drop_old(NOW + MOST_SECONDS - 1) == ()
    assert notices.drop_old(NOW + MOST_SECONDS) == ("shop",)
    assert notices.next_due() is None
