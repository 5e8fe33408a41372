"""The page of an application at the console: keys are made, added and revoked."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from console_parts import World, console_world

from console_browser import Browser, token_of
from person import Page

PAGE = "/console/applications/a1"
ONE, KEYS, CLIENTS = "/api/applications/a1", "/api/applications/a1/keys", "/api/clients"
SHELF: dict[str, Any] = {
    "id": "a1",
    "name": "Shelf",
    "tier": "",
    "source": "store",
    "keys": [{"consumerKey": "k/1", "type": "SANDBOX", "environment": ""}],
    "subscriptions": [
        {"api": {"name": "Pets", "version": "1"}, "status": "BLOCKED", "tier": ""}
    ],
}
REVOKED = ("DELETE", f"{KEYS}/k%2F1")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with console_world(tmp_path) as made:
        made.apis.answer("GET", "/api/deployer/apis", {"apis": []})
        made.apis.answer("GET", ONE, SHELF)
        yield made


@pytest.fixture
def operator(world: World) -> Browser:
    return world.signed_in("olivia")


@pytest.fixture
def of_platform(world: World) -> Browser:
    """An operator of the platform's own organization, who may make clients."""
    return world.signed_in("paula")


def sent(browser: Browser, path: str, **fields: str) -> Page:
    """The answer to a form of this session."""
    token = token_of(browser.open("/console/"))
    return browser.send(f"{PAGE}/{path}", {"token": token, **fields})


def bodies(world: World) -> list[Any]:
    """What the changes contained."""
    return [
        json.loads(body) for method, _, body in world.apis.calls if method == "POST"
    ]


def test_an_application_with_its_keys_and_subscriptions(operator: Browser) -> None:
    page = operator.open(PAGE)
    assert page.status == 200
    assert "<code>k/1</code></th><td>SANDBOX</td><td>all</td>" in page.text
    assert "<li>Pets 1: BLOCKED</li>" in page.text
    assert f'href="{PAGE}/revoke?key=k/1"' in page.text
    assert f'action="{PAGE}/keys"' in page.text
    assert operator.open("/console/applications/a2").status == 404


def test_who_is_offered_no_change(world: World, operator: Browser) -> None:
    page = world.signed_in("rita").open(PAGE)
    assert page.status == 200
    assert f'action="{PAGE}' not in page.text
    assert "/revoke" not in page.text
    world.apis.answer("GET", ONE, {**SHELF, "source": "settings"})
    page = operator.open(PAGE)
    assert "It is in the settings, and is changed there." in page.text
    assert f'action="{PAGE}' not in page.text


def test_a_reader_changes_no_key(world: World) -> None:
    reader = world.signed_in("rita")
    assert reader.open(f"{PAGE}/revoke?key=k/1").status == 403
    assert sent(reader, "revoke", key="k/1", client="yes").status == 403
    assert sent(reader, "keys", consumerKey="k2").status == 403
    assert sent(reader, "new-key", grant_types="client_credentials").status == 403
    assert world.apis.changes == []


def test_a_key_is_revoked_and_its_client_stays(world: World, operator: Browser) -> None:
    page = sent(operator, "revoke", key="k/1")
    assert (page.status, page.location) == (303, PAGE)
    assert world.apis.changes == [REVOKED]


def test_a_key_is_revoked_and_its_client_is_removed(
    world: World, operator: Browser
) -> None:
    page = sent(operator, "revoke", key="k1", client="yes")
    assert (page.status, page.location) == (303, PAGE)
    assert world.apis.changes == [("DELETE", f"{KEYS}/k1"), ("DELETE", f"{CLIENTS}/k1")]


@pytest.mark.parametrize("client", ["", "no"])
def test_a_client_is_removed_if_that_was_chosen_only(
    world: World, operator: Browser, client: str
) -> None:
    assert sent(operator, "revoke", key="k/1", client=client).status == 303
    assert world.apis.changes == [REVOKED]


@pytest.mark.parametrize("fields", [{}, {"key": ""}, {"client": "yes"}])
def test_nothing_is_revoked_without_a_key(
    world: World, operator: Browser, fields: dict[str, str]
) -> None:
    page = sent(operator, "revoke", **fields)
    assert page.status == 404
    assert "The application has no such key." in page.text
    assert world.apis.changes == []


def test_a_client_stays_if_its_key_cannot_be_revoked(
    world: World, operator: Browser
) -> None:
    world.apis.answer(
        "DELETE", f"{KEYS}/k1", {"code": 1, "message": "No such key"}, 404
    )
    page = sent(operator, "revoke", key="k1", client="yes")
    assert page.status == 404
    assert "No such key" in page.text
    assert world.apis.changes == [("DELETE", f"{KEYS}/k1")]


