"""The pages of the console that add, change and remove objects, and those that only show."""

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

ADA: dict[str, Any] = {
    "username": "ada",
    "organizations": ["acme"],
    "groups": ["staff"],
    "super_admin": False,
    "claims": {"email": "ada@example.com"},
}
SHOWN = {
    "organizations": "acme",
    "groups": "staff",
    "super_admin": "",
    "token_claims": "",
}
SHOWN |= {"claims": '{\n  "email": "ada@example.com"\n}'}
USER = "/api/users/ada"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with console_world(tmp_path) as made:
        made.apis.answer("GET", "/api/deployer/apis", {"apis": []})
        made.apis.answer("GET", USER, ADA, etag='"1"')
        yield made


@pytest.fixture
def operator(world: World) -> Browser:
    return world.signed_in("olivia")


def sent(browser: Browser, path: str, **fields: str) -> Page:
    """The answer to a form of this session."""
    token = token_of(browser.open("/console/"))
    return browser.send(f"/console/{path}", {"token": token, **fields})


def seen(browser: Browser) -> str:
    """The version that the form of Ada was made for."""
    found = re.search(
        r'name="seen" value="(\w+)"', browser.open("/console/change/users?id=ada").text
    )
    assert found is not None
    return found[1]


def last(world: World) -> tuple[str, str, Any]:
    """The last call of a system API: method, path, body."""
    method, path, body = world.apis.calls[-1]
    return method, path, json.loads(body) if body else None


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("add/users", 200),
        ("add/nodes", 404),
        ("change/users?id=ada", 200),
        ("change/users?id=bob", 404),
        ("change/users", 404),
        ("change/subscriptions?id=ada", 404),
        ("edit/users/remove?id=ada", 200),
        ("edit/users/rotate?id=ada", 404),
        ("edit/nodes/remove?id=ada", 404),
        ("edit/keys/rotate", 200),
    ],
)
def test_which_pages_there_are(world: World, path: str, status: int) -> None:
    assert world.signed_in("olivia").open(f"/console/{path}").status == status
    assert "/api/users/" not in [path for _, path, _ in world.apis.calls]
    page = world.signed_in("rita").open(f"/console/{path}")
    assert page.status == 403
    assert "Your role is read-only" in page.text


def test_a_reader_changes_nothing(world: World) -> None:
    reader = world.signed_in("rita")
    for path in (
        "add/users",
        "change/users",
        "edit/users/disable",
        "edit/users/remove",
    ):
        assert sent(reader, path, id="ada", sure="yes", username="ada").status == 403
    assert world.apis.changes == []


def test_an_object_is_added(world: World, operator: Browser) -> None:
    page = sent(
        operator, "add/users", username="bob", groups="a b", password="long enough"
    )
    assert (page.status, page.location) == (303, "/console/platform#users")
    body = {"username": "bob", "groups": ["a", "b"], "password": "long enough"}
    assert last(world) == ("POST", "/api/users", body)
    assert world.apis.headers[-1]["content-type"] == "application/json"


def test_a_form_that_is_refused_keeps_all_but_secrets(
    world: World, operator: Browser
) -> None:
    world.apis.answer(
        "POST", "/api/users", {"code": 1, "message": "The name is taken"}, 409
    )
    page = sent(operator, "add/users", username="bob", password="long enough")
    assert page.status == 409
    assert "The name is taken" in page.text
    assert 'value="bob"' in page.text
    assert "long enough" not in page.text


def test_a_secret_is_shown_after_a_client_is_added(
    world: World, operator: Browser
) -> None:
    made = {"client_id": "c1", "client_secret": "s1", "client_name": "Shop"}
    world.apis.answer("POST", "/api/clients", made)
    page = sent(
        operator, "add/clients", client_name="Shop", grant_types="client_credentials"
    )
    assert page.status == 200
    assert re.findall(r"<dt>(.*?)</dt><dd><code>(.*?)</code>", page.text) == [
        ("client_id", "c1"),
        ("client_secret", "s1"),
    ]
    assert 'href="/console/platform#clients"' in page.text


def test_only_what_was_changed_is_sent(world: World, operator: Browser) -> None:
    fields = {**SHOWN, "id": "ada", "seen": seen(operator)}
    page = sent(operator, "change/users", **fields)
    assert (page.status, page.location) == (303, "/console/platform#users")
    assert world.apis.changes == []
    typed = {**fields, "groups": "staff\r\nboard", "super_admin": "yes"}
    assert sent(operator, "change/users", **typed).status == 303
    assert last(world) == (
        "PATCH",
        USER,
        {"groups": ["staff", "board"], "super_admin": True},
    )
    assert world.apis.headers[-1]["if-match"] == '"1"'
    more = {"member": "given_name", "content": '"Ada"'}
    assert sent(operator, "change/users", **fields, **more).status == 303
    assert last(world) == ("PATCH", USER, {"given_name": "Ada"})


