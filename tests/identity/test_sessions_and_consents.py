"""Sessions and consents: listed in pages, and ended from outside the browser."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from flows import ISSUER, Clock, client, code_for, error_of, person_at, redeem, refresh
from idp import basic, provider_of
from kapi.app.system.people import consent_records, session_records
from kapi.front.web.identity.app import build_identity_app
from kapi.front.web.openapi.catalogue import CATALOGUE
from kapi.front.web.system.consents import CONSENTS
from kapi.front.web.system.people_records import Callers, PeopleRecordsApi
from kapi.front.web.system.sessions import SESSIONS
from kapi.identity.clients.notices import Form
from kapi.identity.provider import Provider
from kapi.settings import IdentitySettings, Settings
from kapi.store import Store
from kapi.store.logout_notices import LogoutNotices
from person import Person, authorize_path, claims_of
from system_calls import PLATFORM, CallerOf, system_call

SHOP = "https://shop.example/cb"


class Notices:
    """Keeps what clients are told."""

    def __init__(self, stored: LogoutNotices) -> None:
        self.sent: list[tuple[str, bytes]] = []
        self._stored = stored

    def wake(self, now: int, form: Form) -> None:
        for notice in self._stored.take(now, 10):
            addressed = form(notice, now)
            if addressed is not None:
                self.sent.append(addressed)


@dataclass
class World:
    """A worker with its people, and the system APIs of another process over the same store."""

    app: Any
    worker: Provider
    control: Provider
    clock: Clock
    notices: Notices

    def person(self, name: str = "org1user", organization: str = "org1") -> Person:
        person = person_at(self.app)
        page = person.open(authorize_path("shop", SHOP, scope="openid"))
        person.sign_in(page, name, organization=organization)
        return person

    def tokens(
        self, person: Person, client_id: str = "shop", scope: str = "openid"
    ) -> Any:
        code = code_for(person, client_id, SHOP, scope=scope)
        return redeem(
            person, code, authorization=basic(client_id, "s"), redirect_uri=SHOP
        ).json()

    def call(
        self, path: str, method: str = "GET", caller: str = "", **query: str
    ) -> Any:
        """Status and value of the answer."""
        callers = Callers(CallerOf(caller), PLATFORM)
        apis = (
            PeopleRecordsApi(
                SESSIONS, callers, lambda: session_records(self.control), self.clock
            ),
            PeopleRecordsApi(
                CONSENTS, callers, lambda: consent_records(self.control), self.clock
            ),
        )
        return system_call(apis, method, path, **query)

    def sessions(self, **query: str) -> list[dict[str, Any]]:
        return self.call("/api/sessions", **query)[1]["sessions"]

    def consents(self, **query: str) -> list[dict[str, Any]]:
        return self.call("/api/consents", **query)[1]["consents"]


@pytest.fixture
def world(tmp_path: Path, clock: Clock, with_keys: Path) -> Iterator[World]:
    shutil.copy(with_keys, tmp_path / "kapi.db")
    told = client(
        "told", consent="never", backchannel_logout_uri="https://told.example/out"
    )
    clients = (client(), client("other"), client("back", consent="never"), told)
    identity = IdentitySettings(clients=(*IdentitySettings().clients, *clients))
    settings = Settings(Path("/nowhere"), identity)
    stores = [Store.open(tmp_path / "kapi.db") for _ in range(2)]
    worker, control = (provider_of(settings, store) for store in stores)
    notices = Notices(LogoutNotices(stores[1].database))
    control.notices = notices
    yield World(build_identity_app(worker, clock), worker, control, clock, notices)
    for store in stores:
        store.close()


def is_signed_in(person: Person) -> bool:
    page = person.open(authorize_path("back", SHOP, prompt="none"))
    return "code" in page.parameters


def test_sessions_are_listed_without_their_cookie(world: World) -> None:
    person = world.person()
    sid = claims_of(world.tokens(person)["id_token"])["sid"]
    assert world.call("/api/sessions") == (
        200,
        {
            "sessions": [
                {
                    "id": sid,
                    "user": "org1user",
                    "subject": "org1user",
                    "organization": "org1",
                    "clients": ["shop"],
                    "amr": ["pwd"],
                    "signedInAt": world.clock.now,
                    "expiresAt": world.clock.now + 12 * 3600,
                }
            ],
            "next": "",
        },
    )
    assert world.call(f"/api/sessions/{sid}")[1] == world.sessions()[0]
    assert person.cookies["__Host-kapi-session"] not in json.dumps(
        world.call("/api/sessions")
    )
    world.clock.now += 12 * 3600
    assert world.sessions() == []


def test_sessions_are_found_by_person_client_and_organization(world: World) -> None:
    world.tokens(world.person())
    world.tokens(world.person("org2user", "org2"), "other")

    def users(**query: str) -> list[str]:
        return sorted(item["user"] for item in world.sessions(**query))

    assert users() == ["org1user", "org2user"]
    assert users(user="org2user") == users(client="other") == ["org2user"]
    assert users(organization="org1") == ["org1user"]
    assert users(user="org2user", client="shop") == users(user="nobody") == []


@pytest.mark.parametrize("kind", ["sessions", "consents"])
def test_pages_are_bounded_and_follow_each_other(world: World, kind: str) -> None:
    for name, organization in (
        ("org1user", "org1"),
        ("org2user", "org2"),
        ("superAdmin", ""),
    ):
        world.tokens(world.person(name, organization))
    found, after = [], ""
    while True:
        page = world.call(f"/api/{kind}", limit="1", after=after)[1]
        found += [item["user"] for item in page[kind]]
        assert len(page[kind]) <= 1
        after = page["next"]
        if not after:
            break
    assert sorted(found) == ["org1user", "org2user", "superAdmin"]
    assert world.call(f"/api/{kind}", limit="1001")[0] == 400


@pytest.mark.parametrize("kind", ["sessions", "consents"])
def test_a_caller_of_an_organization_sees_and_ends_its_own_only(
    world: World, kind: str
) -> None:
    world.tokens(world.person())
    world.tokens(world.person("org2user", "org2"))
    path = f"/api/{kind}"
    [own] = world.call(path, caller="org1")[1][kind]
    assert own["user"] == "org1user"
    everything = world.call(path)[1][kind]
    [other] = [item["id"] for item in everything if item["user"] == "org2user"]
    for method in ("GET", "DELETE"):
        assert world.call(f"{path}/{other}", method, caller="org1")[0] == 404
    status, problem = world.call(path, caller="org1", organization="org2")
    shown = CATALOGUE.refusals["not_your_organization"]
    assert (status, problem) == (shown.status, shown.example)
    assert world.call(path)[1][kind] == everything


def test_a_revoked_session_ends_as_by_a_logout(world: World) -> None:
    person = world.person()
    bound, offline = (
        world.tokens(person),
        world.tokens(person, scope="openid offline_access"),
    )
    unused = code_for(person, "shop", SHOP, scope="openid")
    told = world.tokens(person, "told")
    [session] = world.sessions()
    assert world.call(f"/api/sessions/{session['id']}", "DELETE")[0] == 204
    assert not is_signed_in(person)
    assert world.sessions() == []
    [(url, form)] = world.notices.sent
    assert url == "https://told.example/out"
    logout = claims_of(parse_qs(form.decode())["logout_token"][0])
    assert (logout["iss"], logout["sid"]) == (
        ISSUER,
        claims_of(told["id_token"])["sid"],
    )
    assert error_of(refresh(person, bound["refresh_token"], basic("shop", "s"))) == (
        400,
        "invalid_grant",
    )
    assert userinfo(person, bound) == 401
    assert refresh(person, offline["refresh_token"], basic("shop", "s")).status == 200
    late = redeem(person, unused, authorization=basic("shop", "s"), redirect_uri=SHOP)
    assert error_of(late) == (400, "invalid_grant")
    assert world.call(f"/api/sessions/{session['id']}", "DELETE")[0] == 404


def test_clients_of_another_name_of_the_provider_get_its_issuer(world: World) -> None:
    other = next(iter(world.worker.by_host.values()))
    person = person_at(build_identity_app(other, world.clock))
    page = person.open(authorize_path("told", SHOP, scope="openid"))
    person.sign_in(page, "org1user", organization="org1")
    code_for(person, "told", SHOP, scope="openid")
    [session] = world.sessions()
    assert world.call(f"/api/sessions/{session['id']}", "DELETE")[0] == 204
    [(_, form)] = world.notices.sent
    logout = claims_of(parse_qs(form.decode())["logout_token"][0])
    assert logout["iss"] == other.issuer != ISSUER


def test_another_session_of_the_person_goes_on(world: World) -> None:
    ended, other = world.person(), world.person()
    tokens = world.tokens(other)
    sid = claims_of(world.tokens(ended)["id_token"])["sid"]
    world.call(f"/api/sessions/{sid}", "DELETE")
    assert not is_signed_in(ended)
    assert is_signed_in(other)
    assert userinfo(other, tokens) == 200


def test_a_revoked_consent_ends_what_it_allowed_and_is_asked_again(
    world: World,
) -> None:
    person = world.person()
    allowed, kept = (
        world.tokens(person, scope="openid offline_access"),
        world.tokens(person, "other"),
    )
    unused = code_for(person, "shop", SHOP, scope="openid")
    [consent] = world.consents(client="shop")
    assert consent == {
        "id": consent["id"],
        "user": "org1user",
        "subject": "org1user",
        "organizations": ["org1"],
        "client": "shop",
        "clientName": "The Shop",
        "scopes": ["offline_access", "openid"],
        "givenAt": world.clock.now,
        "expiresAt": world.clock.now + 365 * 24 * 3600,
    }
    assert world.call(f"/api/consents/{consent['id']}", "DELETE")[0] == 204
    assert error_of(refresh(person, allowed["refresh_token"], basic("shop", "s"))) == (
        400,
        "invalid_grant",
    )
    assert userinfo(person, allowed) == 401
    late = redeem(person, unused, authorization=basic("shop", "s"), redirect_uri=SHOP)
    assert error_of(late) == (400, "invalid_grant")
    page = person.open(authorize_path("shop", SHOP, scope="openid"))
    assert 'value="allow"' in page.text
    assert [item["client"] for item in world.consents()] == ["other"]
    assert userinfo(person, kept) == 200
    assert is_signed_in(person)


def userinfo(person: Person, tokens: Any) -> int:
    bearer = f"Bearer {tokens['access_token']}"
    return (
        Person(person.send).ask("GET", "/oauth2/userinfo", authorization=bearer).status
    )
