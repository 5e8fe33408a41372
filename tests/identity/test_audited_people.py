"""What people and clients do at the provider is in the audit log: who, what, from where."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from flows import Clock, client, code_for, person_at, public, redeem
from idp import basic, call, provider_of
from kapi.front.web.identity.app import build_identity_app
from kapi.settings import IdentitySettings, Settings
from kapi.store import Store
from kapi.store.audit import CHANGE, Event
from person import Page, Person, authorize_path

SHOP = "https://shop.example/cb"
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
CIBA = "urn:openid:params:grant-type:ciba"
CLIENTS = (
    client(),
    client("bank", grants=(CIBA,)),
    client("other"),
    public("tv", grants=(DEVICE,)),
)


@dataclass
class World:
    app: Any
    events: list[Event]

    def person(self) -> Person:
        return person_at(self.app)

    def signed_in(self, scope: str = "openid") -> tuple[Person, Page]:
        """A person, and the page that asks for consent."""
        person = self.person()
        page = person.open(authorize_path("shop", SHOP, scope=scope))
        return person, person.sign_in(page)

    def tokens(self, person: Person) -> dict[str, Any]:
        code = code_for(person, "shop", SHOP, scope="openid")
        hand = basic("shop", "s")
        answer: dict[str, Any] = redeem(
            person, code, authorization=hand, redirect_uri=SHOP
        ).json()
        return answer

    def ask(self, path: str, by: str, **parameters: str) -> Any:
        hand = {} if by == "tv" else {"authorization": basic(by, "s")}
        return call(self.app, path=path, body=urlencode(parameters).encode(), **hand)

    def seen(self, *names: str) -> list[tuple[str, str, str, str]]:
        """Event, target, who and detail of the entries with these names."""
        return [
            (item.event, item.target, item.subject or item.client, item.detail)
            for item in self.events
            if item.event in names
        ]


@pytest.fixture
def world(tmp_path: Path, clock: Clock, with_keys: Path) -> Iterator[World]:
    shutil.copy(with_keys, tmp_path / "kapi.db")
    store = Store.open(tmp_path / "kapi.db")
    identity = IdentitySettings(clients=(*IdentitySettings().clients, *CLIENTS))
    provider = provider_of(Settings(Path("/nowhere"), identity), store)
    events = list[Event]()
    provider.record = provider.record_later = events.append
    yield World(build_identity_app(provider, clock), events)
    store.close()


@pytest.mark.parametrize("decision", ["allow", "deny"])
def test_a_decision_about_a_client(world: World, decision: str) -> None:
    person, page = world.signed_in("openid email")
    person.submit(page, decision=decision)
    told = f"consent.{decision}"
    assert world.seen("consent.allow", "consent.deny") == [
        (told, "shop", "org1user", "openid email")
    ]


def test_no_entry_for_a_consent_that_was_given_before(world: World) -> None:
    person, page = world.signed_in()
    person.submit(page, decision="allow")
    code_for(person, "shop", SHOP, scope="openid")
    assert len(world.seen("consent.allow")) == 1


@pytest.mark.parametrize("decision", ["allow", "deny"])
def test_a_decision_about_a_device(world: World, decision: str) -> None:
    started = world.ask(
        "/oauth2/device_authorization", "tv", client_id="tv", scope="openid"
    ).json()
    person = world.person()
    page = person.open("/device?user_code=" + started["user_code"])
    page = person.sign_in(page)
    person.submit(page, decision=decision)
    told = f"consent.{decision}"
    assert world.seen("consent.allow", "consent.deny") == [
        (told, "tv", "org1user", "openid")
    ]


@pytest.mark.parametrize("decision", ["allow", "deny"])
def test_a_decision_that_an_application_elsewhere_waits_for(
    world: World, decision: str
) -> None:
    world.ask("/oauth2/bc-authorize", "bank", scope="openid", login_hint="org1user")
    person = world.person()
    page = person.sign_in(person.open("/authenticationEndpoint/approvals"))
    person.submit(page, decision=decision)
    told = f"consent.{decision}"
    assert world.seen("consent.allow", "consent.deny") == [
        (told, "bank", "org1user", "openid")
    ]


def test_a_sign_out(world: World) -> None:
    person, _ = world.signed_in()
    page = person.open("/oauth2/logout")
    assert world.seen("sign_out") == []
    person.submit(page)
    ((event, session, who, _),) = world.seen("sign_out")
    assert (event, who) == ("sign_out", "org1user")
    assert session
    # Nobody is signed in any more, so nobody signs out.
    person.open("/oauth2/logout")
    assert len(world.seen("sign_out")) == 1


def test_another_person_in_the_same_browser(world: World) -> None:
    person, _ = world.signed_in()
    page = person.open(authorize_path("shop", SHOP, scope="openid", prompt="login"))
    person.sign_in(page, "org2user", organization="org2")
    ((_, _, who, detail),) = world.seen("sign_out")
    assert (who, detail) == ("org1user", "another sign-in in this browser")


def test_a_sign_in_without_a_password(world: World) -> None:
    person = world.person()
    page = person.open(authorize_path("shop", SHOP, scope="openid"))
    person.submit(page, 1, one_click="multiorguser@org2")
    (entry,) = world.events
    assert (entry.event, entry.outcome, entry.detail) == (
        "sign_in",
        "success",
        "one click",
    )
    assert (entry.subject, entry.organization) == ("multiorguser", "org2")


def test_tokens_that_a_client_revokes(world: World) -> None:
    person = world.person()
    tokens = world.tokens(person)
    for token in (tokens["access_token"], tokens["refresh_token"], "unknown"):
        assert world.ask("/oauth2/revoke", "shop", token=token).status == 200
    access, refresh = world.seen("token.revoke")
    assert (access[2], access[3]) == ("shop", "")
    assert access[1]
    assert refresh == (
        "token.revoke",
        "",
        "shop",
        "a refresh token, with its authorization",
    )
    assert world.ask(
        "/oauth2/revoke", "other", token=world.tokens(person)["access_token"]
    ).status
    assert len(world.seen("token.revoke")) == 2


def test_none_of_it_pushes_out_the_changes_of_operators(world: World) -> None:
    person = world.person()
    tokens = world.tokens(person)
    world.ask("/oauth2/revoke", "shop", token=tokens["access_token"])
    person.submit(person.open("/oauth2/logout"))
    assert {item.event for item in world.events} == {
        "sign_in",
        "consent.allow",
        "token.revoke",
        "sign_out",
    }
    assert CHANGE not in {item.class_ for item in world.events}
    text = repr(world.events)
    assert tokens["access_token"] not in text
    assert tokens["refresh_token"] not in text
