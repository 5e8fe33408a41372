"""Clients and people changed by an operator: what is taken away is taken from what they have."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from flows import Clock, error_of, person_at, refresh, token_request
from idp import basic, provider_of
from kapi.fetch import fetch
from kapi.front.web.identity.app import build_identity_app
from kapi.front.web.openapi.catalogue import CATALOGUE
from kapi.front.web.system.clients import ClientsApi
from kapi.front.web.system.users import UsersApi
from kapi.identity.accounts.users import Users
from kapi.identity.clients.registration import is_secret
from kapi.identity.clients.remote_documents import RemoteDocuments
from kapi.identity.provider import Provider
from kapi.settings import IdentitySettings, Settings
from kapi.store import Store
from kapi.store.registered_clients import RegisteredClient
from kapi.store.users import UserStore
from person import Person, authorize_path, claims_of
from system_calls import CallerOf, system_call

SHOP, OTHER = "https://shop.example/cb", "https://other.example/cb"
PASSWORD = "correct horse"
METADATA = {
    "client_name": "Shop",
    "grant_types": ["authorization_code", "refresh_token"],
    "redirect_uris": [SHOP, OTHER],
    "scope": "openid a b",
}
ADA = {"username": "ada", "password": PASSWORD, "organizations": ["org1", "org2"]}


@dataclass
class World:
    app: Any
    worker: Provider
    apis: tuple[Any, ...]
    secrets: dict[str, str]

    def call(self, method: str, path: str, value: Any = None) -> tuple[int, Any]:
        return system_call(self.apis, method, path, value)

    def client(self, **more: Any) -> str:
        status, made = self.call("POST", "/api/clients", METADATA | more)
        assert status == 201
        self.secrets[made["client_id"]] = made.get("client_secret", "")
        return made["client_id"]

    def change(self, client_id: str, **members: Any) -> Any:
        status, made = self.call("PATCH", f"/api/clients/{client_id}", members)
        assert status == 200, made
        self.worker.use_clients()
        return made

    def tokens(
        self, person: Person, client_id: str, organization: str = "org1", name: str = ""
    ) -> Any:
        path = authorize_path(client_id, SHOP, scope="openid a b")
        name = name or ("org1user" if organization == "org1" else "ada")
        code = self.code(person, path, name, organization)
        return self.redeem(person, client_id, code).json()

    def code(self, person: Person, path: str, name: str, organization: str) -> str:
        page = person.open(path)
        if 'name="password"' in page.text:
            password = name if name == "org1user" else PASSWORD
            page = person.sign_in(page, name, password, organization)
        if 'value="allow"' in page.text:
            page = person.submit(page, decision="allow")
        return page.parameters["code"]

    def redeem(self, person: Person, client_id: str, code: str) -> Any:
        return token_request(
            person,
            self.basic(client_id),
            grant_type="authorization_code",
            code=code,
            redirect_uri=SHOP,
        )

    def basic(self, client_id: str) -> str:
        return basic(client_id, self.secrets[client_id])

    def refresh(self, person: Person, client_id: str, tokens: Any) -> Any:
        return refresh(person, tokens["refresh_token"], self.basic(client_id))


@pytest.fixture
def world(tmp_path: Path, clock: Clock, with_keys: Path) -> Iterator[World]:
    shutil.copy(with_keys, tmp_path / "kapi.db")
    settings = Settings(tmp_path, IdentitySettings())
    store = Store.open(tmp_path / "kapi.db")
    worker, access = provider_of(settings, store), CallerOf()
    numbers = iter(range(100))
    stored = UserStore(store.database)
    apis = (
        ClientsApi(
            access,
            settings,
            worker.registered,
            RemoteDocuments(fetch, allow_private=False),
            os.urandom,
            lambda: f"client-{next(numbers)}",
            clock,
        ),
        UsersApi(
            access,
            Users(settings.identity.users, stored),
            stored,
            settings.identity.issuer,
            lambda: f"subject-{next(numbers)}",
            clock,
        ),
    )
    yield World(build_identity_app(worker, clock), worker, apis, {})
    store.close()


@pytest.fixture
def person(world: World) -> Person:
    return person_at(world.app)


def test_members_that_are_not_sent_stay(world: World) -> None:
    shop = world.client(contacts=["ops@shop.example"])
    before = world.call("GET", f"/api/clients/{shop}")[1]
    world.change(shop, client_name="The new shop")
    after = world.call("GET", f"/api/clients/{shop}")[1]
    assert after == {**before, "client_name": "The new shop"}


def test_a_scope_and_a_redirect_uri_are_taken_from_codes_and_refresh_tokens(
    world: World, person: Person
) -> None:
    shop = world.client()
    tokens = world.tokens(person, shop)
    world.change(shop, scope="openid a")
    answer = world.refresh(person, shop, tokens).json()
    assert answer["scope"] == "openid a"
    path = authorize_path(shop, SHOP, scope="openid a")
    code = world.code(person, path, "org1user", "org1")
    world.change(shop, redirect_uris=[OTHER])
    assert error_of(world.redeem(person, shop, code)) == (400, "invalid_grant")
    assert error_of(world.refresh(person, shop, answer)) == (400, "invalid_grant")


def test_a_client_that_needs_a_secret_gets_one(world: World) -> None:
    shop = world.client(token_endpoint_auth_method="none")
    made = world.change(shop, token_endpoint_auth_method="client_secret_basic")
    assert made["client_secret"]
    assert "client_secret" not in world.change(shop, client_name="x")
    world.change(shop, token_endpoint_auth_method="none")
    assert not world.worker.registered.get(shop).secret_digest


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "an id": ({"client_id": "x"}, "#/client_id"),
    "a secret": ({"secret": "x"}, "#/secret"),
    "an unknown member": ({"color": "red"}, "#/color"),
    "a wrong type": ({"redirect_uris": "https://x.example"}, "#/redirect_uris"),
    "an unknown grant": ({"grant_types": ["magic"]}, "#/grant_types/0"),
    "a bad redirect URI": ({"redirect_uris": ["x"]}, "#/"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_change_is_refused_and_changes_nothing(world: World, case: str) -> None:
    sent, pointer = WRONG[case]
    shop = world.client()
    before = world.call("GET", f"/api/clients/{shop}")
    status, problem = world.call("PATCH", f"/api/clients/{shop}", sent)
    assert (status, problem["code"]) == (400, 900971)
    assert problem["diagnostics"][0]["pointer"] == pointer
    assert world.call("GET", f"/api/clients/{shop}") == before


def test_a_refused_change_is_as_the_document_shows(world: World) -> None:
    shop = world.client()
    status, problem = world.call("PATCH", f"/api/clients/{shop}", {"client_id": "x"})
    shown = CATALOGUE.refusals["invalid_change"]
    assert (status, problem) == (shown.status, shown.example)


def test_what_is_in_the_settings_or_nowhere_cannot_be_changed(world: World) -> None:
    own = IdentitySettings().clients[0].id
    assert world.call("PATCH", f"/api/clients/{own}", {"client_name": "x"})[0] == 409
    assert world.call("PATCH", "/api/clients/nothing", {"client_name": "x"})[0] == 404
    assert world.call("PATCH", "/api/users/org1user", {"groups": []})[0] == 409
    assert world.call("PATCH", "/api/users/nobody", {"groups": []})[0] == 404


def test_members_of_a_person_are_merged(world: World) -> None:
    sent = {**ADA, "groups": ["staff"], "claims": {"email": "a@b", "locale": "en"}}
    assert world.call("POST", "/api/users", sent)[0] == 201
    patch = {"claims": {"email": "c@d", "locale": None}, "groups": None}
    status, made = world.call("PATCH", "/api/users/ada", patch)
    assert (status, made["claims"], made["groups"]) == (200, {"email": "c@d"}, [])
    assert made["organizations"] == ["org1", "org2"]
    assert world.call("GET", "/api/users/ada")[1] == made
    wrong = {"password": "another one", "super_admin": "yes"}
    assert world.call("PATCH", "/api/users/ada", wrong)[0] == 400
    status, problem = world.call(
        "PATCH", "/api/users/ada", {"groups": [1], "color": "red"}
    )
    assert (status, len(problem["diagnostics"])) == (400, 2)


def test_a_person_gets_another_name(world: World, person: Person) -> None:
    subject = world.call("POST", "/api/users", ADA)[1]["subject"]
    shop = world.client()
    tokens = world.tokens(person, shop, "org2")
    made = world.call("PATCH", "/api/users/ada", {"username": "grace"})[1]
    assert (made["username"], made["subject"]) == ("grace", subject)
    assert world.refresh(person, shop, tokens).status == 200
    assert world.call("GET", "/api/users/ada")[0] == 404
    assert world.call("PATCH", "/api/users/grace", {"username": "org1user"})[0] == 409


def test_leaving_an_organization_ends_what_a_person_has_in_it(
    world: World, person: Person
) -> None:
    world.call("POST", "/api/users", ADA)
    shop, there = world.client(), person_at(world.app)
    ended = world.tokens(person, shop, "org2")
    kept = world.tokens(there, shop, "org1", "ada")
    assert claims_of(ended["access_token"])["organization"] == "org2"
    world.call("PATCH", "/api/users/ada", {"organizations": ["org1"]})
    assert error_of(world.refresh(person, shop, ended)) == (400, "invalid_grant")
    bearer = f"Bearer {ended['access_token']}"
    assert (
        Person(person.send).ask("GET", "/oauth2/userinfo", authorization=bearer).status
        == 401
    )
    path = authorize_path(shop, SHOP, scope="openid")
    assert 'name="password"' in person.open(path).text
    assert world.refresh(there, shop, kept).status == 200
    assert "code" in there.open(path).parameters


def test_changes_of_one_person_at_once_all_count(world: World) -> None:
    world.call("POST", "/api/users", ADA)
    members = [f"m{number}" for number in range(12)]

    def change(member: str) -> int:
        return world.call("PATCH", "/api/users/ada", {"claims": {member: member}})[0]

    with ThreadPoolExecutor(len(members)) as threads:
        assert set(threads.map(change, members)) == {200}
    assert world.call("GET", "/api/users/ada")[1]["claims"] == {
        name: name for name in members
    }


def test_a_name_that_is_taken_leaves_the_other_members_as_they_are(
    world: World,
) -> None:
    for name in ("ada", "grace"):
        world.call("POST", "/api/users", {**ADA, "username": name})
    before = world.call("GET", "/api/users/ada")
    patch = {"username": "grace", "groups": ["staff"]}
    assert world.call("PATCH", "/api/users/ada", patch)[0] == 409
    assert world.call("GET", "/api/users/ada") == before


def test_changes_of_one_client_at_once_all_count(world: World) -> None:
    shop = world.client()
    members = {"client_name": "A", "scope": "a", "redirect_uris": [OTHER]}

    def change(name: str) -> int:
        return world.call("PATCH", f"/api/clients/{shop}", {name: members[name]})[0]

    for _ in range(5):
        world.change(shop, **{name: METADATA[name] for name in members})
        with ThreadPoolExecutor(len(members)) as threads:
            assert set(threads.map(change, members)) == {200}
        after = world.call("GET", f"/api/clients/{shop}")[1]
        assert {name: after.get(name) for name in members} == members


def test_a_slow_change_keeps_the_new_secret_and_does_not_bring_a_client_back(
    world: World,
) -> None:
    shop, registered = world.client(), world.worker.registered
    secrets: list[str] = []

    def renamed(before: RegisteredClient) -> RegisteredClient:
        if not secrets:
            secrets.append(
                world.call("POST", f"/api/clients/{shop}/secret")[1]["client_secret"]
            )
        about = {**before.metadata["about"], "contacts": ["a@b"]}
        return replace(before, metadata={**before.metadata, "about": about})

    changed = registered.change(shop, renamed)
    assert changed is not None
    assert is_secret(changed, secrets[0])

    def removed(before: RegisteredClient) -> RegisteredClient:
        world.call("DELETE", f"/api/clients/{shop}")
        return before

    assert registered.change(shop, removed) is None
    assert world.call("GET", f"/api/clients/{shop}")[0] == 404


@pytest.mark.parametrize(
    ("before", "patch"),
    [
        ({}, {"organizations": ["org1"]}),
        ({"super_admin": True}, {"super_admin": False}),
    ],
)
def test_who_must_be_in_an_organization_loses_what_was_in_none(
    world: World, person: Person, before: dict[str, Any], patch: dict[str, Any]
) -> None:
    organizations = ["org1"] * bool(before)
    world.call("POST", "/api/users", {**ADA, "organizations": organizations, **before})
    shop = world.client()
    ended = world.tokens(person, shop, "", "ada")
    assert "organization" not in claims_of(ended["access_token"])
    world.call("PATCH", "/api/users/ada", {"groups": ["staff"]})
    ended = world.refresh(person, shop, ended).json()
    world.call("PATCH", "/api/users/ada", patch)
    assert error_of(world.refresh(person, shop, ended)) == (400, "invalid_grant")
    bearer = f"Bearer {ended['access_token']}"
    assert (
        Person(person.send).ask("GET", "/oauth2/userinfo", authorization=bearer).status
        == 401
    )
    assert (
        'name="password"'
        in person.open(authorize_path(shop, SHOP, scope="openid")).text
    )
