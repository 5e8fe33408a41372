"""Revoked tokens at the real Envoy."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from live_gateway import ISSUER, Gateway, api, backend, gateway, operation

from kapi.apis.ir import Endpoint
from kapi.gateway.caller_resources import caller_resources
from kapi.gateway.envoy.resources.tokens.deny_list import deny_list
from kapi.gateway.envoy.stream.kept import encoded
from kapi.gateway.revoked_streams import RevokedStreams
from kapi.store.engine.database import Database
from kapi.store.revocations import TOPIC, Revocations
from waiting import until

PATH = "/revoke/1.0.0"
NO_STREAMS = RevokedStreams(SimpleNamespace(needed=lambda: False))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def live() -> Iterator[Gateway]:
    with backend() as port, gateway() as it:
        end = Endpoint("http", "127.0.0.1", port)
        it.put(
            api(
                "/revoke",
                [
                    operation("GET", "/open", end, secured=False),
                    operation("GET", "/closed", end),
                ],
            )
        )
        yield it


def deny(live: Gateway, *pairs: tuple[str, str]) -> None:
    live.publisher.publish([deny_list(pairs, encoded)])


def test_a_revoked_token_is_refused_whatever_headers_come_with_it(
    live: Gateway,
) -> None:
    good, bad = live.minter.token(jti="good"), live.minter.token(jti="bad")
    deny(live, (ISSUER, "bad"))
    assert live.call(f"{PATH}/closed", token=good).status == 200
    for headers in (
        {},
        {"x-kapi-jti": "good"},
        {"X-Kapi-Jti": "good", "x-kapi-iss": "https://other"},
    ):
        reply = live.call(f"{PATH}/closed", token=bad, headers=headers)
        assert (reply.status, reply.json["code"]) == (401, "900901")
        assert 'error="invalid_token"' in reply.headers["www-authenticate"]
    deny(live)
    assert live.call(f"{PATH}/closed", token=bad).status == 200


def test_nobody_can_have_another_caller_refused_by_a_header(live: Gateway) -> None:
    deny(live, (ISSUER, "bad"), ("", "worse"))
    headers = {"x-kapi-jti": "bad", "x-kapi-iss": ISSUER}
    seen = live.call(
        f"{PATH}/closed", token=live.minter.token(jti="good"), headers=headers
    )
    assert seen.status == 200
    assert not {"x-kapi-jti", "x-kapi-iss"} & set(seen.json["headers"])
    assert live.call(f"{PATH}/open", headers=headers).status == 200


def test_a_jti_is_the_issuers_own_unless_none_was_named(live: Gateway) -> None:
    token = live.minter.token(jti="1")
    for pairs, status in (
        ([("https://elsewhere", "1")], 200),
        ([("", "1")], 401),
        ([("", "2"), (ISSUER, "1")], 401),
        ([("", "1"), (ISSUER, "2")], 401),
        ([("", "2"), (ISSUER, "3"), ("https://elsewhere", "1")], 200),
    ):
        deny(live, *pairs)
        assert live.call(f"{PATH}/closed", token=token).status == status, pairs
    deny(live)


def test_what_is_revoked_of_an_issuer_is_so_under_each_of_its_names(
    live: Gateway,
) -> None:
    names = ("https://first", ISSUER, "https://third")
    token = live.minter.token(jti="1")
    for pairs, status in (
        ([("https://first", "1")], 401),
        ([("https://first", "2")], 200),
        ([("https://third", "1")], 401),
        ([("", "2"), ("https://first", "1"), ("https://elsewhere", "3")], 401),
        ([("", "2"), ("https://first", "3"), ("https://elsewhere", "1")], 200),
        ([("", "2"), ("https://first", "3"), (ISSUER, "1")], 401),
    ):
        live.publisher.publish([deny_list(pairs, encoded, names)])
        assert live.call(f"{PATH}/closed", token=token).status == status, pairs
    many = [("https://first", str(number)) for number in range(1000)]
    assert len(deny_list(many, encoded, names).body) < 1.01 * len(
        deny_list(many, encoded).body
    )
    deny(live)


def test_the_store_drives_the_list(live: Gateway, tmp_path: Path) -> None:
    database = Database.open(tmp_path / "kapi.db")
    revocations = Revocations(database)
    carrier = caller_resources(database, live.publisher, time.time, NO_STREAMS)[TOPIC]
    carrier.start()
    token = live.minter.token(jti="stored")
    assert live.call(f"{PATH}/closed", token=token).status == 200
    for number in range(50):
        revocations.revoke(f"other-{number}", int(time.time()) + 60)
        carrier.changed()
    revocations.revoke("stored", int(time.time()) + 60, issuer=ISSUER)
    carrier.changed()
    until(lambda: live.call(f"{PATH}/closed", token=token).status == 401)
    carrier.stop()
    assert (
        carrier.resource().version
        == caller_resources(database, live.publisher, time.time, NO_STREAMS)[TOPIC]
        .resource()
        .version
    )
    database.close()
    deny(live)


def test_many_revoked_tokens_are_one_push(live: Gateway) -> None:
    deny(live, *((ISSUER, f"token-{number}") for number in range(20_000)))
    assert (
        live.call(f"{PATH}/closed", token=live.minter.token(jti="token-19999")).status
        == 401
    )
    assert (
        live.call(f"{PATH}/closed", token=live.minter.token(jti="token-20000")).status
        == 200
    )
    deny(live)