@pytest.mark.parametrize("version", ["", "0" * 64])
def test_a_form_of_an_older_version_changes_nothing(
    world: World, operator: Browser, version: str
) -> None:
    fields = {**SHOWN, "id": "ada", "seen": version, "groups": "board"}
    page = sent(operator, "change/users", **fields)
    assert page.status == 409
    assert "Another person changed it since this page was opened." in page.text
    assert "Its current value: staff" in page.text
    assert ">\nboard</textarea>" in page.text
    assert f'name="seen" value="{seen(operator)}"' in page.text
    assert world.apis.changes == []


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ({"claims": "{"}, "Claims is not JSON"),
        ({"member": "given_name", "content": "Ada"}, "Value is not JSON"),
    ],
)
def test_a_value_that_is_no_json_changes_nothing(
    world: World, operator: Browser, typed: dict[str, str], why: str
) -> None:
    fields = {**SHOWN, "id": "ada", "seen": seen(operator), **typed}
    page = sent(operator, "change/users", **fields)
    assert page.status == 400
    assert why in page.text
    assert world.apis.changes == []


def test_a_change_that_is_refused_stays_in_the_form(
    world: World, operator: Browser
) -> None:
    world.apis.answer("PATCH", USER, {"code": 1, "message": "No such group"}, 412)
    fields = {**SHOWN, "id": "ada", "seen": seen(operator), "groups": "board"}
    page = sent(operator, "change/users", **fields)
    assert page.status == 412
    assert "No such group" in page.text
    assert ">\nboard</textarea>" in page.text


def test_what_cannot_be_undone_is_confirmed(world: World, operator: Browser) -> None:
    asked = operator.open("/console/edit/users/remove?id=ada")
    assert "It cannot be undone." in asked.text
    for sure in ({}, {"sure": "no"}):
        page = sent(operator, "edit/users/remove", id="ada", **sure)
        assert page.status == 400
        assert "It cannot be undone, and was not confirmed." in page.text
    assert world.apis.changes == []
    page = sent(operator, "edit/users/remove", id="ada", sure="yes")
    assert (page.status, page.location) == (303, "/console/platform#users")
    assert last(world) == ("DELETE", USER, None)
    assert "content-type" not in world.apis.headers[-1]


def test_what_can_be_undone_needs_no_confirmation(
    world: World, operator: Browser
) -> None:
    assert 'name="sure"' not in operator.open("/console/edit/users/disable?id=ada").text
    assert sent(operator, "edit/users/disable", id="ada").status == 303
    assert last(world) == ("PUT", f"{USER}/disabled", {"disabled": True})


def test_an_action_without_its_object(world: World, operator: Browser) -> None:
    assert sent(operator, "edit/users/disable").status == 404
    assert sent(operator, "edit/users/remove", id="", sure="yes").status == 404
    assert world.apis.changes == []
    assert sent(operator, "edit/keys/rotate", sure="yes", now="yes").status == 303
    method, path, body = last(world)
    assert (method, path, body["now"]) == ("POST", "/api/keys/rotate", True)


def test_a_refusal_of_an_action(world: World, operator: Browser) -> None:
    world.apis.answer(
        "PUT", f"{USER}/password", {"code": 1, "message": "Too short"}, 400
    )
    fields = {"id": "ada", "sure": "yes", "password": "a secret"}
    page = sent(operator, "edit/users/password", **fields)
    assert page.status == 400
    assert "Too short" in page.text
    assert 'name="password"' in page.text
    assert "a secret" not in page.text
    assert last(world) == ("PUT", f"{USER}/password", {"password": "a secret"})
    world.apis.answer("DELETE", USER, {"code": 1, "message": "It is you"}, 409)
    page = sent(operator, "edit/users/remove", id="ada", sure="yes")
    assert page.status == 409
    assert "It is you" in page.text
    assert 'name="sure"' not in page.text


CALLS = [
    {
        "time": "2026-11-27T10:00:00Z",
        "request_id": "r1",
        "method": "GET",
        "url": "/a",
        "status": 200,
    },
    {"time": "2026-11-27T10:00:01Z", "method": "GET", "url": "/b", "status": 401},
]


@pytest.mark.parametrize(
    ("given", "limit"), [("50", 50), ("500", 500), ("7", 100), ("", 100)]
)
def test_calls_are_shown_the_newest_first(world: World, given: str, limit: int) -> None:
    world.apis.answer("GET", "/api/logs", {"calls": CALLS})
    reader = world.signed_in("rita")
    page = reader.open(f"/console/calls?limit={given}&api=Pets&refused=true")
    assert page.text.index("GET /b") < page.text.index("GET /a")
    assert 'href="/console/calls/r1"' in page.text
    assert page.text.count('href="/console/calls/') == 1
    assert world.apis.calls[-1][1] == f"/api/logs?limit={limit}&api=Pets&refused=true"
    assert f"<option selected>{limit}</option>" in page.text


