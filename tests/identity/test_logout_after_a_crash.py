"""A logout token reaches its client also when a process ends before it was sent."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows import Clock, client, code_for, person_at, redeem
from idp import basic, provider_of
from kapi.front.web.identity.app import build_identity_app
from kapi.identity.people.logout import end_session, send_notices
from kapi.identity.people.sessions import Session, session_with_id
from kapi.identity.provider import Provider
from kapi.settings import IdentitySettings, Settings
from kapi.store import Store
from kapi.store.logout_notices import LEASE_SECONDS, LogoutNotices
from logout_listener import Listener
from person import authorize_path, claims_of
from waiting import until

SHOP = "https://shop.example/cb"


@pytest.fixture
def listener() -> Iterator[Listener]:
    made = Listener()
    yield made
    made.server.shutdown()


@pytest.fixture
def workers(
    tmp_path: Path, with_keys: Path, listener: Listener
) -> Iterator[tuple[Provider, Provider]]:
    """Two processes over one store."""
    shutil.copy(with_keys, tmp_path / "kapi.db")
    back = client("back", backchannel_logout_uri=listener.url, consent="never")
    settings = Settings(
        Path("/nowhere"), IdentitySettings(clients=(back, client(consent="never")))
    )
    stores = [Store.open(tmp_path / "kapi.db") for _ in range(2)]
    one, other = (provider_of(settings, store) for store in stores)
    yield one, other
    for store in stores:
        store.close()


def signed_in(worker: Provider, clock: Clock) -> Session:
    """A session with both clients."""
    person = person_at(build_identity_app(worker, clock))
    page = person.open(authorize_path("back", SHOP, scope="openid"))
    person.sign_in(page, "org1user", organization="org1")
    code = code_for(person, "shop", SHOP, scope="openid")
    tokens = redeem(
        person, code, authorization=basic("shop", "s"), redirect_uri=SHOP
    ).json()
    code = code_for(person, "back", SHOP, scope="openid")
    redeem(person, code, authorization=basic("back", "s"), redirect_uri=SHOP)
    sid = claims_of(tokens["id_token"])["sid"]
    session = session_with_id(worker.sessions, sid, clock.now)
    assert session is not None
    return session


def ended(worker: Provider, session: Session, now: int) -> None:
    """End it as a worker that ends right after its transaction."""
    worker.families.revoke_session(session, worker.issuer, now, "test")


def told(listener: Listener) -> list[str]:
    return [claims_of(form["logout_token"])["sid"] for form in listener.got]


def test_another_worker_sends_what_one_left_unsent(
    workers: tuple[Provider, Provider], clock: Clock, listener: Listener
) -> None:
    one, other = workers
    session = signed_in(one, clock)
    ended(one, session, clock.now)
    send_notices(other.logout, clock.now)
    listener.wait(1)
    assert told(listener) == [session.sid]


def test_what_one_took_is_sent_when_its_lease_is_over(
    tmp_path: Path, workers: tuple[Provider, Provider], clock: Clock, listener: Listener
) -> None:
    one, other = workers
    session = signed_in(one, clock)
    ended(one, session, clock.now)
    stored = LogoutNotices(Store.open(tmp_path / "kapi.db").database)
    assert {item.client_id for item in stored.take(clock.now, 10)} == {"back", "shop"}
    send_notices(other.logout, clock.now + LEASE_SECONDS - 30)
    assert stored.take(clock.now + LEASE_SECONDS - 30, 10) == ()
    assert listener.got == []
    send_notices(other.logout, clock.now + LEASE_SECONDS)
    listener.wait(1)
    assert told(listener) == [session.sid]
    until(lambda: stored.next_due() is None)


def test_two_workers_send_one_token_for_each_session(
    workers: tuple[Provider, Provider], clock: Clock, listener: Listener
) -> None:
    sessions = [signed_in(workers[0], clock) for _ in range(6)]
    for session in sessions:
        end_session(workers[0].logout, session, clock.now)
        send_notices(workers[1].logout, clock.now)
    listener.wait(6)
    stored = workers[0].notices.stored
    until(lambda: stored.next_due() is None)
    assert sorted(told(listener)) == sorted(session.sid for session in sessions)


def test_each_session_is_told_although_the_client_failed_at_first(
    workers: tuple[Provider, Provider], clock: Clock, listener: Listener
) -> None:
    listener.answers = [500, 500, 200]
    sessions = [signed_in(workers[0], clock) for _ in range(3)]
    for session in sessions:
        ended(workers[0].logout, session, clock.now)
    send_notices(workers[0].logout, clock.now)
    until(lambda: set(told(listener)) == {session.sid for session in sessions})
    until(lambda: workers[0].notices.stored.next_due() is None)
