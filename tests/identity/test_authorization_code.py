"""The authorization code grant, from the link to the tokens, as a browser and a client drive it."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from flows import (
    CALLBACK,
    ISSUER,
    NOW,
    Clock,
    code_for,
    error_of,
    person_at,
    redeem,
    refresh,
    tokens_for,
)
from idp import basic
from kapi.settings import WELL_KNOWN_CLIENT_ID as CLIENT
from person import Page, Person, Pkce, authorize_path, claims_of

SHOP = "https://shop.example/cb"


def test_sign_in_consent_code_and_tokens(person: Person) -> None:
    pkce = Pkce()
    page = person.open(
        authorize_path(CLIENT, CALLBACK, pkce, scope="openid default", nonce="n-1")
    )
    assert page.status == 200
    assert "seeded non-production client" in page.text
    page = person.sign_in(page)
    assert "Know who you are" in page.text
    page = person.submit(page, decision="allow")
    assert page.location.startswith(CALLBACK + "?")
    assert page.parameters["state"] == "s t&ä"
    assert page.parameters["iss"] == ISSUER
    answer = redeem(person, page.parameters["code"], pkce)
    assert answer.status == 200, answer.text
    assert answer.header("cache-control") == "no-store"
    body = answer.json()
    assert list(body) == [
        "access_token",
        "token_type",
        "expires_in",
        "scope",
        "refresh_token",
        "id_token",
    ]
    access = claims_of(body["access_token"])
    assert (
        access["sub"],
        access["clientId"],
        access["scope"],
        access["organization"],
    ) == (
        "org1user",
        CLIENT,
        "openid default",
        "org1",
    )
    identity = claims_of(body["id_token"])
    assert (identity["iss"], identity["sub"], identity["aud"], identity["nonce"]) == (
        ISSUER,
        "org1user",
        CLIENT,
        "n-1",
    )
    assert identity["auth_time"] == NOW
    assert identity["amr"] == ["pwd"]
    # The second time nothing is asked.
    again = person.open(authorize_path(CLIENT, CALLBACK, pkce, scope="openid"))
    assert again.status == 303
    assert "code" in again.parameters


def test_without_openid_there_is_no_id_token_and_a_default_scope(
    person: Person,
) -> None:
    tokens = tokens_for(person)
    assert list(tokens) == [
        "access_token",
        "token_type",
        "expires_in",
        "scope",
        "refresh_token",
    ]
    assert tokens["scope"] == "default"


@pytest.mark.parametrize("mode", ["fragment", "form_post"])
def test_other_response_modes(person: Person, mode: str) -> None:
    code_for(person)
    page = person.open(authorize_path(CLIENT, CALLBACK, response_mode=mode))
    if mode == "fragment":
        assert page.location.startswith(CALLBACK + "#code=")
        got = page.parameters
    else:
        [form] = page.forms()
        assert form["action"] == CALLBACK
        got = form["fields"]
        assert "script-src 'sha256-" in page.header("content-security-policy")
    assert (got["state"], got["iss"]) == ("s t&ä", ISSUER)
    assert redeem(person, got["code"]).status == 200


def test_a_second_use_of_a_code_revokes_what_the_first_one_issued(
    person: Person,
) -> None:
    pkce = Pkce()
    code = code_for(person, pkce=pkce)
    first = redeem(person, code, pkce).json()
    assert error_of(redeem(person, code, pkce)) == (400, "invalid_grant")
    assert error_of(refresh(person, first["refresh_token"])) == (400, "invalid_grant")


def test_of_fifty_parallel_uses_of_a_code_one_wins_and_its_tokens_fall(
    app: Any, person: Person
) -> None:
    code = code_for(person)
    start = threading.Barrier(50)

    def use(_: int) -> Page:
        start.wait()
        return redeem(person_at(app), code)

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(use, range(50)))
    assert sorted(answer.status for answer in answers) == [200] + [400] * 49
    [winner] = [answer.json() for answer in answers if answer.status == 200]
    assert error_of(refresh(person, winner["refresh_token"])) == (400, "invalid_grant")


WRONG: dict[str, dict[str, Any]] = {
    "another redirect_uri": {"redirect_uri": "https://evil.example"},
    "another redirect_uri of almost the same text": {"redirect_uri": CALLBACK + "/"},
    "no redirect_uri though it was sent": {"redirect_uri": ""},
    "another client": {"authorization": basic("shop", "s")},
    "the verifier is missing": {"code_verifier": ""},
    "another verifier": {"code_verifier": "y" * 43},
    "the challenge as verifier": {"code_verifier": "CHALLENGE"},
    "a verifier that is too short": {"code_verifier": "y" * 42},
    "a verifier that is too long": {"code_verifier": "y" * 129},
    "a verifier with a space": {"code_verifier": "y" * 42 + " "},
    "a verifier in other letters": {"code_verifier": "ÿ" * 43},
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
def test_a_code_is_bound_and_a_wrong_try_does_not_use_it_up(
    person: Person, change: dict[str, Any]
) -> None:
    pkce = Pkce()
    code = code_for(person, pkce=pkce)
    more = {
        name: value.replace("CHALLENGE", pkce.challenge)
        for name, value in change.items()
    }
    assert error_of(redeem(person, code, pkce, **more)) == (400, "invalid_grant")
    assert redeem(person, code, pkce).status == 200


def test_a_verifier_without_a_challenge_is_a_downgrade(person: Person) -> None:
    code = code_for(person)
    assert error_of(redeem(person, code, Pkce())) == (400, "invalid_grant")
    assert redeem(person, code).status == 200


def test_a_public_client_needs_its_verifier_only(person: Person) -> None:
    pkce = Pkce()
    code = code_for(person, "app", SHOP, pkce)
    fields = {"redirect_uri": SHOP, "client_id": "app"}
    assert error_of(redeem(person, code, authorization="", **fields)) == (
        400,
        "invalid_grant",
    )
    tokens = redeem(person, code, pkce, authorization="", **fields)
    assert tokens.status == 200
    assert (
        refresh(
            person, tokens.json()["refresh_token"], authorization="", client_id="app"
        ).status
        == 200
    )


def test_the_port_of_a_loopback_redirect_is_part_of_the_code(person: Person) -> None:
    pkce = Pkce()
    code = code_for(person, "native", "http://127.0.0.1:4000/cb", pkce)
    assert error_of(
        redeem(
            person,
            code,
            pkce,
            "",
            client_id="native",
            redirect_uri="http://127.0.0.1:4001/cb",
        )
    ) == (400, "invalid_grant")
    assert (
        redeem(
            person,
            code,
            pkce,
            "",
            client_id="native",
            redirect_uri="http://127.0.0.1:4000/cb",
        ).status
        == 200
    )


def test_a_redirect_uri_that_was_left_out_may_be_left_out_again(person: Person) -> None:
    code = code_for(person, redirect_uri=None)  # type: ignore[arg-type]  # left out on purpose
    assert redeem(person, code, redirect_uri="").status == 200


def test_a_code_lives_for_a_minute(person: Person, clock: Clock) -> None:
    code = code_for(person)
    clock.now += 59
    assert redeem(person, code).status == 200
    code = code_for(person)
    clock.now += 60
    assert error_of(redeem(person, code)) == (400, "invalid_grant")


def test_a_code_that_is_used_again_long_after_still_ends_what_it_issued(
    person: Person, clock: Clock
) -> None:
    code = code_for(person)
    tokens = redeem(person, code).json()
    clock.now += 1800
    assert error_of(redeem(person, code)) == (400, "invalid_grant")
    assert error_of(refresh(person, tokens["refresh_token"])) == (400, "invalid_grant")


@pytest.mark.parametrize(
    "code", ["", "x", "x" * 43, "x" * 50_000, "\0", "' OR 1=1 --", "ÿ"]
)
def test_codes_that_nobody_issued(person: Person, code: str) -> None:
    expected = "invalid_request" if code == "" else "invalid_grant"
    assert error_of(redeem(person, code)) == (400, expected)


def test_other_secrets_are_no_codes(person: Person) -> None:
    tokens = tokens_for(person, scope="openid")
    for other in (
        tokens["refresh_token"],
        tokens["access_token"],
        tokens["id_token"],
        *person.cookies.values(),
    ):
        assert error_of(redeem(person, other)) == (400, "invalid_grant")
        assert other == tokens["refresh_token"] or error_of(refresh(person, other)) == (
            400,
            "invalid_grant",
        )
    assert error_of(refresh(person, code_for(person))) == (400, "invalid_grant")


def test_codes_and_refresh_tokens_have_256_random_bits(person: Person) -> None:
    codes = {code_for(person) for _ in range(5)}
    assert len(codes) == 5
    assert {len(code) for code in codes} == {43}
