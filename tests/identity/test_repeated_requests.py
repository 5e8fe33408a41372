"""A token request that is sent again gets what a new decision would give, until a change."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from idp import FORM, MADE, basic, provider_of
from kapi.front.web.identity.app import TokenEndpoints
from kapi.front.web.identity.repeated_requests import MOST
from kapi.front.web.identity.token_lane import Lane, token_lane
from kapi.identity.clients.clients import client_of
from kapi.identity.keys.keyring import Keyring, new_key
from kapi.identity.provider import Provider
from kapi.identity.token_endpoint import TokenEndpoint
from kapi.jose.algorithms import ALGORITHMS
from kapi.settings import ClientSettings, IdentitySettings, ResourceSettings, Settings
from kapi.store import Store
from kapi.store.keys import ACTIVE
from kapi.store.registered_clients import RegisteredClient
from token_parts import header_and_claims

API = "https://api.example"
CLIENTS = (
    ClientSettings(
        id="a", secret="s", resources=("*",), claims={"tier": "${request.tier}"}
    ),
    ClientSettings(
        id="at", secret="s", access_token_format="at+jwt", organization="blue"
    ),
    ClientSettings(id="bound", secret="s", dpop_bound_access_tokens=True),
)
RESOURCES = (ResourceSettings(resource=API, token_lifetime=60),)
CC = b"grant_type=client_credentials"


class Clock:
    now = 1_800_000_000


@pytest.fixture
def provider(tmp_path: Path) -> Provider:
    identity = IdentitySettings(clients=CLIENTS, resources=RESOURCES)
    return provider_of(
        Settings(Path("/nowhere"), identity), Store.open(tmp_path / "kapi.db")
    )


class Deciding(TokenEndpoints):
    """Counts the requests that are decided: those that need an endpoint."""

    decided = 0

    def of(self, headers: Sequence[tuple[bytes, bytes]]) -> TokenEndpoint:
        self.decided += 1
        return super().of(headers)


@pytest.fixture
def endpoints(provider: Provider) -> Deciding:
    return Deciding(provider)


@pytest.fixture
def lane(endpoints: Deciding) -> Lane:
    return token_lane(endpoints, lambda: Clock.now)


def asked(
    lane: Lane, body: bytes = CC, client: str = "a", secret: str = "s", **more: str
) -> tuple[int, dict[str, Any]]:
    """The status and the members of an answer."""
    headers = {"host": "idp.am.wso2.com", "content-type": FORM}
    headers |= {"authorization": basic(client, secret)} | more
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    answer = lane(b"/oauth2/token", pairs, body)
    assert answer is not None
    return int(answer.split(b" ")[1]), json.loads(answer.partition(b"\r\n\r\n")[2])


@pytest.mark.parametrize("client", ["a", "at"])
@pytest.mark.parametrize(
    "more",
    [
        b"",
        b"&scope=x+y",
        b"&resource=" + API.encode(),
        b"&tier=gold",
        b"&tier=%22%7D%C3%A9",
    ],
)
def test_the_second_answer_differs_in_id_and_times_only(
    provider: Provider, lane: Lane, client: str, more: bytes
) -> None:
    if client == "at" and b"resource" in more:
        more = b"&scope=z"
    (_, first), _ = asked(lane, CC + more, client), asked(lane, CC + more, client)
    Clock.now += 7
    status, again = asked(lane, CC + more, client)
    assert status == 200
    header, claims = header_and_claims(first["access_token"])
    header_again, claims_again = header_and_claims(again["access_token"])
    assert header == header_again
    assert list(claims) == list(claims_again)
    assert claims["jti"] != claims_again["jti"]
    later = {name: claims[name] + 7 for name in ("exp", "nbf", "iat")}
    assert claims_again == claims | later | {"jti": claims_again["jti"]}
    assert again | {"access_token": ""} == first | {"access_token": ""}
    token = again["access_token"]
    signature = base64.urlsafe_b64decode(token.rpartition(".")[2] + "==")
    key = provider.keyring.active().public
    ALGORITHMS["RS256"].verify(key, token.rpartition(".")[0].encode(), signature)


def test_every_token_is_counted(provider: Provider, lane: Lane) -> None:
    for _ in range(3):
        asked(lane)
    assert provider.figures.rows()["kapi_tokens_issued_total"] == [
        (["client_credentials", "a"], 3)
    ]


def test_other_credentials_are_checked(lane: Lane) -> None:
    assert asked(lane)[0] == 200
    assert asked(lane, secret="t")[0] == 401
    assert asked(lane, client="at", secret="s ")[0] == 401
    assert asked(lane, CC + b"&client_id=at")[0] == 400
    assert asked(lane, CC + b"&client_secret=s")[0] == 400
    assert asked(lane)[0] == 200


def test_a_refusal_is_decided_each_time(provider: Provider, lane: Lane) -> None:
    for _ in range(2):
        assert asked(lane, client="bound")[1]["error"] == "invalid_dpop_proof"
    refused = provider.figures.rows()["kapi_token_refusals_total"]
    assert refused == [(["client_credentials", "invalid_dpop_proof"], 2)]


def test_what_is_granted_is_decided_once(endpoints: Deciding, lane: Lane) -> None:
    for _ in range(3):
        assert asked(lane)[0] == 200
    assert endpoints.decided == 1
    body = CC + b"&scope="
    longest = body + b"x" * (1024 - len(basic("a", "s")) - len(body))
    for _ in range(2):
        assert asked(lane, longest)[0] == 200
    assert endpoints.decided == 2
    for _ in range(2):
        assert asked(lane, longest + b"x")[0] == 200
    assert endpoints.decided == 4


@pytest.mark.parametrize(
    ("sent", "body"),
    [
        ([("authorization", basic("a", "s")), ("x-a", "1"), ("x-a", "1")], CC),
        ([], CC + b"&client_id=a&client_secret=s"),
    ],
)
def test_a_request_of_another_form_is_decided_each_time(
    endpoints: Deciding, lane: Lane, sent: list[tuple[str, str]], body: bytes
) -> None:
    headers = [("host", "idp.am.wso2.com"), ("content-type", FORM), *sent]
    for _ in range(2):
        answer = lane(
            b"/oauth2/token", [(a.encode(), b.encode()) for a, b in headers], body
        )
        assert answer is not None
        assert b" 200 " in answer
    assert endpoints.decided == 2


@pytest.mark.parametrize(
    ("name", "value"),
    [("dpop", "x"), ("x-kapi-client-certificate", "x"), ("content-type", "text/plain")],
)
def test_what_was_granted_does_not_count_for_other_headers(
    endpoints: Deciding, lane: Lane, name: str, value: str
) -> None:
    headers = {
        "host": "idp.am.wso2.com",
        "content-type": FORM,
        "authorization": basic("a", "s"),
    }
    for given in (headers, headers | {name: value}):
        lane(b"/oauth2/token", [(a.encode(), b.encode()) for a, b in given.items()], CC)
    assert endpoints.decided == 2


def test_the_oldest_decision_makes_room(endpoints: Deciding, lane: Lane) -> None:
    def ask(number: int) -> int:
        """Decisions so far."""
        assert asked(lane, CC + b"&x=%d" % number)[0] == 200
        return endpoints.decided

    for number in range(MOST):
        ask(number)
    assert ask(0) == MOST
    assert ask(MOST) == MOST + 1
    assert ask(2) == MOST + 1
    assert ask(0) == MOST + 2


def test_new_keys_sign_at_once(provider: Provider, lane: Lane) -> None:
    for _ in range(2):
        asked(lane)
    provider.use_keys(Keyring((new_key("RS256", MADE, ACTIVE, "fresh"),)))
    assert header_and_claims(asked(lane)[1]["access_token"])[0]["kid"] == "fresh"


def test_a_changed_and_a_removed_client_are_decided_anew(
    provider: Provider, lane: Lane
) -> None:
    made = client_of(ClientSettings(id="r", secret="s"), b"x" * 16)
    row = RegisteredClient(
        "r",
        {"settings": {"scopes": ["*"]}, "about": {}},
        made.salt,
        made.digest,
        "",
        MADE,
    )
    provider.registered.put(row)
    for _ in range(2):
        assert asked(lane, CC + b"&scope=x", "r")[0] == 200
    provider.registered.put(
        replace(row, metadata={"settings": {"scopes": ["y"]}, "about": {}})
    )
    provider.use_clients()
    assert asked(lane, CC + b"&scope=x", "r")[1]["error"] == "invalid_scope"
    assert asked(lane, CC + b"&scope=y", "r")[0] == 200
    provider.registered.remove("r")
    provider.use_clients()
    assert asked(lane, CC + b"&scope=y", "r")[0] == 401


def test_each_name_of_the_host_has_its_issuer(provider: Provider, lane: Lane) -> None:
    [(other, same)] = provider.by_host.items()
    for host, issuer in 2 * [
        ("idp.am.wso2.com", provider.issuer),
        (other, same.issuer),
    ]:
        assert (
            header_and_claims(asked(lane, host=host)[1]["access_token"])[1]["iss"]
            == issuer
        )


def test_a_long_request_is_answered_too(lane: Lane) -> None:
    for _ in range(2):
        assert asked(lane, CC + b"&x=" + b"a" * 2000)[0] == 200
