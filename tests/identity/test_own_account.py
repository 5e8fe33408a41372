"""The account page: people change their password, and end their sessions and consents."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows import NOW, Clock, client, person_at, provider_app
from kapi.identity.accounts.passwords import password_digest
from kapi.identity.accounts.users import profile_of, user_of
from kapi.identity.people.own_account import MOST as MOST_SHOWN
from kapi.settings import UserSettings
from kapi.store import Store
from kapi.store.records import Record, Records
from kapi.store.users import StoredUser, UserStore
from person import Page, Person, authorize_path

PATH = "/authenticationEndpoint/account"
SHOP = "https://shop.example/cb"
PASSWORD, NEW = "correct horse", "battery staple"
MOST = 3
DIGEST = password_digest(PASSWORD)


class World:
    def __init__(self, folder: Path) -> None:
        self.clock = Clock()
        shop = client("shop", name="The shop", consent="once")
        self.app = provider_app(folder, self.clock, shop, login_attempts=MOST)
        self.store = Store.open(folder / "kapi.db")
        for name in ("joe", "eve"):
            profile = profile_of(user_of(UserSettings(name, PASSWORD)))
            stored = StoredUser(name, DIGEST, profile, NOW, f"subject-{name}")
            assert UserStore(self.store.database).add(stored)

    def person(self, name: str = "joe", password: str = PASSWORD) -> Person:
        """A browser in which the person is signed in, and allowed the shop."""
        person = person_at(self.app)
        page = person.open(authorize_path("shop", SHOP, scope="openid"))
        page = person.sign_in(page, name, password, organization="")
        if 'value="allow"' in page.text:
            person.submit(page, decision="allow")
        return person


@pytest.fixture
def world(tmp_path: Path, with_keys: Path) -> Iterator[World]:
    shutil.copy(with_keys, tmp_path / "kapi.db")
    made = World(tmp_path)
    yield made
    made.store.close()


def send(person: Person, change: str, **fields: str) -> Page:
    """Send a form of the page."""
    page = person.open(PATH)
    for number, form in enumerate(page.forms()):
        if form["fields"].get("change") == change:
            return person.submit(page, number, **fields)
    raise AssertionError(page.text)


def change(
    person: Person, current: str = PASSWORD, new: str = NEW, again: str = ""
) -> Page:
    return send(person, "password", current=current, new=new, again=again or new)


def test_the_page_asks_for_sign_in_and_the_login_page_links_to_it(world: World) -> None:
    person = person_at(world.app)
    page = person.open(PATH)
    assert 'name="password"' in page.text
    page = person.sign_in(page, "joe", PASSWORD, organization="")
    assert "<h1>Your account</h1>" in page.text
    assert (
        f'href="{PATH}"' in person_at(world.app).open(authorize_path("shop", SHOP)).text
    )
    assert f'href="{PATH}"' in person_at(world.app).open("/").text


def test_another_password_ends_other_sessions_and_keeps_this_one(world: World) -> None:
    here, elsewhere = world.person(), world.person()
    world.clock.now += 5
    page = change(here)
    assert page.status == 200
    assert "Your password was changed" in page.text
    assert page.text.count("This browser") == 1
    assert "Another browser" not in page.text
    assert "The shop" not in page.text
    assert 'name="password"' in elsewhere.open(PATH).text
    assert "<h1>Your account</h1>" in here.open(PATH).text
    refused = person_at(world.app)
    assert "not right" in refused.sign_in(refused.open(PATH), "joe", PASSWORD, "").text
    assert "<h1>Your account</h1>" in world.person(password=NEW).open(PATH).text


REFUSED = (
    ("wrong password", NEW, NEW, "The current password is not right"),
    (PASSWORD, "short", "short", "must have 8 to"),
    (PASSWORD, NEW, "other words", "not typed the same twice"),
    (PASSWORD, PASSWORD, PASSWORD, "is the current one"),
    (PASSWORD, "x" * 1025, "x" * 1025, "must have 8 to"),
)


def test_a_password_that_is_not_changed(world: World) -> None:
    here, elsewhere = world.person(), world.person()
    for current, new, again, why in REFUSED:
        page = change(here, current, new, again)
        assert page.status == 400
        assert why in page.text
        assert 'role="alert"' in page.text
        for secret in (PASSWORD, NEW, "wrong password"):
            assert secret not in page.text
    assert "<h1>Your account</h1>" in elsewhere.open(PATH).text


def test_wrong_passwords_are_counted_with_those_of_the_sign_in(world: World) -> None:
    here = world.person()
    texts = [change(here, "wrong password").text for _ in range(MOST + 1)]
    assert "not right" in texts[0]
    assert "Too many tries" in texts[-1]
    assert "Too many tries" in change(here).text


def test_an_account_of_the_settings_keeps_its_password(world: World) -> None:
    person = person_at(world.app)
    page = person.sign_in(person.open(PATH))
    assert "in the settings of the platform" in page.text
    assert 'name="current"' not in page.text


def test_a_session_elsewhere_is_ended(world: World) -> None:
    here, elsewhere, third = world.person(), world.person(), world.person()
    page = here.open(PATH)
    assert page.text.count("Another browser") == 2
    assert "Used by The shop" in page.text
    page = send(here, "end")
    assert "The session was ended" in page.text
    assert page.text.count("Another browser") == 1
    page = send(here, "end_others")
    assert "Another browser" not in page.text
    assert all(
        'name="password"' in other.open(PATH).text for other in (elsewhere, third)
    )
    assert "<h1>Your account</h1>" in here.open(PATH).text


def test_sessions_that_the_page_does_not_show_are_ended_too(world: World) -> None:
    here, elsewhere = world.person(), world.person()
    records = Records(world.store.database)
    (row,) = records.page("session", NOW, person="subject-joe", most=1)
    for number in range(2 * MOST_SHOWN):
        sid = f"sid-{number}"
        payload = {**row.payload, "key": f"{number:03}", "sid": sid}
        records.put("session", Record(f"{number:03}", sid, payload, row.expires_at))
    send(here, "end_others")
    (left,) = records.page("session", NOW, person="subject-joe", most=10)
    assert "<h1>Your account</h1>" in here.open(PATH).text
    assert 'name="password"' in elsewhere.open(PATH).text
    assert not left.payload["sid"].startswith("sid-")


def test_a_consent_is_withdrawn(world: World) -> None:
    here = world.person()
    page = here.open(PATH)
    assert "The shop" in page.text
    assert "Know who you are" in page.text
    page = send(here, "withdraw")
    assert "The consent was withdrawn" in page.text
    assert "Nothing." in page.text
    assert (
        'value="allow"' in here.open(authorize_path("shop", SHOP, scope="openid")).text
    )


def test_nothing_of_another_person_is_changed(world: World) -> None:
    joe, eve = world.person("joe"), world.person("eve")
    second = world.person("eve")
    page = eve.open(PATH)
    ids = {}
    for form in page.forms():
        ids |= form["fields"]
    assert "subject-joe" not in page.text
    world.person("joe")  # so that joe has a form that ends a session
    assert "was ended before" in send(joe, "end", session=ids["session"]).text
    assert "was ended before" in send(joe, "withdraw", consent=ids["consent"]).text
    send(joe, "end_others")
    assert all(
        "<h1>Your account</h1>" in other.open(PATH).text for other in (eve, second)
    )
    assert "The shop" in eve.open(PATH).text


def test_a_form_of_another_site_changes_nothing(world: World) -> None:
    here, elsewhere = world.person(), world.person()
    page = send(here, "end_others", token="0" * 64)
    assert page.status == 400
    assert "not the one we sent" in page.text
    here.headers = {"sec-fetch-site": "cross-site"}
    assert send(here, "end_others").status == 400
    assert send(here, "password", current=PASSWORD, new=NEW, again=NEW).status == 400
    assert "<h1>Your account</h1>" in elsewhere.open(PATH).text


def test_no_text_of_the_address_is_shown(world: World) -> None:
    here = world.person()
    assert 'role="status"' not in here.open(f"{PATH}?done=wrong%20words").text
    assert "was ended" in here.open(f"{PATH}?done=ended").text
