"""Accounts that end: removed, disabled, or with a new password. Nothing of them counts any more,
and no other account gets their subject.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

from flows import NOW, Clock, allowed, client, provider_app
from idp import Answer, basic, call, provider_of, settle
from kapi.identity.accounts.passwords import password_digest
from kapi.identity.accounts.users import profile_of, user_of
from kapi.identity.grants import ciba as ciba_grant
from kapi.identity.grants import device_code as device_code_grant
from kapi.identity.grants import jwt_bearer as jwt_bearer_grant
from kapi.identity.grants import token_exchange as token_exchange_grant
from kapi.settings import IdentitySettings, Settings, UserSettings
from kapi.settings.identity import AssertionIssuerSettings
from kapi.store import Store
from kapi.store.accounts import Ending
from kapi.store.revocations import Revocations
from kapi.store.users import StoredUser, UserStore
from person import Page, Person, authorize_path, claims_of, over_asgi

ciba = ciba_grant.facts.grant_type
device = device_code_grant.facts.grant_type
jwt_bearer = jwt_bearer_grant.facts.grant_type
token_exchange = token_exchange_grant.facts.grant_type

SHOP = "https://shop.example/cb"
ISSUER = "https://idp.am.wso2.com/token"
PASSWORD = "correct horse"
ACCESS, ID = (
    f"urn:ietf:params:oauth:token-type:{name}" for name in ("access_token", "id_token")
)
EVERY = (
    "authorization_code",
    "refresh_token",
    "client_credentials",
    token_exchange,
    device,
    ciba,
)
CLIENTS = (
    client(
        "shop",
        grants=EVERY,
        consent="once",
        exchange_from=("*",),
        exchange_impersonates=True,
    ),
    client("pair", grants=EVERY, subject_type="pairwise", consent="never"),
)


@dataclass
class World:
    app: Any
    clock: Clock
    store: Store

    def add(self, subject: str, name: str = "joe", password: str = PASSWORD) -> None:
        profile = profile_of(user_of(UserSettings(name, password, groups=("staff",))))
        assert UserStore(self.store.database).add(
            StoredUser(name, password_digest(password), profile, NOW, subject)
        )

    def sign_in(
        self, person: Person, name: str = "shop", password: str = PASSWORD, **more: str
    ) -> Page:
        """Sign in and allow what is asked."""
        path = authorize_path(name, SHOP, scope="openid a", **more)
        page = person.open(path)
        if 'name="password"' in page.text:
            page = person.sign_in(page, "joe", password, organization="")
        return (
            person.submit(page, decision="allow")
            if 'value="allow"' in page.text
            else page
        )

    def tokens(self, person: Person, name: str = "shop", **more: str) -> dict[str, str]:
        page = self.sign_in(person, name, **more)
        return self.redeem(page.parameters["code"], name).json()

    def redeem(self, code: str, name: str = "shop") -> Answer:
        return self.ask(
            name, grant_type="authorization_code", code=code, redirect_uri=SHOP
        )

    def ask(
        self, name: str = "shop", path: str = "/oauth2/token", **fields: str
    ) -> Answer:
        return call(
            self.app,
            path=path,
            body=urlencode(fields).encode(),
            authorization=basic(name, "s"),
        )

    def refresh(self, token: str, name: str = "shop") -> Answer:
        return self.ask(name, grant_type="refresh_token", refresh_token=token)

    def exchange(self, token: str, kind: str = ACCESS, name: str = "shop") -> Answer:
        return self.ask(
            name,
            grant_type=token_exchange,
            subject_token=token,
            subject_token_type=kind,
            scope="a",
        )

    def is_active(self, token: str, name: str = "shop") -> bool:
        return bool(self.ask(name, "/oauth2/introspect", token=token).json()["active"])

    def refused_at_the_gateway(self, token: str) -> bool:
        jti = claims_of(token)["jti"]
        return any(
            item.jti == jti and item.issuer == ISSUER
            for item in Revocations(self.store.database).active(self.clock.now)
        )

    def person(self) -> Person:
        return Person(over_asgi(self.app))

    def ending(self) -> Ending:
        return Ending(ISSUER, self.clock.now, "a test")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    clock = Clock()
    made = World(
        provider_app(tmp_path, clock, *CLIENTS), clock, Store.open(tmp_path / "kapi.db")
    )
    made.add("first")
    yield made
    made.store.close()


def remove(world: World) -> None:
    assert UserStore(world.store.database).remove("joe", world.ending())


def disable(world: World) -> None:
    assert UserStore(world.store.database).disable("joe", world.ending())


def change_password(world: World) -> None:
    assert UserStore(world.store.database).change_password(
        "joe", password_digest("battery staple"), world.ending()
    )


ENDINGS: dict[str, Callable[[World], None]] = {
    "removed": remove,
    "disabled": disable,
    "another password": change_password,
}


def test_a_new_account_of_an_old_name_is_somebody_else(world: World) -> None:
    browser = world.person()
    old = world.tokens(browser)
    assert (
        claims_of(old["id_token"])["sub"]
        == claims_of(old["access_token"])["sub"]
        == "first"
    )
    remove(world)
    world.add("second", password="another horse")
    assert (
        'name="password"'
        in browser.open(authorize_path("shop", SHOP, scope="openid a")).text
    )
    assert world.refresh(old["refresh_token"]).json()["error"] == "invalid_grant"
    fresh = world.person()
    new = world.redeem(
        world.sign_in(fresh, password="another horse").parameters["code"]
    ).json()
    assert (
        claims_of(new["id_token"])["sub"]
        == claims_of(new["access_token"])["sub"]
        == "second"
    )
    about = call(
        world.app,
        "GET",
        "/oauth2/userinfo",
        b"",
        authorization=f"Bearer {new['access_token']}",
    ).json()
    assert about["sub"] == "second"
    assert (
        world.ask(path="/oauth2/introspect", token=new["access_token"]).json()[
            "username"
        ]
        == "joe"
    )
    assert not world.is_active(old["access_token"])


@pytest.mark.parametrize("how", ENDINGS)
@pytest.mark.parametrize("later", [0, 5])
def test_what_was_signed_in_ends(world: World, how: str, later: int) -> None:
    browser = world.person()
    tokens = world.tokens(browser)
    code = world.sign_in(browser).parameters["code"]
    world.clock.now += later
    ENDINGS[how](world)
    assert (
        'name="password"'
        in browser.open(authorize_path("shop", SHOP, scope="openid a")).text
    )
    assert world.redeem(code).json()["error"] == "invalid_grant"
    assert world.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
    for token in (tokens["access_token"], tokens["refresh_token"]):
        assert not world.is_active(token)
    assert world.refused_at_the_gateway(tokens["access_token"])
    assert (
        call(
            world.app,
            "GET",
            "/oauth2/userinfo",
            b"",
            authorization=f"Bearer {tokens['access_token']}",
        ).status
        == 401
    )
    assert world.exchange(tokens["access_token"]).json()["error"] == "invalid_request"
    assert world.exchange(tokens["id_token"], ID).json()["error"] == "invalid_request"


@pytest.mark.parametrize("how", ENDINGS)
@pytest.mark.parametrize("name", ["shop", "pair"])
def test_exchanged_tokens_end_too(world: World, how: str, name: str) -> None:
    tokens = world.tokens(world.person(), name)
    first = world.exchange(tokens["access_token"], name=name).json()["access_token"]
    again = world.exchange(first, name=name).json()["access_token"]
    assert world.is_active(again, name)
    ENDINGS[how](world)
    for token in (first, again):
        assert not world.is_active(token, name)
        assert world.refused_at_the_gateway(token)
    world.clock.now += 1
    assert (
        world.exchange(tokens["id_token"], ID, name).json()["error"]
        == "invalid_request"
    )


@pytest.mark.parametrize("how", ENDINGS)
def test_what_was_allowed_elsewhere_ends(world: World, how: str) -> None:
    browser = world.person()
    world.tokens(browser)
    started = world.ask(path="/oauth2/device_authorization", scope="openid a").json()
    browser.submit(
        browser.open("/device?user_code=" + started["user_code"]), decision="allow"
    )
    asked, waiting = (
        world.ask(
            path="/oauth2/bc-authorize", scope="openid a", login_hint="joe"
        ).json()
        for _ in range(2)
    )
    page = browser.open("/authenticationEndpoint/approvals")
    browser.submit(page, decision="allow")
    ENDINGS[how](world)
    assert (
        world.ask(grant_type=device, device_code=started["device_code"]).json()["error"]
        == "invalid_grant"
    )
    for item in (asked, waiting):
        assert (
            world.ask(grant_type=ciba, auth_req_id=item["auth_req_id"]).json()["error"]
            == "invalid_grant"
        )


def test_a_person_with_a_new_password_signs_in_at_once_and_is_asked_for_consent_anew(
    world: World,
) -> None:
    world.tokens(world.person())
    change_password(world)
    browser = world.person()
    page = browser.sign_in(
        browser.open(authorize_path("shop", SHOP, scope="openid a")),
        "joe",
        "battery staple",
        organization="",
    )
    assert 'value="allow"' in page.text
    tokens = world.redeem(
        browser.submit(page, decision="allow").parameters["code"]
    ).json()
    assert claims_of(tokens["id_token"])["sub"] == "first"
    assert world.is_active(tokens["access_token"])
    assert world.exchange(tokens["access_token"]).status == 200
    assert world.refresh(tokens["refresh_token"]).status == 200


def test_a_disabled_person_is_back_when_enabled(world: World) -> None:
    old = world.tokens(world.person())
    disable(world)
    browser = world.person()
    page = browser.sign_in(
        browser.open(authorize_path("shop", SHOP, scope="openid a")),
        "joe",
        PASSWORD,
        organization="",
    )
    assert "not right" in page.text
    assert (
        world.ask(
            path="/oauth2/bc-authorize", scope="openid a", login_hint="joe"
        ).json()["error"]
        == "unknown_user_id"
    )
    assert UserStore(world.store.database).enable("joe")
    assert world.tokens(world.person())
    assert not world.is_active(old["access_token"])
    assert world.refresh(old["refresh_token"]).json()["error"] == "invalid_grant"


def test_an_assertion_names_a_person_by_name_or_subject_and_its_token_ends_with_the_account(
    tmp_path: Path,
) -> None:
    key = ECKey.generate_key("P-256", {"kid": "hr"})
    issuer = AssertionIssuerSettings(
        "https://hr.example",
        jwks={"keys": [key.as_dict(private=False)]},
        algorithms=("ES256",),
        any_subject=True,
    )
    clock, payroll = Clock(), client("shop", grants=(jwt_bearer,))
    with closing(Store.open(tmp_path / "kapi.db")) as store:
        world = World(
            provider_app(tmp_path, clock, payroll, assertion_issuers=(issuer,)),
            clock,
            store,
        )
        world.add("first")

        def present(subject: str) -> Any:
            claims = {
                "iss": issuer.issuer,
                "sub": subject,
                "aud": ISSUER,
                "exp": NOW + 60,
                "jti": str(uuid.uuid4()),
            }
            return world.ask(
                grant_type=jwt_bearer,
                assertion=jwt.encode({"alg": "ES256", "kid": "hr"}, claims, key),
            ).json()

        tokens = [present(subject)["access_token"] for subject in ("joe", "first")]
        assert [claims_of(token)["sub"] for token in tokens] == ["first", "first"]
        disable(world)
        assert all(world.refused_at_the_gateway(token) for token in tokens)
        assert present("joe")["error"] == "invalid_grant"


def test_nobody_elses_things_end(world: World) -> None:
    browser = world.person()
    page = allowed(browser, authorize_path("shop", SHOP, scope="openid a"))
    tokens = world.redeem(page.parameters["code"]).json()
    machine = world.ask(grant_type="client_credentials", scope="a").json()[
        "access_token"
    ]
    remove(world)
    assert world.is_active(tokens["access_token"])
    assert world.is_active(machine)
    assert world.refresh(tokens["refresh_token"]).status == 200
    assert browser.open(
        authorize_path("shop", SHOP, scope="openid a", prompt="none")
    ).parameters["code"]


def settled(world: World, *users: UserSettings) -> None:
    settings = Settings(Path("/nowhere"), IdentitySettings(users=users))
    settle(provider_of(settings, world.store), world.clock.now)


@pytest.mark.parametrize("change", ["gone", "another password"])
def test_a_start_ends_what_the_settings_changed(world: World, change: str) -> None:
    before = IdentitySettings().users
    settled(world, *before)
    browser = world.person()
    path = authorize_path("shop", SHOP, scope="openid a")
    tokens = world.redeem(allowed(browser, path).parameters["code"]).json()
    settled(world, *before)
    assert world.is_active(tokens["access_token"])
    changed = (
        (replace(before[0], password="a new one"), *before[1:])
        if change == "another password"
        else before[1:]
    )
    settled(world, *changed)
    settled(world, *before)
    assert 'name="password"' in browser.open(path).text
    assert not world.is_active(tokens["access_token"])
    assert world.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"


def test_a_sign_in_that_was_under_way_when_the_account_ended_counts_for_nothing(
    world: World,
) -> None:
    world.clock.now += 5
    change_password(world)
    world.clock.now -= 5
    browser = world.person()
    page = browser.sign_in(
        browser.open(authorize_path("shop", SHOP, scope="openid a")),
        "joe",
        "battery staple",
        organization="",
    )
    assert 'name="password"' in page.text