def test_one_call_is_explained(world: World) -> None:
    world.apis.answer(
        "GET", "/api/logs/r1", {**CALLS[0], "explanation": ["It was <allowed>."]}
    )
    reader = world.signed_in("rita")
    page = reader.open("/console/calls?request=+r1+&api=x")
    assert "<li>It was &lt;allowed&gt;.</li>" in page.text
    assert "explanation" not in page.text
    assert reader.open("/console/calls/r2").status == 404


def test_entries_of_the_audit_log_the_newest_first(world: World) -> None:
    events = [
        {"event": "user.add", "outcome": "success"},
        {"event": "key.rotate", "outcome": "x"},
    ]
    world.apis.answer("GET", "/api/audit", {"events": events})
    page = world.signed_in("rita").open("/console/audit?event=+user+&by=&failed=true")
    assert page.text.index("key.rotate") < page.text.index("user.add")
    assert world.apis.calls[-1][1] == "/api/audit?limit=100&event=user&failed=true"


def test_settings_are_for_people_of_the_platform(
    world: World, operator: Browser
) -> None:
    page = operator.open("/console/settings")
    assert page.status == 403
    assert "The settings are those of the whole platform." in page.text
    of_platform = world.signed_in("paula")
    shown = of_platform.open("/console/settings").text
    row = "<code>gateway.localhost_names</code></th><td>true</td><td>default</td>"
    assert row in shown
    assert "All settings have their defaults." not in shown
    changed = of_platform.open("/console/settings?changed=true").text
    assert "gateway.localhost_names" not in changed


DECLARED = {"username": "root", "super_admin": True, "source": "settings"}
STORED = {**ADA, "username": "a/b", "disabled": True, "source": "store"}


def links(page: Page) -> list[str]:
    """The addresses of the pages that change an object."""
    return re.findall(
        r'href="/console/(?:change|edit|applications)/(\w+[^"]*id=[^"]*)"', page.text
    )


def test_each_list_with_what_can_be_done(world: World, operator: Browser) -> None:
    world.apis.answer("GET", "/api/users", {"users": [DECLARED, STORED]})
    key = {
        "id": "k1",
        "apis": [{"name": "Pets", "version": "*"}],
        "createdAt": 0,
        "revoked": False,
    }
    world.apis.answer("GET", "/api/api-keys", {"apiKeys": [key]})
    refusal = {"code": 1, "message": "The scope is missing"}
    world.apis.answer("GET", "/api/clients", refusal, 403)
    page = operator.open("/console/platform")
    assert page.status == 200
    assert re.findall(r"<h2 id=.*?>(.*?)</h2>", page.text) == [
        "Users (2)",
        "API keys (1)",
    ]
    assert (
        "<td>root</td><td></td><td></td><td></td><td>yes</td><td>settings</td>"
        in page.text
    )
    assert "<td>a/b</td><td>acme</td><td>staff</td><td>yes</td><td>no</td>" in page.text
    assert "<td>Pets *</td>" in page.text
    assert "<td>1970-01-01 00:00 UTC</td>" in page.text
    of_users = [link for link in links(page) if link.startswith("users")]
    assert of_users == [
        f"users{item}?id=a%2Fb" for item in ("", "/password", "/enable", "/remove")
    ]
    shown = world.signed_in("rita").open("/console/platform")
    assert links(shown) == []
    assert "/console/add/" not in shown.text


def test_a_list_that_cannot_be_read_is_no_empty_list(
    world: World, operator: Browser
) -> None:
    world.apis.answer(
        "GET", "/api/users", {"code": 1, "message": "The store is away"}, 503
    )
    page = operator.open("/console/platform")
    assert page.status == 503
    assert "The store is away" in page.text


def test_a_long_list_says_how_much_is_shown(world: World, operator: Browser) -> None:
    for count, told in ((500, False), (501, True)):
        world.apis.answer("GET", "/api/users", {"users": [DECLARED] * count})
        page = operator.open("/console/platform")
        assert f"Users ({count})" in page.text
        assert page.text.count("<td>root</td>") == 500
        assert ("The first 500 are shown." in page.text) is told


def test_each_field_has_a_limit(world: World, operator: Browser) -> None:
    """A text of the largest size is sent on, one byte more is not."""
    most = "x" * 32 * 1024
    assert sent(operator, "add/users", username=most).status == 303
    world.apis.calls.clear()
    assert sent(operator, "add/users", username=most + "x").status == 413
    assert world.apis.changes == []
