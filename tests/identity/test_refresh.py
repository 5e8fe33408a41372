"""Refresh tokens: rotation, reuse, races, grace, lifetimes, scope, binding."""

from __future__ import annotations

import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from flows import (
    NOW,
    Clock,
    client,
    code_for,
    error_of,
    person_at,
    provider_app,
    redeem,
    refresh,
    tokens_for,
)
from idp import basic
from kapi.identity.client_facts import client_mistakes
from kapi.store.engine.database import Database
from kapi.store.revocations import Revocations
from person import Page, Person, claims_of

SHOP = "https://shop.example/cb"
S = basic("shop", "s")


def shop(
    person: Person, client_id: str = "shop", scope: str | None = None, **more: str
) -> dict[str, Any]:
    code = code_for(person, client_id, SHOP, scope=scope, **more)
    answer = redeem(
        person, code, authorization=basic(client_id, "s"), redirect_uri=SHOP
    )
    assert answer.status == 200, answer.text
    return answer.json()


def test_refreshing_rotates_and_reuse_ends_the_family_at_the_gateway_too(
    person: Person, tmp_path: Path
) -> None:
    first = tokens_for(person)
    second = refresh(person, first["refresh_token"]).json()
    third = refresh(person, second["refresh_token"]).json()
    assert (
        len({first["refresh_token"], second["refresh_token"], third["refresh_token"]})
        == 3
    )
    assert error_of(refresh(person, first["refresh_token"])) == (400, "invalid_grant")
    assert error_of(refresh(person, third["refresh_token"])) == (400, "invalid_grant")
    revoked = {
        item.jti
        for item in Revocations(Database.open(tmp_path / "kapi.db")).active(NOW)
    }
    assert {
        claims_of(item["access_token"])["jti"] for item in (first, second, third)
    } <= revoked


def test_of_fifty_parallel_uses_one_wins(app: Any, person: Person) -> None:
    token = tokens_for(person)["refresh_token"]
    start = threading.Barrier(50)

    def use(_: int) -> Page:
        start.wait()
        return refresh(person_at(app), token)

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(use, range(50)))
    assert sorted(answer.status for answer in answers) == [200] + [400] * 49
    [winner] = [answer.json() for answer in answers if answer.status == 200]
    assert error_of(refresh(person, winner["refresh_token"])) == (400, "invalid_grant")


def test_within_a_grace_a_lost_answer_may_be_asked_for_again(
    tmp_path: Path, with_keys: Path, clock: Clock
) -> None:
    shutil.copy(with_keys, tmp_path / "kapi.db")
    person = person_at(provider_app(tmp_path, clock, client(), refresh_token_grace=10))
    first = tokens_for(person)
    lost = refresh(person, first["refresh_token"]).json()
    clock.now += 10
    again = refresh(person, first["refresh_token"])
    assert again.status == 200
    # What was lost is of no use any more: one token is alive, not two.
    assert error_of(refresh(person, lost["refresh_token"])) == (400, "invalid_grant")
    following = refresh(person, again.json()["refresh_token"])
    assert following.status == 200
    # Once the answer to the second try was used, the first token is a thief's.
    assert error_of(refresh(person, first["refresh_token"])) == (400, "invalid_grant")
    assert error_of(refresh(person, following.json()["refresh_token"])) == (
        400,
        "invalid_grant",
    )
    late = tokens_for(person)
    refresh(person, late["refresh_token"])
    clock.now += 11
    assert error_of(refresh(person, late["refresh_token"])) == (400, "invalid_grant")


def test_idle_and_absolute_lifetimes(person: Person, clock: Clock) -> None:
    token = tokens_for(person)["refresh_token"]
    for _ in range(31):
        clock.now += 24 * 3600 - 1
        answer = refresh(person, token)
        if answer.status != 200:
            break
        token = answer.json()["refresh_token"]
    assert NOW + 29 * 24 * 3600 < clock.now < NOW + 31 * 24 * 3600
    assert error_of(answer) == (400, "invalid_grant")
    idle = tokens_for(person)["refresh_token"]
    clock.now += 24 * 3600
    assert error_of(refresh(person, idle)) == (400, "invalid_grant")


def test_scope_may_become_less_for_one_access_token_but_never_more(
    person: Person,
) -> None:
    first = shop(person, scope="openid a b")
    less = refresh(person, first["refresh_token"], S, scope="b ").json()
    assert less["scope"] == claims_of(less["access_token"])["scope"] == "b"
    assert "id_token" not in less
    more = refresh(person, less["refresh_token"], S, scope="a b c")
    assert error_of(more) == (400, "invalid_scope")
    whole = refresh(person, less["refresh_token"], S).json()
    assert whole["scope"] == "openid a b"
    assert claims_of(whole["id_token"])["auth_time"] == NOW


def test_a_refreshed_id_token_is_about_the_same_sign_in(
    person: Person, clock: Clock
) -> None:
    first = shop(person, scope="openid", nonce="n")
    clock.now += 100
    second = refresh(person, first["refresh_token"], S).json()
    before, after = claims_of(first["id_token"]), claims_of(second["id_token"])
    assert (before["sub"], before["iss"], before["aud"], before["auth_time"]) == (
        after["sub"],
        after["iss"],
        after["aud"],
        after["auth_time"],
    )
    assert (after["iat"], "nonce" in after, "nonce" in before) == (
        NOW + 100,
        False,
        True,
    )


