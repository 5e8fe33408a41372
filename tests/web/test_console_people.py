"""The page of sessions and consents: what it asks for, and what is ended."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from console_parts import World, console_world

from console_browser import Browser, token_of

PATH = "/console/sessions"
SESSION = {
    "id": "s/1",
    "user": "ada",
    "organization": "acme",
    "clients": ["shop"],
    "signedInAt": 0,
    "expiresAt": 3600,
}
CONSENT = {
    "id": "c 1",
    "user": "ada",
    "client": "shop",
    "clientName": "",
    "scopes": ["a", "b"],
    "givenAt": 60,
    "expiresAt": 7200,
}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with console_world(tmp_path) as made:
        made.apis.answer("GET", "/api/deployer/apis", {"apis": []})
        sessions = {"sessions": [SESSION], "next": "after s"}
        made.apis.answer("GET", "/api/sessions", sessions)
        made.apis.answer("GET", "/api/consents", {"consents": [CONSENT], "next": ""})
        yield made


@pytest.fixture
def operator(world: World) -> Browser:
    return world.signed_in("paula")


def test_sessions_and_consents_with_their_times(operator: Browser) -> None:
    page = operator.open(PATH)
    assert page.status == 200
    assert "<td>1970-01-01 00:00 UTC</td><td>1970-01-01 01:00 UTC</td>" in page.text
    assert "<td>1970-01-01 00:01 UTC</td><td>1970-01-01 02:00 UTC</td>" in page.text
    assert "<td>a b</td>" in page.text


def test_what_is_asked_for(world: World, operator: Browser) -> None:
    operator.open(f"{PATH}?user=+ada&client=shop+&sessions=s&consents=c")
    assert [path for _, path, _ in world.apis.calls] == [
        "/api/sessions?user=ada&client=shop&after=s&limit=100",
        "/api/consents?user=ada&client=shop&after=c&limit=100",
    ]
    world.apis.calls.clear()
    operator.open(PATH)
    assert world.apis.calls[0][1] == "/api/sessions?limit=100"


def test_only_a_list_that_goes_on_has_a_next_page(operator: Browser) -> None:
    page = operator.open(f"{PATH}?user=ada")
    more = re.findall(r'href="([^"]*)">More (\w+)', page.text)
    assert more == [(f"{PATH}?user=ada&amp;client=&amp;sessions=after%20s", "sessions")]


@pytest.mark.parametrize(
    ("path", "call"),
    [
        ("sessions/s1/end", "/api/sessions/s1"),
        ("consents/c%201/withdraw", "/api/consents/c%201"),
    ],
)
def test_what_is_ended(world: World, operator: Browser, path: str, call: str) -> None:
    token = token_of(operator.open(PATH))
    path = f"/console/{path}".replace("%20", " ")
    assert operator.send(path, {"token": "0" * 64}).status == 403
    assert world.apis.changes == []
    page = operator.send(path, {"token": token})
    assert (page.status, page.location) == (303, PATH)
    assert page.header("cache-control") == "no-store"
    assert world.apis.changes == [("DELETE", call)]


def test_a_reader_ends_nothing(world: World) -> None:
    reader = world.signed_in("rita")
    token = token_of(reader.open("/console/"))
    page = reader.send("/console/sessions/s1/end", {"token": token})
    assert page.status == 403
    assert world.apis.changes == []
    assert "/end" not in reader.open(PATH).text
