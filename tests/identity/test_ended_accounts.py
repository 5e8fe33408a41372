"""The end of an account tells the clients of its sessions, as a logout does."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flows import Clock, client, person_at, redeem
from idp import basic, provider_of, settle
from kapi.front.web.identity.app import build_identity_app
from kapi.identity.accounts.passwords import password_digest
from kapi.identity.accounts.users import profile_of, user_of
from kapi.identity.people.logout import send_notices
from kapi.identity.provider import Provider
from kapi.settings import IdentitySettings, Settings, UserSettings
from kapi.store import Store
from kapi.store.accounts import Ending
from kapi.store.users import StoredUser, UserStore
from logout_listener import Listener
from person import Person, authorize_path, claims_of

SHOP, PASSWORD = "https://shop.example/cb", "correct horse"
EVENT = "http://schemas.openid.net/event/backchannel-logout"


@pytest.fixture
def listener() -> Iterator[Listener]:
    made = Listener()
    yield made
    made.server.shutdown()


@pytest.fixture
def store(tmp_path: Path, with_keys: Path) -> Iterator[Store]:
    shutil.copy(with_keys, tmp_path / "kapi.db")
    made = Store.open(tmp_path / "kapi.db")
    yield made
    made.close()


@pytest.fixture
def users(store: Store) -> UserStore:
    return UserStore(store.database)


@pytest.fixture
def worker(
    store: Store, users: UserStore, clock: Clock, listener: Listener
) -> Provider:
    back = client("back", backchannel_logout_uri=listener.url, consent="never")
    eve = UserSettings("eve", PASSWORD, organizations=("org1",))
    clients = (*IdentitySettings().clients, back, client(consent="never"))
    made = provider_of(
        Settings(Path("/nowhere"), IdentitySettings(clients=clients, users=(eve,))),
        store,
    )
    settle(made, int(clock()))
    ada = user_of(UserSettings("ada", PASSWORD, organizations=("org1",)))
    users.add(
        StoredUser("ada", password_digest(PASSWORD), profile_of(ada), 1, "subject-1")
    )
    return made


def id_token(
    worker: Provider, clock: Clock, name: str, client_id: str = "back"
) -> dict[str, Any]:
    """That of a person who signs in with a browser of their own."""
    person: Person = person_at(build_identity_app(worker, clock))
    path = authorize_path(client_id, SHOP, scope="openid")
    page = person.sign_in(person.open(path), name, PASSWORD)
    answer = redeem(
        person,
        page.parameters["code"],
        authorization=basic(client_id, "s"),
        redirect_uri=SHOP,
    )
    return claims_of(answer.json()["id_token"])


def removed(users: UserStore, ending: Ending) -> None:
    users.remove("ada", ending)


def disabled(users: UserStore, ending: Ending) -> None:
    users.disable("ada", ending)


def password_changed(users: UserStore, ending: Ending) -> None:
    users.change_password("ada", password_digest("another one"), ending)


@pytest.mark.parametrize("end", [removed, disabled, password_changed])
def test_each_session_of_the_account_is_told_once(
    worker: Provider,
    clock: Clock,
    listener: Listener,
    users: UserStore,
    end: Callable[[UserStore, Ending], None],
) -> None:
    signed_in = [id_token(worker, clock, "ada") for _ in range(2)]
    id_token(worker, clock, "ada", "shop")
    id_token(worker, clock, "eve")
    now = int(clock()) + 5
    end(users, Ending(worker.issuer, now, "test"))
    for _ in range(2):
        send_notices(worker.logout, now)
    told = [claims_of(form["logout_token"]) for form in listener.wait(2)]
    assert {item["sid"] for item in told} == {item["sid"] for item in signed_in}
    for item in told:
        assert item["sub"] == "subject-1"
        assert item["aud"] == "back"
        assert item["events"] == {EVENT: {}}
        assert "nonce" not in item
    assert len(listener.got) == 2


def test_a_changed_password_of_the_settings_tells_too(
    worker: Provider, clock: Clock, listener: Listener
) -> None:
    sid = id_token(worker, clock, "eve")["sid"]
    identity = worker.settings.identity
    changed = replace(
        identity, users=(replace(identity.users[0], password="new password"),)
    )
    worker.settings = replace(worker.settings, identity=changed)
    settle(worker, int(clock()))
    send_notices(worker.logout, int(clock()))
    assert claims_of(listener.wait(1)[0]["logout_token"])["sid"] == sid


def test_a_session_of_an_organization_that_a_person_left_tells_too(
    worker: Provider, clock: Clock, listener: Listener, users: UserStore
) -> None:
    sid = id_token(worker, clock, "ada")["sid"]
    ending = Ending(worker.issuer, int(clock()), "test")
    for organizations in (["org1", "org2"], ["org2"]):
        profile = {**profile_of(user_of(UserSettings("ada", PASSWORD)))}
        profile["organizations"] = organizations
        users.change(
            "ada", lambda user, made=profile: replace(user, profile=made), ending
        )
        send_notices(worker.logout, int(clock()))
    assert claims_of(listener.wait(1)[0]["logout_token"])["sid"] == sid
    assert len(listener.got) == 1
