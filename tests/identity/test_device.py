"""Device codes (RFC 8628): the two codes, the page, polling, guessing, races."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from idp import Answer, basic, call, identity_app
from kapi.identity.grants import device_code as device_code_grant
from kapi.settings import ClientSettings, IdentitySettings, Settings
from kapi.store import Store
from person import Person, claims_of, over_asgi

grant_type = device_code_grant.facts.grant_type

NOW = 1_800_000_000
ENDPOINT = "/oauth2/device_authorization"
CLIENTS = (
    ClientSettings(
        id="tv",
        name="The TV",
        token_endpoint_auth_method="none",
        grants=(grant_type, "refresh_token"),
    ),
    ClientSettings(id="box", secret="s", grants=(grant_type,), scopes=("openid", "a")),
    ClientSettings(id="other", secret="s"),
)


@dataclass
class World:
    app: Any
    clock: list[int] = field(default_factory=lambda: [NOW])

    def start(self, client: str = "tv", scope: str = "openid a") -> dict[str, Any]:
        answer = call(
            self.app,
            path=ENDPOINT,
            body=urlencode({"client_id": client, "scope": scope}).encode(),
        )
        assert answer.status == 200, answer.body
        return answer.json()

    def poll(self, code: str, client: str = "tv") -> Answer:
        body = urlencode(
            {"grant_type": grant_type, "device_code": code, "client_id": client}
        ).encode()
        return call(self.app, body=body)

    def error(self, code: str, client: str = "tv") -> str:
        answer = self.poll(code, client)
        assert answer.status == 400
        return answer.json()["error"]

    def person(self) -> Person:
        return Person(over_asgi(self.app))

    def decide(
        self,
        started: dict[str, Any],
        decision: str = "allow",
        person: Person | None = None,
    ) -> str:
        person = person or self.person()
        page = person.open("/device?user_code=" + started["user_code"])
        if b'name="password"' in page.body:
            page = person.sign_in(page)
        assert started["user_code"] in page.text
        return person.submit(page, decision=decision).text


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    store = Store.open(tmp_path / "kapi.db")
    made = World(None)
    settings = Settings(
        Path("/nowhere"), IdentitySettings(clients=CLIENTS, algorithms=())
    )
    made.app = identity_app(settings, store, lambda: made.clock[0])
    yield made
    store.close()


def test_a_device_gets_tokens_after_its_person_allowed_it(world: World) -> None:
    started = world.start()
    assert list(started) == [
        "device_code",
        "user_code",
        "verification_uri",
        "verification_uri_complete",
        "expires_in",
        "interval",
    ]
    assert started["verification_uri"] == "https://idp.am.wso2.com:9095/device"
    assert started["verification_uri_complete"].endswith(
        "?user_code=" + started["user_code"]
    )
    assert world.error(started["device_code"]) == "authorization_pending"
    assert "is connected" in world.decide(started)
    world.clock[0] += 5
    answer = world.poll(started["device_code"])
    assert answer.status == 200
    assert set(answer.json()) == {
        "access_token",
        "token_type",
        "expires_in",
        "scope",
        "refresh_token",
        "id_token",
    }
    claims = claims_of(answer.json()["access_token"])
    assert (
        claims["sub"],
        claims["clientId"],
        claims["organization"],
        claims["scope"],
    ) == (
        "org1user",
        "tv",
        "org1",
        "openid a",
    )
    assert world.error(started["device_code"]) == "invalid_grant"
    refreshed = call(
        world.app,
        body=urlencode(
            {
                "grant_type": "refresh_token",
                "refresh_token": answer.json()["refresh_token"],
                "client_id": "tv",
            }
        ).encode(),
    )
    assert refreshed.json()["error"] == "invalid_grant", (
        "a code that was used twice ends what it issued"
    )


def test_a_person_types_the_code_as_people_do(world: World) -> None:
    started = world.start()
    person = world.person()
    page = person.sign_in(person.open("/device"))
    typed = started["user_code"].lower().replace("-", " ")
    page = person.open("/device?" + urlencode({"user_code": f" {typed} "}))
    assert "The TV" in page.text
    assert "frame-ancestors 'none'" in page.header("content-security-policy")
    assert "is not connected" in person.submit(page, decision="deny").text
    assert world.error(started["device_code"]) == "access_denied"
    assert "not right" in person.open("/device?user_code=" + started["user_code"]).text


def test_polling_too_fast_is_told_to_slow_down(world: World) -> None:
    code = world.start()["device_code"]
    assert world.error(code) == "authorization_pending"
    assert world.error(code) == "slow_down"
    world.clock[0] += 9
    assert world.error(code) == "slow_down", "five seconds are ten by now"
    world.clock[0] += 15
    assert world.error(code) == "authorization_pending"


def test_an_expired_code_says_so(world: World) -> None:
    started = world.start()
    world.clock[0] += 600
    assert world.error(started["device_code"]) == "expired_token"
    person = world.person()
    person.sign_in(person.open("/device"))
    assert "not right" in person.open("/device?user_code=" + started["user_code"]).text


REFUSED = {
    "no client": (b"scope=a", {}, 401, "invalid_client"),
    "an unknown client": (b"client_id=nobody", {}, 401, "invalid_client"),
    "a wrong secret": (
        b"",
        {"authorization": basic("box", "no")},
        401,
        "invalid_client",
    ),
    "a client without the grant": (
        b"",
        {"authorization": basic("other", "s")},
        400,
        "unauthorized_client",
    ),
    "a scope it may not have": (
        b"scope=b",
        {"authorization": basic("box", "s")},
        400,
        "invalid_scope",
    ),
    "a broken scope": (b"client_id=tv&scope=a++b", {}, 400, "invalid_scope"),
    "a parameter twice": (b"client_id=tv&scope=a&scope=b", {}, 400, "invalid_request"),
    "JSON": (b"{}", {"content_type": "application/json"}, 400, "invalid_request"),
    "two methods": (
        b"client_id=box&client_secret=s",
        {"authorization": basic("box", "s")},
        400,
        "invalid_request",
    ),
    "too much": (b"client_id=tv&x=" + b"x" * 70_000, {}, 413, "invalid_request"),
    "garbage": (b"\xff\xfe=%zz", {}, 400, "invalid_request"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_bad_request_is_refused(world: World, case: str) -> None:
    body, headers, status, error = REFUSED[case]
    answer = call(world.app, path=ENDPOINT, body=body, **headers)
    assert (answer.status, answer.json()["error"]) == (status, error)
    assert answer.headers["cache-control"] == "no-store"


def test_other_methods_are_refused(world: World) -> None:
    assert call(world.app, "GET", ENDPOINT).status == 405
    assert call(world.app, "DELETE", "/device").status == 405


def test_a_code_is_of_use_to_its_client_only(world: World) -> None:
    started = world.start()
    world.decide(started)
    body = urlencode(
        {"grant_type": grant_type, "device_code": started["device_code"]}
    ).encode()
    assert (
        call(world.app, body=body, authorization=basic("box", "s")).json()["error"]
        == "invalid_grant"
    )
    for wrong in (
        "",
        "x",
        started["user_code"],
        started["device_code"] + "x",
        "\x00",
        "é",
    ):
        body = urlencode(
            {"grant_type": grant_type, "device_code": wrong, "client_id": "tv"}
        ).encode()
        assert call(world.app, body=body).json()["error"] in {
            "invalid_grant",
            "invalid_request",
        }
    assert world.poll(started["device_code"]).status == 200


def test_guessing_ends_after_ten_wrong_codes(world: World) -> None:
    started = world.start()
    person = world.person()
    person.sign_in(person.open("/device"))
    for number in range(10):
        assert (
            "not right"
            in person.open(f"/device?user_code=BCDFGHJ{'BCDFGHJKLM'[number]}").text
        )
    assert (
        "not right" in person.open("/device?user_code=" + started["user_code"]).text
    ), "the right one is not told either"
    other = world.person()
    page = other.open("/device?user_code=" + started["user_code"])
    assert "not right" in other.sign_in(page).text, (
        "the limit is the person's, in whichever browser"
    )
    world.clock[0] += 301
    started = world.start()
    assert (
        started["user_code"]
        in person.open("/device?user_code=" + started["user_code"]).text
    )


def test_another_site_cannot_decide(world: World) -> None:
    started = world.start()
    person = world.person()
    page = person.sign_in(person.open("/device?user_code=" + started["user_code"]))
    form = page.forms()[0]
    for fields in (
        {**form["fields"], "token": "x"},
        {"user_code": started["user_code"]},
    ):
        person.ask(
            "POST", "/device", urlencode({**fields, "decision": "allow"}).encode()
        )
    person.ask(
        "POST",
        "/device",
        urlencode({**form["fields"], "decision": "allow"}).encode(),
        **{"sec-fetch-site": "cross-site"},
    )
    world.person().ask(
        "POST", "/device", urlencode({**form["fields"], "decision": "allow"}).encode()
    )
    assert world.error(started["device_code"]) == "authorization_pending"


def test_hostile_text_is_shown_as_text(world: World) -> None:
    person = world.person()
    for text in ("<script>alert(1)</script>", '"><img src=x>', "%00", "x" * 5000):
        page = person.open("/device?" + urlencode({"user_code": text}))
        assert page.status == 200
        assert "<script>" not in page.text
        assert "<img" not in page.text


@pytest.mark.long
def test_of_fifty_parallel_polls_one_wins(world: World) -> None:
    started = world.start()
    world.decide(started)
    statuses: list[int] = []
    threads = [
        threading.Thread(
            target=lambda: statuses.append(world.poll(started["device_code"]).status)
        )
        for _ in range(50)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses.count(200) == 1
    assert statuses.count(400) == 49
