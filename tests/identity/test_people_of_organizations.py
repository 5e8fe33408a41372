"""Operators of an organization manage the people who belong to it and to no other."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kapi.errors import Invalid
from kapi.front.web.declared.applying import Applying, Asked
from kapi.front.web.declared.kinds.users import Users as UserKind
from kapi.front.web.declared.objects import Item
from kapi.front.web.system.users import UsersApi
from kapi.identity.accounts.users import Users
from kapi.store import Store
from kapi.store.gateway.declared import DeclaredObjects
from kapi.store.users import UserStore
from system_calls import PLATFORM, CallerOf, system_call

PASSWORD = "correct horse"
PEOPLE: dict[str, dict[str, Any]] = {
    "ada": {"organizations": ["acme"]},
    "bob": {"organizations": ["other"]},
    "both": {"organizations": ["acme", "other"]},
    "none": {},
    "chief": {"organizations": ["acme"], "super_admin": True},
}
OTHERS = sorted(set(PEOPLE) - {"ada"})


class World:
    def __init__(self, folder: Path) -> None:
        self.store = Store.open(folder / "kapi.db")
        self.stored = UserStore(self.store.database)
        self.people, self.numbers = Users((), self.stored), iter(range(100))
        for name, members in PEOPLE.items():
            sent = {"username": name, "password": PASSWORD, **members}
            assert self.call("POST", "/api/users", sent)[0] == 201

    def call(
        self, method: str, path: str, value: Any = None, caller: str = ""
    ) -> tuple[int, Any]:
        api = UsersApi(
            CallerOf(caller),
            self.people,
            self.stored,
            "https://idp",
            self.new_id,
            time.time,
        )
        return system_call((api,), method, path, value)

    def new_id(self) -> str:
        return f"subject-{next(self.numbers)}"

    def names(self, caller: str) -> list[str]:
        return [
            item["username"]
            for item in self.call("GET", "/api/users", caller=caller)[1]["users"]
        ]

    def apply(self, caller: str, **members: Any) -> list[str]:
        kind = UserKind(
            self.people, self.stored, "https://idp", self.new_id, time.time, PLATFORM
        )
        applying = Applying((kind,), DeclaredObjects(self.store.database))
        asked = Asked((Item("User", 0, members),), "", prune=False, caller=caller)
        return [
            item["status"] for item in applying.apply(asked, caller or PLATFORM).objects
        ]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.store.close()


def test_people_are_listed_by_organization(world: World) -> None:
    assert world.names("acme") == ["ada"]
    assert world.names("") == world.names(PLATFORM) == sorted(PEOPLE)


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize(
    ("method", "below", "value"),
    [
        ("GET", "", None),
        ("PATCH", "", {"groups": ["admins"]}),
        ("PUT", "/password", {"password": "another horse"}),
        ("PUT", "/disabled", {"disabled": True}),
        ("DELETE", "", None),
    ],
)
def test_people_of_others_are_not_found(
    world: World, name: str, method: str, below: str, value: Any
) -> None:
    before = world.stored.get(name)
    assert (
        world.call(method, f"/api/users/{name}{below}", value, caller="acme")[0] == 404
    )
    assert world.stored.get(name) == before


def test_nobody_is_put_into_another_organization(world: World) -> None:
    for members in ({"organizations": ["acme", "other"]}, {"super_admin": True}):
        status, problem = world.call("PATCH", "/api/users/ada", members, caller="acme")
        assert (status, problem["code"]) == (403, 900964)
        new = {
            "username": "eve",
            "password": PASSWORD,
            "organizations": ["acme"],
            **members,
        }
        assert world.call("POST", "/api/users", new, caller="acme")[0] == 403
    assert (
        world.call("PATCH", "/api/users/ada", {"groups": ["g"]}, caller="acme")[0]
        == 200
    )
    new = {"username": "eve", "password": PASSWORD, "organizations": ["acme"]}
    assert world.call("POST", "/api/users", new, caller="acme")[0] == 201


@pytest.mark.parametrize("name", OTHERS)
def test_an_apply_declares_no_people_of_others(world: World, name: str) -> None:
    with pytest.raises(Invalid, match="callers of acme may declare users of acme only"):
        world.apply("acme", username=name, organizations=["acme"])
    with pytest.raises(Invalid, match="callers of acme"):
        world.apply("acme", username="ada", **PEOPLE[name])
    assert world.apply("acme", username="ada", organizations=["acme"]) == ["unchanged"]
    assert world.apply(PLATFORM, username=name, groups=["g"]) == ["configured"]
