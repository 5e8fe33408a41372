"""ETag, If-Match and If-None-Match of the system APIs: no change of another caller is lost."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from engines import postgres, where
from kapi.errors import Problem
from kapi.fetch import fetch, get
from kapi.front.web.declared.applying import Applying, Asked
from kapi.front.web.declared.kinds.users import Users as UserKind
from kapi.front.web.declared.objects import Batch, Item, Step, Stored
from kapi.front.web.http.lanes import Lane
from kapi.front.web.openapi.catalogue import CATALOGUE
from kapi.front.web.system.applications import ApplicationsApi
from kapi.front.web.system.clients import ClientsApi
from kapi.front.web.system.issuers import IssuersApi
from kapi.front.web.system.users import UsersApi
from kapi.gateway.applications import Applications
from kapi.identity.accounts.users import Users
from kapi.identity.clients.remote_documents import RemoteDocuments
from kapi.identity.issuers.trust import Trust
from kapi.settings import IdentitySettings, Settings
from kapi.store import Store
from kapi.store.accounts import Ending
from kapi.store.engine.conditions import only_if
from kapi.store.gateway.applications import ApplicationStore
from kapi.store.gateway.declared import DeclaredObjects
from kapi.store.issuers import IssuerStore
from kapi.store.registered_clients import RegisteredClients
from kapi.store.users import StoredUser, UserStore
from standin import Key
from system_calls import Answered, CallerOf, system_answer

__all__ = ["postgres", "where"]
ADA = {"username": "ada", "password": "correct horse", "groups": ["staff"]}
CLIENT = {"client_name": "Shop", "grant_types": ["client_credentials"], "scope": "a b"}


class World:
    """The system APIs of objects, on one database."""

    def __init__(self, where: Path | str) -> None:
        self.store = Store.open(where)
        settings = Settings(Path("/nowhere"), IdentitySettings())
        access, numbers = CallerOf(), iter(range(1000))
        self.users = UserStore(self.store.database)
        registered = RegisteredClients(self.store.database)
        documents = RemoteDocuments(fetch, allow_private=False)
        self.trust = Trust(
            settings=settings,
            store=IssuerStore(self.store.database),
            get=get,
            inbuilt=None,
        )
        self.trust.start(lambda issuers: None)

        def new_id() -> str:
            return f"new-{next(numbers)}"

        self.people = Users(settings.identity.users, self.users)
        applications = Applications(
            settings, ApplicationStore(self.store.database), time.time
        )
        self.apis: Sequence[Any] = (
            ClientsApi(
                access, settings, registered, documents, os.urandom, new_id, time.time
            ),
            UsersApi(
                access,
                self.people,
                self.users,
                settings.identity.issuer,
                new_id,
                time.time,
            ),
            ApplicationsApi(applications, access, lambda organization: ()),
            IssuersApi(access, self.trust, Lane(1, 1, 1)),
        )

    def call(
        self, method: str, path: str, value: Any = None, **headers: str
    ) -> Answered:
        sent = {name.replace("_", "-"): text for name, text in headers.items()}
        return system_answer(self.apis, method, path, value, sent)

    def close(self) -> None:
        self.trust.stop()
        self.store.close()


@pytest.fixture
def world(where: Path | str) -> Iterator[World]:
    made = World(where)
    yield made
    made.close()


def issuer(**members: Any) -> dict[str, Any]:
    key = Key.make("a").private.public_key()
    text = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    return {
        "name": "acme",
        "issuer": "https://acme.example",
        "publicKey": text,
        **members,
    }


def made(world: World, kind: str) -> tuple[str, Answered]:
    """An object of a kind: its path, and the answer that made it."""
    if kind == "client":
        answer = world.call("POST", "/api/clients", CLIENT)
        return f"/api/clients/{answer.value['client_id']}", answer
    if kind == "user":
        return "/api/users/ada", world.call("POST", "/api/users", ADA)
    if kind.startswith("issuer"):
        return "/api/issuers/acme", world.call("POST", "/api/issuers", issuer())
    answer = world.call("POST", "/api/applications", {"name": "shop"})
    if kind.startswith("application"):
        return f"/api/applications/{answer.value['id']}", answer
    wanted = {"application": "shop", "api": {"name": "Petstore"}}
    answer = world.call("POST", "/api/subscriptions", wanted)
    return f"/api/subscriptions/{answer.value['id']}", answer


CHANGES: dict[str, tuple[str, str, Any]] = {
    "client": ("PATCH", "", {"scope": "a b c"}),
    "user": ("PATCH", "", {"groups": ["staff", "admins"]}),
    "issuer": ("PUT", "", issuer(audiences=["orders"])),
    "issuer members": ("PATCH", "", {"audiences": ["orders"]}),
    "application": ("POST", "/keys", {"consumerKey": "k1"}),
    "application members": ("PATCH", "", {"name": "the shop"}),
    "subscription": ("PATCH", "", {"status": "BLOCKED"}),
}


@pytest.mark.parametrize("kind", CHANGES)
def test_a_change_of_what_another_caller_changed_is_refused(
    world: World, kind: str
) -> None:
    path, first = made(world, kind)
    method, below, value = CHANGES[kind]
    read = world.call("GET", path)
    assert read.headers["etag"] == first.headers["etag"], (
        "the answer of the POST has it too"
    )
    assert read.headers["etag"].startswith('"'), "a strong tag"
    changed = world.call(method, path + below, value, If_Match=read.headers["etag"])
    assert changed.status in {200, 201}, changed
    again = world.call("GET", path)
    assert again.headers["etag"] == changed.headers["etag"] != read.headers["etag"]
    refused = world.call(method, path + below, value, If_Match=read.headers["etag"])
    shown = CATALOGUE.refusals["changed_meanwhile"]
    assert (refused.status, refused.value) == (412, shown.example)
    assert refused.headers["etag"] == again.headers["etag"]
    assert world.call("DELETE", path, If_Match=read.headers["etag"]).status == 412
    assert world.call("GET", path).headers["etag"] == again.headers["etag"]
    tags = f'"other", {again.headers["etag"]}'
    assert world.call("DELETE", path, If_Match=tags).status == 204
    gone = world.call(method, path + below, value, If_Match="*")
    assert gone.status in {404, 412}, gone


@pytest.mark.parametrize("kind", CHANGES)
def test_a_caller_that_has_an_object_is_not_sent_it_again(
    world: World, kind: str
) -> None:
    path, first = made(world, kind)
    known = world.call("GET", path, If_None_Match=f"W/{first.headers['etag']}")
    assert (known.status, known.value) == (304, None)
    assert world.call("GET", path, If_None_Match='"other"').status == 200


def test_a_weak_tag_matches_no_change(world: World) -> None:
    path, first = made(world, "user")
    weak = f"W/{first.headers['etag']}"
    assert world.call("PATCH", path, {"groups": []}, If_Match=weak).status == 412
    assert world.call("PATCH", path, {"groups": []}, If_Match="ada").status == 412


def test_an_object_is_made_only_if_there_is_none(world: World) -> None:
    sent = issuer()
    assert world.call("PUT", "/api/issuers/acme", sent, If_None_Match="*").status == 200
    refused = world.call("PUT", "/api/issuers/acme", sent, If_None_Match="*")
    shown = CATALOGUE.refusals["exists_already"]
    assert (refused.status, refused.value) == (412, shown.example)


@pytest.mark.parametrize(
    ("method", "below", "value"),
    [
        ("PUT", "/password", {"password": "another horse"}),
        ("PUT", "/disabled", {"disabled": True}),
    ],
)
def test_parts_of_a_user_are_changed_under_the_tag_of_the_user(
    world: World, method: str, below: str, value: Any
) -> None:
    path, first = made(world, "user")
    world.call("PATCH", path, {"groups": []})
    refused = world.call(method, path + below, value, If_Match=first.headers["etag"])
    assert refused.status == 412
    tag = world.call("GET", path).headers["etag"]
    assert world.call(method, path + below, value, If_Match=tag).status == 204


def test_a_new_secret_is_made_under_the_tag_of_the_client(world: World) -> None:
    path, first = made(world, "client")
    world.call("PATCH", path, {"scope": "c"})
    assert (
        world.call("POST", f"{path}/secret", If_Match=first.headers["etag"]).status
        == 412
    )


def test_of_parallel_changes_of_what_was_read_none_is_lost(world: World) -> None:
    """The comparison is in the transaction of the write: what was read before it may be old."""
    made(world, "user")

    def add(group: str) -> int:
        for attempt in range(200):
            read = world.users.get("ada")
            assert read is not None

            def unchanged(read: StoredUser = read) -> None:
                if world.users.get("ada") != read:
                    raise LookupError

            wanted = {**read.profile, "groups": [*read.profile["groups"], group]}
            time.sleep(0.001)
            try:
                with only_if(unchanged):
                    world.users.change(
                        "ada",
                        lambda stored, wanted=wanted: replace(stored, profile=wanted),
                        Ending("https://idp", 0, "test"),
                    )
            except LookupError:
                continue
            return attempt
        raise AssertionError

    groups = [f"g{number}" for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        attempts = list(pool.map(add, groups))
    user = world.users.get("ada")
    assert user is not None
    assert set(user.profile["groups"]) == {"staff", *groups}
    assert max(attempts) > 0, "some of them met"


APPENDED: dict[str, Callable[[Any, str], Any]] = {
    "client": lambda found, word: {"scope": f"{found['scope']} {word}"},
    "user": lambda found, word: {"groups": [*found["groups"], word]},
    "issuer members": lambda found, word: {
        "audiences": [*found.get("audiences", ()), word]
    },
}


@pytest.mark.parametrize("kind", APPENDED)
def test_two_nodes_that_change_one_object_lose_nothing(
    world: World, where: Path | str, kind: str
) -> None:
    path, _ = made(world, kind)
    other = World(where)

    def add(node: World, word: str) -> None:
        for _ in range(300):
            read = node.call("GET", path)
            value = APPENDED[kind](read.value, word)
            answer = node.call("PATCH", path, value, If_Match=read.headers["etag"])
            if answer.status == 200:
                return
            assert answer.status == 412, answer
        raise AssertionError

    words = [f"w{number}" for number in range(8)]
    nodes = [world, other] * 4
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, nodes, words))
    found = other.call("GET", path).value
    other.close()
    assert set(words) <= set(str(found).replace("'", " ").replace(",", " ").split())


class Meanwhile:
    """A kind whose object is another caller's change."""

    name = "Meanwhile"
    scope = "any"
    events = ("a", "b", "c")
    of_organization = False

    def __init__(self, happens: Callable[[], object]) -> None:
        self._happens = happens

    def planned(self, items: Sequence[Item], batch: Batch) -> list[Step]:
        del batch
        return [Step(item, "x", "x", None, {}, self._change) for item in items]

    def remove(self, object_id: str, organization: str) -> None:
        raise AssertionError

    def stored(self) -> tuple[Stored, ...]:
        return ()

    def _change(self) -> None:
        self._happens()


def test_an_apply_leaves_an_object_alone_that_changed_after_it_was_compared(
    world: World,
) -> None:
    path, _ = made(world, "user")
    other = Meanwhile(lambda: world.call("PATCH", path, {"groups": ["night"]}))
    users = UserKind(
        world.people,
        world.users,
        "https://idp",
        lambda: "subject",
        time.time,
        "default",
    )
    applying = Applying((other, users), DeclaredObjects(world.store.database))
    wanted = Item("User", 1, {"username": "ada", "groups": ["day"]})
    alone = applying.apply(Asked((wanted,), "", prune=False), "acme")
    assert [item["status"] for item in alone.objects] == ["configured"]
    wanted = Item("User", 1, {"username": "ada", "groups": ["evening"]})
    both = (Item("Meanwhile", 0, {}), wanted)
    done = applying.apply(Asked(both, "", prune=False), "acme")
    assert [item["status"] for item in done.objects] == ["created", "failed"]
    assert isinstance(done.failure, Problem)
    assert done.failure.status == 412
    assert world.call("GET", path).value["groups"] == ["night"]
