"""What is taken from a client after it got codes and refresh tokens: scopes, grants, redirect URIs,
resources, types of details.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from flows import Clock, allowed, client, person_at, provider_app
from idp import Answer, basic, call
from kapi.identity.grants import device_code as device_code_grant
from person import authorize_path, claims_of, over_asgi

device = device_code_grant.facts.grant_type

SHOP = "https://shop.example/cb"
OTHER = "https://other.example/cb"
RESOURCE = "https://orders.example"
GRANTS = ("authorization_code", "refresh_token", device)
DETAILS = json.dumps([{"type": "payment"}])


@dataclass
class World:
    folder: Path
    clock: Clock
    app: Any = None

    def restart(self, **changes: Any) -> None:
        """The platform with a client `shop` of these settings."""
        known = {
            "grants": GRANTS,
            "scopes": ("openid", "offline_access", "a", "b"),
            "consent": "never",
            "redirect_uris": (SHOP, OTHER),
        }
        self.app = provider_app(self.folder, self.clock, client(**(known | changes)))

    def code(self, **more: str) -> str:
        path = authorize_path("shop", SHOP, **({"scope": "openid a b"} | more))
        return allowed(person_at(self.app), path).parameters["code"]

    def redeem(self, code: str) -> Answer:
        return self.ask(grant_type="authorization_code", code=code, redirect_uri=SHOP)

    def refresh(self, token: str, **more: str) -> Answer:
        return self.ask(grant_type="refresh_token", refresh_token=token, **more)

    def ask(self, path: str = "/oauth2/token", **fields: str) -> Answer:
        return call(
            self.app,
            path=path,
            body=urlencode(fields).encode(),
            authorization=basic("shop", "s"),
        )

    def introspected(self, token: str) -> Any:
        return self.ask("/oauth2/introspect", token=token).json()


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path, Clock())
    made.restart()
    return made


def test_a_scope_is_taken_from_codes_and_refresh_tokens(world: World) -> None:
    token, code = world.redeem(world.code()).json()["refresh_token"], world.code()
    world.restart(scopes=("openid", "a"))
    for answer in (world.redeem(code), world.refresh(token)):
        assert (answer.status, answer.json()["scope"]) == (200, "openid a")
        assert claims_of(answer.json()["access_token"])["scope"] == "openid a"
    assert world.introspected(answer.json()["refresh_token"])["scope"] == "openid a"
    assert (
        world.refresh(answer.json()["refresh_token"], scope="b").json()["error"]
        == "invalid_scope"
    )


def test_without_openid_there_is_no_id_token(world: World) -> None:
    token = world.redeem(world.code()).json()["refresh_token"]
    world.restart(scopes=("a",))
    answer = world.refresh(token).json()
    assert (answer["scope"], "id_token" in answer) == ("a", False)


NOTHING_LEFT: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "every scope": ({"scopes": ("c",)}, {}),
    "the redirect URI": ({"redirect_uris": (OTHER,)}, {}),
    "the resource": ({"resources": ("https://stock.example",)}, {"resource": RESOURCE}),
    "the type of details": (
        {"authorization_details_types": ("account",)},
        {"authorization_details": DETAILS},
    ),
}


@pytest.mark.parametrize("what", NOTHING_LEFT)
def test_what_has_nothing_left_is_refused(world: World, what: str) -> None:
    changes, more = NOTHING_LEFT[what]
    token, code = (
        world.redeem(world.code(**more)).json()["refresh_token"],
        world.code(**more),
    )
    world.restart(**changes)
    assert world.redeem(code).json()["error"] == "invalid_grant"
    assert world.refresh(token).json()["error"] == "invalid_grant"
    assert world.introspected(token) == {"active": False}
    world.restart()
    assert world.refresh(token).status == 200


def test_a_grant_is_taken_from_what_it_issued(world: World) -> None:
    token, code = world.redeem(world.code()).json()["refresh_token"], world.code()
    world.restart(grants=("refresh_token", device))
    assert world.redeem(code).json()["error"] == "unauthorized_client"
    assert world.refresh(token).json()["error"] == "invalid_grant"
    assert world.introspected(token) == {"active": False}
    world.restart(grants=("authorization_code",))
    assert world.refresh(token).json()["error"] == "unauthorized_client"


def test_refresh_tokens_need_offline_access_when_the_client_now_does(
    world: World,
) -> None:
    kept, lost = (
        world.redeem(world.code(scope=scope)).json()["refresh_token"]
        for scope in ("openid offline_access", "openid a")
    )
    world.restart(refresh_requires_offline_access=True)
    assert world.refresh(lost).json()["error"] == "invalid_grant"
    assert world.refresh(kept).status == 200


def test_a_device_code_loses_what_the_client_lost(world: World) -> None:
    started = world.ask("/oauth2/device_authorization", scope="openid a b").json()
    person = person_at(world.app)
    page = person.sign_in(person.open("/device?user_code=" + started["user_code"]))
    person.submit(page, decision="allow")
    world.restart(scopes=("openid", "a"))
    assert (
        world.ask(grant_type=device, device_code=started["device_code"]).json()["scope"]
        == "openid a"
    )


PUSHED: dict[str, tuple[dict[str, Any], Callable[[Any], bool]]] = {
    "a scope": (
        {"scopes": ("openid", "a")},
        lambda page: page.parameters["error"] == "invalid_scope",
    ),
    "the redirect URI": (
        {"redirect_uris": (OTHER,)},
        lambda page: page.status == 400 and not page.location,
    ),
    "the grant": (
        {"grants": (device,)},
        lambda page: page.parameters["error"] == "unauthorized_client",
    ),
}


@pytest.mark.parametrize(
    "opened", [False, True], ids=["before the page", "while the page is open"]
)
@pytest.mark.parametrize("what", PUSHED)
def test_a_pushed_request_loses_it_too(world: World, what: str, opened: bool) -> None:
    uri = world.ask(
        "/oauth2/par", response_type="code", redirect_uri=SHOP, scope="openid a b"
    ).json()["request_uri"]
    path = "/oauth2/authorize?" + urlencode({"client_id": "shop", "request_uri": uri})
    changes, is_refused = PUSHED[what]
    person = person_at(world.app)
    page = person.open(path)
    world.restart(**changes)
    person.send = over_asgi(world.app)
    assert is_refused(person.sign_in(page) if opened else person.open(path))