@pytest.mark.parametrize(
    ("client", "offered"),
    [({"source": "store"}, True), ({"source": "settings"}, False), (None, False)],
)
def test_the_client_is_offered_if_it_can_be_removed(
    world: World, operator: Browser, client: Any, *, offered: bool
) -> None:
    if client:
        world.apis.answer("GET", f"{CLIENTS}/k1", client)
    page = operator.open(f"{PAGE}/revoke?key=k1")
    assert page.status == 200
    assert "Revoke: consumer key k1" in page.text
    assert 'name="key" value="k1"' in page.text
    assert ('name="client"' in page.text) is offered


def test_a_key_with_a_slash_is_no_client(world: World, operator: Browser) -> None:
    page = operator.open(f"{PAGE}/revoke?key=a/b")
    assert page.status == 200
    assert 'name="client"' not in page.text
    assert [path for _, path, _ in world.apis.calls] == [ONE]


def test_a_key_of_an_existing_client_is_added(world: World, operator: Browser) -> None:
    fields = {"consumerKey": "k2", "type": "SANDBOX", "environment": "", "scope": "a"}
    page = sent(operator, "keys", **fields)
    assert (page.status, page.location) == (303, PAGE)
    assert world.apis.changes == [("POST", KEYS)]
    assert bodies(world) == [{"consumerKey": "k2", "type": "SANDBOX"}]


def test_a_key_that_is_refused_stays_in_the_form(
    world: World, operator: Browser
) -> None:
    world.apis.answer("POST", KEYS, {"code": 1, "message": "It is a key already"}, 409)
    page = sent(operator, "keys", consumerKey="k2")
    assert page.status == 409
    assert "It is a key already" in page.text
    assert 'name="consumerKey" value="k2"' in page.text


MADE = {"grant_types": "client_credentials password", "scope": "a b", "type": "SANDBOX"}


def test_fields_that_cannot_be_empty(of_platform: Browser) -> None:
    needed = re.findall(
        r'<input[^>]* name="(\w+)"[^>]* required', of_platform.open(PAGE).text
    )
    assert needed == ["grant_types", "consumerKey"]


def test_people_of_the_platform_are_offered_a_new_key(
    operator: Browser, of_platform: Browser
) -> None:
    assert f'action="{PAGE}/new-key"' in of_platform.open(PAGE).text
    assert "new-key" not in operator.open(PAGE).text


def test_the_secret_of_a_new_key_is_shown(world: World, of_platform: Browser) -> None:
    world.apis.answer("POST", CLIENTS, {"client_id": "c1", "client_secret": "s1"})
    page = sent(of_platform, "new-key", **MADE)
    assert page.status == 200
    assert re.findall(r"<dt>(.*?)</dt><dd><code>(.*?)</code>", page.text) == [
        ("consumer key (client_id)", "c1"),
        ("consumer secret (client_secret)", "s1"),
    ]
    assert f'<a href="{PAGE}">Back</a>' in page.text
    assert world.apis.changes == [("POST", CLIENTS), ("POST", KEYS)]
    grants = ["client_credentials", "password"]
    client = {"client_name": "Shelf", "grant_types": grants, "scope": "a b"}
    assert bodies(world) == [client, {"consumerKey": "c1", "type": "SANDBOX"}]


def test_a_new_key_without_a_secret(world: World, of_platform: Browser) -> None:
    world.apis.answer("POST", CLIENTS, {"client_id": "c1"})
    page = sent(of_platform, "new-key", **MADE)
    assert re.findall(r"<dd><code>(.*?)</code>", page.text) == ["c1"]


def test_no_client_is_left_if_its_key_is_refused(
    world: World, of_platform: Browser
) -> None:
    world.apis.answer(
        "POST", CLIENTS, {"client_id": "c 1", "client_secret": "the-secret"}
    )
    world.apis.answer("POST", KEYS, {"code": 1, "message": "Too many keys"}, 409)
    page = sent(of_platform, "new-key", **MADE)
    assert page.status == 409
    assert "Too many keys" in page.text
    assert 'name="scope" value="a b"' in page.text
    assert "the-secret" not in page.text
    removed = ("DELETE", f"{CLIENTS}/c%201")
    assert world.apis.changes == [("POST", CLIENTS), ("POST", KEYS), removed]


def test_a_client_that_is_refused_is_no_key(world: World, of_platform: Browser) -> None:
    world.apis.answer("POST", CLIENTS, {"code": 1, "message": "No such grant"}, 400)
    page = sent(of_platform, "new-key", **MADE)
    assert page.status == 400
    assert "No such grant" in page.text
    assert world.apis.changes == [("POST", CLIENTS)]


def test_each_field_has_a_limit(world: World, operator: Browser) -> None:
    """A text of the largest size is sent on, one byte more is not."""
    for name, most in (("consumerKey", 8192), ("key", 8192), ("client", 16)):
        path = "keys" if name == "consumerKey" else "revoke"
        fields = {"key": "k1", name: "x" * most}
        assert sent(operator, path, **fields).status == 303, name
        world.apis.calls.clear()
        assert sent(operator, path, **{**fields, name: "x" * (most + 1)}).status == 413
        assert world.apis.changes == []