def test_another_client_cannot_use_it_nor_end_the_family(person: Person) -> None:
    first = shop(person)
    assert error_of(refresh(person, first["refresh_token"])) == (400, "invalid_grant")
    assert refresh(person, first["refresh_token"], S).status == 200


def test_which_clients_get_one(person: Person) -> None:
    assert "refresh_token" not in shop(person, "once")
    assert "refresh_token" not in shop(person, "offline", scope="openid")
    assert "refresh_token" in shop(
        person, "offline", scope="openid offline_access", prompt="consent"
    )


@pytest.mark.parametrize(
    "token", ["", "x", "x" * 43, "x" * 50_000, "\0", "' OR 1=1 --", "a.b.c"]
)
def test_tokens_that_nobody_issued(person: Person, token: str) -> None:
    assert error_of(refresh(person, token)) == (
        400,
        "invalid_request" if token == "" else "invalid_grant",
    )


def test_families_survive_a_restart(
    tmp_path: Path, with_keys: Path, clock: Clock
) -> None:
    shutil.copy(with_keys, tmp_path / "kapi.db")
    person = person_at(provider_app(tmp_path, clock, client()))
    used, kept = tokens_for(person), tokens_for(person)
    assert refresh(person, used["refresh_token"]).status == 200
    again = person_at(provider_app(tmp_path, clock, client()))
    again.cookies = person.cookies
    assert refresh(again, kept["refresh_token"]).status == 200
    assert error_of(refresh(again, used["refresh_token"])) == (400, "invalid_grant")
    # So does the session.
    assert (
        "code"
        in again.open(
            "/oauth2/authorize?response_type=code&"
            "client_id=45f1c5c8-a92e-11ed-afa1-0242ac120002&"
            "prompt=none"
        ).parameters
    )


STEADY = client("steady", refresh_token_rotation=False)
HELD = client(
    "held",
    secret="",
    token_endpoint_auth_method="none",
    dpop_bound_access_tokens=True,
    refresh_token_rotation=False,
    consent="never",
)


@pytest.fixture
def steady(tmp_path: Path, with_keys: Path, clock: Clock) -> Person:
    shutil.copy(with_keys, tmp_path / "kapi.db")
    return person_at(
        provider_app(
            tmp_path,
            clock,
            STEADY,
            HELD,
            refresh_token_idle=100,
            refresh_token_lifetime=250,
        )
    )


def test_a_client_without_rotation_keeps_its_refresh_token(
    steady: Person, clock: Clock
) -> None:
    """FAPI 2.0 §5.3.2.1."""
    token = shop(steady, "steady", scope="openid a")["refresh_token"]
    answers = [refresh(steady, token, basic("steady", "s")).json() for _ in range(3)]
    assert not any("refresh_token" in answer for answer in answers)
    assert len({claims_of(answer["access_token"])["jti"] for answer in answers}) == 3
    assert all("id_token" in answer for answer in answers)


def test_each_use_keeps_it_from_expiring_until_the_authorization_ends(
    steady: Person, clock: Clock
) -> None:
    token = shop(steady, "steady")["refresh_token"]
    for _ in range(2):
        clock.now += 99
        assert refresh(steady, token, basic("steady", "s")).status == 200
    clock.now += 51
    assert refresh(steady, token, basic("steady", "s")).status == 200
    clock.now += 2
    assert error_of(refresh(steady, token, basic("steady", "s"))) == (
        400,
        "invalid_grant",
    )


def test_it_ends_unused_when_idle_and_when_revoked(
    steady: Person, clock: Clock, tmp_path: Path
) -> None:
    idle = shop(steady, "steady")["refresh_token"]
    clock.now += 101
    assert error_of(refresh(steady, idle, basic("steady", "s"))) == (
        400,
        "invalid_grant",
    )
    token = shop(steady, "steady", prompt="login")["refresh_token"]
    access = refresh(steady, token, basic("steady", "s")).json()["access_token"]
    body = f"token={token}".encode()
    assert (
        Person(steady.send)
        .ask("POST", "/oauth2/revoke", body, authorization=basic("steady", "s"))
        .status
        == 200
    )
    assert error_of(refresh(steady, token, basic("steady", "s"))) == (
        400,
        "invalid_grant",
    )
    revoked = {
        item.jti
        for item in Revocations(Database.open(tmp_path / "kapi.db")).active(clock.now)
    }
    assert claims_of(access)["jti"] in revoked


def test_what_was_used_while_tokens_rotated_stays_used(
    tmp_path: Path, with_keys: Path, clock: Clock
) -> None:
    shutil.copy(with_keys, tmp_path / "kapi.db")
    person = person_at(provider_app(tmp_path, clock, client("steady")))
    first = shop(person, "steady")["refresh_token"]
    second = refresh(person, first, basic("steady", "s")).json()["refresh_token"]
    person = person_at(provider_app(tmp_path, clock, STEADY))
    assert refresh(person, second, basic("steady", "s")).status == 200
    assert error_of(refresh(person, first, basic("steady", "s"))) == (
        400,
        "invalid_grant",
    )
    assert error_of(refresh(person, second, basic("steady", "s"))) == (
        400,
        "invalid_grant",
    )


def test_a_public_client_rotates_unless_its_tokens_are_bound() -> None:
    """RFC 9700 §2.2.2."""
    bare = client(
        "bare",
        secret="",
        token_endpoint_auth_method="none",
        refresh_token_rotation=False,
    )
    assert [text.partition(":")[0] for text in client_mistakes(bare)] == [
        "refresh_token_rotation"
    ]
    assert not list(client_mistakes(HELD))
    assert not list(client_mistakes(STEADY))
