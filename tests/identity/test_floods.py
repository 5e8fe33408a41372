"""What strangers and single clients can make the store keep: nothing for opened pages, so many
waiting requests and no more.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from os import urandom
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from flows import CALLBACK, Clock, allowed, person_at, redeem
from idp import Answer, basic, call
from kapi.identity.protocol.waiting import MOST
from kapi.settings import WELL_KNOWN_CLIENT_ID as CLIENT
from person import Person, authorize_path

DEVICE, PAR = "/oauth2/device_authorization", "/oauth2/par"


def kept(folder: Path) -> int:
    with sqlite3.connect(folder / "kapi.db") as db:
        return int(db.execute("SELECT count(*) FROM records").fetchone()[0])


def pushed(
    app: Any, client: str = "app", address: str = "203.0.113.7", **headers: str
) -> Answer:
    form = {
        "response_type": "code",
        "client_id": client,
        "redirect_uri": "https://shop.example/cb",
        "state": "s",
    }
    form |= {"code_challenge": "A" * 43, "code_challenge_method": "S256"}
    return call(
        app, path=PAR, body=urlencode(form).encode(), x_forwarded_for=address, **headers
    )


def device(app: Any, address: str = "203.0.113.7") -> Answer:
    return call(app, path=DEVICE, body=b"client_id=television", x_forwarded_for=address)


def test_opened_sign_in_pages_keep_nothing_and_all_of_them_work(
    app: Any, tmp_path: Path, person: Person
) -> None:
    before = kept(tmp_path)
    early = person.open(authorize_path(CLIENT, CALLBACK))
    for _ in range(300):
        assert (
            'name="password"'
            in person_at(app)
            .open(authorize_path(CLIENT, CALLBACK, scope="openid", nonce="n"))
            .text
        )
    assert kept(tmp_path) == before
    page = person.submit(person.sign_in(early), decision="allow")
    assert redeem(person, page.parameters["code"]).status == 200


def test_a_waiting_request_cannot_be_changed_made_or_read(person: Person) -> None:
    page = person.open(authorize_path(CLIENT, CALLBACK, state="a-secret-of-the-client"))
    key = page.forms()[0]["fields"]["sessionKey"]
    assert "a-secret" not in key
    for wrong in (
        key[:-1],
        key + "A",
        key[:40] + ("A" if key[40] != "A" else "B") + key[41:],
        key + "=",
        key * 20,
        "A" * 64,
        "é",
    ):
        for path in (
            "/authenticationEndpoint/login?stateKey=",
            "/oauth2/auth-callback?sessionKey=",
        ):
            answer = person.open(path + urlencode({"": wrong})[1:])
            assert (answer.status, "start again" in answer.text) == (400, True)


def test_a_waiting_request_is_answered_once_however_its_key_is_written(
    person: Person,
) -> None:
    key = person.open(authorize_path(CLIENT, CALLBACK)).forms()[0]["fields"][
        "sessionKey"
    ]
    assert allowed(person, authorize_path(CLIENT, CALLBACK)).parameters["code"]
    assert "code" in person.open(f"/oauth2/auth-callback?sessionKey={key}").parameters
    again = [key, key + "=", key + "%0A", "+" + key]
    assert {
        person.open(f"/oauth2/auth-callback?sessionKey={text}").status for text in again
    } == {400}


def test_a_request_too_long_for_a_link_goes_back_to_its_client(person: Person) -> None:
    page = person.open(authorize_path(CLIENT, CALLBACK, x_note=urandom(3900).hex()))
    assert person.submit(person.sign_in(page), decision="allow").parameters["code"]
    page = Person(person.send).open(
        authorize_path(CLIENT, CALLBACK, x_note=urandom(8000).hex())
    )
    assert page.location.startswith(CALLBACK)
    assert (page.parameters["error"], page.parameters["state"]) == (
        "invalid_request",
        "s t&ä",
    )
    assert "too long" in page.parameters["error_description"]


@pytest.mark.parametrize("ask", [pushed, device])
def test_a_stranger_has_only_so_many_waiting_requests(
    app: Any, tmp_path: Path, clock: Clock, ask: Callable[..., Answer]
) -> None:
    answers = [ask(app) for _ in range(MOST)]
    assert {answer.status for answer in answers} <= {200, 201}
    before = kept(tmp_path)
    refused = [ask(app) for _ in range(50)]
    assert {(answer.status, answer.json()["error"]) for answer in refused} == {
        (429, "temporarily_unavailable")
    }
    assert kept(tmp_path) == before == MOST
    # The gateway adds the last address; the caller chooses what precedes it.
    assert ask(app, address="198.51.100.1, 203.0.113.7").status == 429
    seconds = int(refused[0].headers["retry-after"])
    assert f"in {seconds} seconds" in refused[0].json()["error_description"]
    # Others, and clients that prove who they are, go on.
    assert ask(app, address="203.0.113.8").status in {200, 201}
    assert pushed(app, "shop", authorization=basic("shop", "s")).status == 201
    assert allowed(person_at(app), authorize_path(CLIENT, CALLBACK)).parameters["code"]
    clock.now += seconds
    assert ask(app).status in {200, 201}
    assert kept(tmp_path) < 50


def test_an_answered_reference_leaves_only_its_mark(
    app: Any, tmp_path: Path, person: Person
) -> None:
    allowed(person, authorize_path(CLIENT, CALLBACK))
    before = kept(tmp_path)
    for _ in range(3):
        uri = pushed(app, "shop", authorization=basic("shop", "s")).json()[
            "request_uri"
        ]
        page = person.open(
            "/oauth2/authorize?" + urlencode({"client_id": "shop", "request_uri": uri})
        )
        assert (
            person.submit(page, decision="deny").parameters["error"] == "access_denied"
        )
    # The request itself is gone: a mark that it was answered, and that its page was.
    assert kept(tmp_path) == before + 2 * 3
