"""CIBA in poll mode: asking, approving on another device, polling, refusals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from client_keys import key, signed
from client_keys import public as public_keys
from flows import Clock, client, person_at, provider_app
from idp import Answer, basic, call
from kapi.identity.grants import ciba as ciba_grant
from kapi.settings.identity import RegistrationSettings
from person import Person, claims_of

grant_type = ciba_grant.facts.grant_type

BANK = client("bank", grants=(grant_type, "refresh_token"), name="The Bank")
HAND = {"authorization": basic("bank", "s")}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def app(tmp_path: Path, clock: Clock) -> Any:
    other = client("other", grants=(grant_type,))
    public = client(
        "public", secret="", token_endpoint_auth_method="none", grants=(grant_type,)
    )
    signing = client(
        "signing", jwks=public_keys(key(), key("PS256")), grants=(grant_type,)
    )
    strict = client(
        "strict",
        jwks=public_keys(key(), key("PS256")),
        grants=(grant_type,),
        backchannel_authentication_request_signing_alg="PS256",
    )
    clients = (BANK, other, public, signing, strict, client("without"))
    return provider_app(tmp_path, clock, *clients)


def ask(app: Any, headers: dict[str, Any] = HAND, **parameters: str) -> Answer:
    return call(
        app, path="/oauth2/bc-authorize", body=urlencode(parameters).encode(), **headers
    )


def poll(app: Any, auth_req_id: str, headers: dict[str, Any] = HAND) -> Answer:
    return call(
        app,
        body=urlencode({"grant_type": grant_type, "auth_req_id": auth_req_id}).encode(),
        **headers,
    )


def approvals(
    app: Any, username: str = "org1user", organization: str = "org1"
) -> tuple[Person, Any]:
    person = person_at(app)
    return person, person.sign_in(
        person.open("/authenticationEndpoint/approvals"),
        username,
        organization=organization,
    )


def test_a_person_approves_elsewhere(app: Any, clock: Clock) -> None:
    asked = ask(app, scope="openid a", login_hint="org1user", binding_message="W4SCT")
    assert (asked.status, set(asked.json())) == (
        200,
        {"auth_req_id", "expires_in", "interval"},
    )
    key = asked.json()["auth_req_id"]
    assert poll(app, key).json()["error"] == "authorization_pending"
    assert poll(app, key).json()["error"] == "slow_down"
    person, page = approvals(app)
    assert "The Bank" in page.text
    assert "W4SCT" in page.text
    assert "Nothing is waiting" in person.submit(page, decision="allow").text
    clock.now += 20
    tokens = poll(app, key).json()
    claims = claims_of(tokens["access_token"])
    assert (
        claims["sub"],
        claims["organization"],
        claims["clientId"],
        claims["scope"],
    ) == (
        "org1user",
        "org1",
        "bank",
        "openid a",
    )
    assert claims_of(tokens["id_token"])["aud"] == "bank"
    assert poll(app, key).json()["error"] == "invalid_grant"


def test_a_person_denies_and_others_see_nothing(app: Any) -> None:
    key = ask(app, scope="openid", login_hint="org1user").json()["auth_req_id"]
    assert "Nothing is waiting" in approvals(app, "org2user", "org2")[1].text
    person, page = approvals(app)
    person.submit(page, decision="deny")
    assert poll(app, key).json()["error"] == "access_denied"


def test_it_expires(app: Any, clock: Clock) -> None:
    asked = ask(
        app, scope="openid", login_hint="org1user", requested_expiry="20"
    ).json()
    assert asked["expires_in"] == 20
    clock.now += 20
    assert poll(app, asked["auth_req_id"]).json()["error"] == "expired_token"
    assert "Nothing is waiting" in approvals(app)[1].text


def test_for_tests_everybody_approves(tmp_path: Path, clock: Clock) -> None:
    app = provider_app(tmp_path, clock, BANK, ciba_auto_approve=True)
    key = ask(app, scope="openid", login_hint="superAdmin").json()["auth_req_id"]
    assert claims_of(poll(app, key).json()["access_token"])["sub"] == "superAdmin"


GOOD = {"scope": "openid", "login_hint": "org1user"}
REFUSED: dict[str, tuple[dict[str, str], dict[str, Any], int, str]] = {
    "nobody calls": (GOOD, {}, 401, "invalid_client"),
    "a wrong secret": (
        GOOD,
        {"authorization": basic("bank", "no")},
        401,
        "invalid_client",
    ),
    "a public client": (
        {**GOOD, "client_id": "public"},
        {},
        400,
        "unauthorized_client",
    ),
    "a client without the grant": (
        GOOD,
        {"authorization": basic("without", "s")},
        400,
        "unauthorized_client",
    ),
    "no openid": ({**GOOD, "scope": "a"}, HAND, 400, "invalid_scope"),
    "no scope": ({"login_hint": "org1user"}, HAND, 400, "invalid_scope"),
    "no hint": ({"scope": "openid"}, HAND, 400, "invalid_request"),
    "two hints": ({**GOOD, "id_token_hint": "x"}, HAND, 400, "invalid_request"),
    "a hint of the other kind": (
        {"scope": "openid", "login_hint_token": "x"},
        HAND,
        400,
        "invalid_request",
    ),
    "an ID token that is none": (
        {"scope": "openid", "id_token_hint": "a.b.c"},
        HAND,
        400,
        "invalid_request",
    ),
    "nobody known": ({**GOOD, "login_hint": "nobody"}, HAND, 400, "unknown_user_id"),
    "a long message": (
        {**GOOD, "binding_message": "x" * 65},
        HAND,
        400,
        "invalid_binding_message",
    ),
    "a message with a line": (
        {**GOOD, "binding_message": "a\nb"},
        HAND,
        400,
        "invalid_binding_message",
    ),
    "no number of seconds": (
        {**GOOD, "requested_expiry": "soon"},
        HAND,
        400,
        "invalid_request",
    ),
    "a user code": ({**GOOD, "user_code": "1234"}, HAND, 400, "invalid_request"),
    "zero seconds": ({**GOOD, "requested_expiry": "0"}, HAND, 400, "invalid_request"),
    "seconds without end": (
        {**GOOD, "requested_expiry": "9" * 400},
        HAND,
        400,
        "invalid_request",
    ),
    "other digits": ({**GOOD, "requested_expiry": "٣"}, HAND, 400, "invalid_request"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_bad_request_is_refused(app: Any, case: str) -> None:
    parameters, headers, status, error = REFUSED[case]
    answer = ask(app, headers, **parameters)
    assert (answer.status, answer.json()["error"]) == (status, error)


def test_only_the_client_that_asked_may_poll(app: Any) -> None:
    key = ask(app, **GOOD).json()["auth_req_id"]
    assert (
        poll(app, key, {"authorization": basic("other", "s")}).json()["error"]
        == "invalid_grant"
    )
    assert poll(app, key + "x").json()["error"] == "invalid_grant"
    person, page = approvals(app)
    fields = page.forms()[0]["fields"]
    person.ask(
        "POST",
        "/authenticationEndpoint/approvals",
        urlencode({**fields, "token": "x", "decision": "allow"}).encode(),
    )
    stranger, _ = approvals(app, "org2user", "org2")
    stranger.ask(
        "POST",
        "/authenticationEndpoint/approvals",
        urlencode({**fields, "decision": "allow"}).encode(),
    )
    assert poll(app, key).json()["error"] == "authorization_pending"


def signed_request(
    clock: Clock, by: Any = None, who: str = "signing", **changed: Any
) -> str:
    claims = {
        "iss": who,
        "aud": "https://idp.am.wso2.com/token",
        "iat": clock.now,
        "nbf": clock.now,
        "exp": clock.now + 300,
        "jti": "one",
        "scope": "openid",
        "login_hint": "org1user",
        "binding_message": "W4SCT",
    } | changed
    return signed(
        {name: value for name, value in claims.items() if value is not None},
        by or key(),
    )


def as_client(who: str) -> dict[str, Any]:
    return {"authorization": basic(who, "s")}


def test_a_signed_request_is_read(app: Any, clock: Clock) -> None:
    text = signed_request(clock, requested_expiry=20)
    asked = ask(app, as_client("signing"), request=text)
    assert (asked.status, asked.json()["expires_in"]) == (200, 20)
    assert "W4SCT" in approvals(app)[1].text
    again = ask(app, as_client("signing"), request=text)
    assert (again.status, again.json()["error"]) == (400, "invalid_request")


SIGNED_WRONG: dict[str, dict[str, Any]] = {
    "the key of another": {"by": key("ES256", "two")},
    "another client": {"iss": "bank"},
    "another server": {"aud": "https://other.example"},
    "no audience": {"aud": None},
    "no exp": {"exp": None},
    "no iat": {"iat": None},
    "no nbf": {"nbf": None},
    "no jti": {"jti": None},
    "a user code": {"user_code": "1234"},
    "a request in it": {"request": "x"},
    "two hints": {"id_token_hint": "x"},
}


@pytest.mark.parametrize("case", SIGNED_WRONG)
def test_a_wrong_signed_request_is_refused(app: Any, clock: Clock, case: str) -> None:
    text = signed_request(clock, **SIGNED_WRONG[case])
    answer = ask(app, as_client("signing"), request=text)
    assert (answer.status, answer.json()["error"]) == (400, "invalid_request")
    assert "Nothing is waiting" in approvals(app)[1].text


def test_parameters_beside_a_signed_request_are_refused(app: Any, clock: Clock) -> None:
    answer = ask(
        app, as_client("signing"), request=signed_request(clock), login_hint="org2user"
    )
    assert (answer.status, answer.json()["error"]) == (400, "invalid_request")


def test_a_client_that_registered_an_algorithm_must_sign(
    app: Any, clock: Clock
) -> None:
    plain = ask(app, as_client("strict"), scope="openid", login_hint="org1user")
    assert (plain.status, plain.json()["error"]) == (400, "invalid_request")
    other = ask(app, as_client("strict"), request=signed_request(clock, who="strict"))
    assert (other.status, other.json()["error"]) == (400, "invalid_request")
    right = signed_request(clock, key("PS256"), who="strict")
    assert ask(app, as_client("strict"), request=right).status == 200


def test_a_client_that_is_registered_at_run_time_may_use_it(
    tmp_path: Path, clock: Clock
) -> None:
    registration = RegistrationSettings(
        initial_access_token="first", scopes=("openid",)
    )
    app = provider_app(tmp_path, clock, registration=registration)
    wanted = {"client_name": "Bank", "grant_types": [grant_type], "scope": "openid"}
    headers = {"content_type": "application/json", "authorization": "Bearer first"}
    made = call(app, path="/dcr/register", body=json.dumps(wanted).encode(), **headers)
    assert (made.status, made.json().get("grant_types")) == (201, [grant_type]), (
        made.body
    )
    own = {
        "authorization": basic(made.json()["client_id"], made.json()["client_secret"])
    }
    assert ask(app, own, scope="openid", login_hint="org1user").status == 200
