"""The powers of a test issuer, in one process.

Mint, clock, faults, journal, keys, strictness, seed.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest

from kapi.errors import SettingsError
from kapi.jose.jwt import parse_jwt
from kapi.testing import Issuer, Server
from kapi.testing.faults.catalogue import KINDS
from kapi.testing.http.calls import Reply
from kapi.testing.minting.recipes import RECIPES

CLIENT_CREDENTIALS = {"grant_type": "client_credentials"}
SEED = {
    "clients": [
        {
            "id": "shop",
            "secret": "s",
            "grants": ["client_credentials", "authorization_code", "refresh_token"],
            "redirect_uris": ["https://shop.example/cb"],
            "consent": "never",
        }
    ],
    "users": [{"username": "carol", "password": "p", "organizations": ["acme"]}],
}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server() as server:
        yield server


@pytest.fixture
def issuer(server: Server) -> Iterator[Issuer]:
    made = server.issuer(seed=SEED)
    yield made
    server.remove(made.name)


def ask(issuer: Issuer, **form: str) -> Reply:
    return issuer.request(
        "POST", "/oauth2/token", form=CLIENT_CREDENTIALS | form, auth=issuer.client
    )


def introspected(issuer: Issuer, token: str) -> dict[str, Any]:
    answer = issuer.request(
        "POST", "/oauth2/introspect", form={"token": token}, auth=issuer.client
    )
    return answer.json()


def test_a_right_token_is_accepted_and_says_what_was_asked(issuer: Issuer) -> None:
    token = issuer.token(
        user="carol", scope="read", claims={"tier": "gold"}, audience="orders"
    )
    claims = parse_jwt(token).claims
    assert claims["iss"] == issuer.url
    assert (claims["sub"], claims["organization"]) == ("carol", "acme")
    assert (claims["scope"], claims["tier"], claims["aud"]) == (
        "read",
        "gold",
        "orders",
    )
    assert issuer.explain(token)["accepted"]
    assert introspected(issuer, issuer.token())["active"]


LIVE = {
    "valid",
    "long-lived",
    "no-audience",
    "no-scope",
    "no-typ",
    "wrong-audience",
    "jku",
    "x5u",
    "no-jti",
    "no-kid",
    "no-subject",
}
"""Recipes whose token this issuer's verifier accepts: it demands no audience, subject or jti."""


@pytest.mark.parametrize(
    "name", [recipe.name for recipe in RECIPES if recipe.name not in LIVE]
)
def test_a_wrong_token_of_each_recipe_is_refused(issuer: Issuer, name: str) -> None:
    token = issuer.mint(name)
    assert not issuer.explain(token)["accepted"]
    assert introspected(issuer, token or "x") == {"active": False}


def test_free_header_claims_and_key(issuer: Issuer) -> None:
    token = issuer.mint(
        header={"typ": "at+jwt", "kid": None},
        claims={"exp": None, "n": 1},
        key="hs256:k",
    )
    jwt = parse_jwt(token)
    assert jwt.header == {"alg": "HS256", "typ": "at+jwt"}
    assert "exp" not in jwt.claims
    assert jwt.claims["n"] == 1
    assert parse_jwt(issuer.mint(algorithm="ES256")).header["alg"] == "ES256"


def test_raw_payloads_and_headers(issuer: Issuer) -> None:
    for payload in ("no JSON", "[1]", '{"a":1,"a":2}', "", '{"exp": 1e999}'):
        token = issuer.mint(payload=payload)
        part = token.split(".")[1]
        assert (
            base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)).decode() == payload
        )
        assert not issuer.explain(token)["accepted"]
    token = issuer.mint(raw_header='{"alg":"RS256",')
    assert not issuer.explain(token)["accepted"]


@pytest.mark.parametrize(
    "wish",
    [
        {"recipe": "nonsense"},
        {"user": "nobody"},
        {"client": "x"},
        {"key": "?"},
        {"nonsense": 1},
        {"algorithm": "RS999"},
    ],
)
def test_a_wish_that_cannot_be_met_says_why(
    issuer: Issuer, wish: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match=r"\w+"):
        issuer.mint(**wish)


def test_one_clock_for_issuing_introspection_and_key_rotation(issuer: Issuer) -> None:
    issuer.clock.freeze(1_800_000_000)
    token = ask(issuer).json()["access_token"]
    assert parse_jwt(token).claims["iat"] == 1_800_000_000
    kid = issuer.keys.stage()
    issuer.keys.publish(kid, activate_after=600)
    assert parse_jwt(ask(issuer).json()["access_token"]).header["kid"] != kid
    issuer.clock.travel(minutes=11)
    assert parse_jwt(ask(issuer).json()["access_token"]).header["kid"] == kid
    assert introspected(issuer, token)["active"]
    issuer.clock.travel(hours=1)
    assert introspected(issuer, token) == {"active": False}
    issuer.clock.travel(hours=1)
    assert [
        key["state"] for key in issuer.keys.all() if key["algorithm"] == "RS256"
    ] == ["active"]
    issuer.clock.skew(-300)
    assert -302 <= issuer.clock.state()["offset"] <= -299


def test_every_kind_of_fault_changes_an_answer(server: Server) -> None:
    for kind in KINDS:
        issuer = server.issuer(seed=SEED)
        endpoint = next(iter(kind.endpoints), "token")
        issuer.faults.add(kind.name, 0 if kind.name == "delay" else None)
        answer = _asked(issuer, endpoint)
        assert kind.name in answer.faults, kind.name
        server.remove(issuer.name)


def test_a_late_answer_may_be_another_fault_too(issuer: Issuer) -> None:
    issuer.faults.add("status", 429)
    issuer.faults.add("delay", 0.01)
    answer = ask(issuer)
    assert (answer.status, answer.late, answer.faults) == (
        429,
        0.01,
        ("status", "delay"),
    )
    issuer.faults.clear()
    assert ask(issuer).late == 0


def _asked(issuer: Issuer, endpoint: str) -> Reply:
    paths = {
        "jwks": ("GET", "/oauth2/jwks"),
        "discovery": ("GET", "/.well-known/openid-configuration"),
        "userinfo": ("GET", "/oauth2/userinfo"),
        "authorize": ("GET", "/oauth2/authorize?client_id=shop"),
    }
    if endpoint in paths:
        return issuer.request(*paths[endpoint])
    if endpoint == "introspect":
        return issuer.request(
            "POST", "/oauth2/introspect", form={"token": "x"}, auth=issuer.client
        )
    return ask(issuer)


def test_a_fault_is_for_the_calls_that_it_names(issuer: Issuer) -> None:
    issuer.faults.add("status", 503, endpoint="token", client="shop", nth=2)
    assert [ask(issuer).status for _ in range(3)] == [200, 503, 200]
    issuer.faults.clear()
    issuer.faults.add("error", "invalid_grant", times=1)
    assert [ask(issuer).status for _ in range(2)] == [400, 200]
    issuer.faults.clear()
    issuer.faults.add("status", 500, share=0.5)
    statuses = [ask(issuer).status for _ in range(40)]
    assert 5 < statuses.count(500) < 35
    issuer.faults.clear()
    issuer.faults.add("status", 500, client="another")
    assert ask(issuer).status == 200
    with pytest.raises(ValueError, match="not a fault"):
        issuer.faults.add("nonsense")


def test_faults_of_tokens_and_keys_are_real(issuer: Issuer) -> None:
    issuer.faults.add("wrong-aud", "x", times=1)
    assert parse_jwt(ask(issuer).json()["access_token"]).claims["aud"] == "x"
    issuer.faults.add("expired-token", times=1)
    assert not issuer.explain(ask(issuer).json()["access_token"])["accepted"]
    signs = {parse_jwt(issuer.token()).header["kid"]}
    issuer.faults.add("stale-jwks", times=1)
    assert signs.isdisjoint(
        key["kid"] for key in issuer.request("GET", "/oauth2/jwks").json()["keys"]
    )
    assert signs <= {
        key["kid"] for key in issuer.request("GET", "/oauth2/jwks").json()["keys"]
    }
    issuer.faults.add("issuer-slash")
    document = issuer.request("GET", "/.well-known/openid-configuration").json()
    assert document["issuer"] == f"{issuer.url}/"


def test_the_journal_knows_every_call_and_no_secret(issuer: Issuer) -> None:
    token = ask(issuer, client_secret="").json()["access_token"]
    ask(issuer, scope="read")
    introspected(issuer, token)
    issuer.journal.assert_called(
        "token", times=2, auth_method="client_secret_basic", client="shop"
    )
    issuer.journal.assert_called("introspect", times=1, answer={"active": True})
    issuer.journal.assert_called("token", parameters={"scope": "read"}, times=1)
    issuer.journal.assert_not_called("authorize")
    with pytest.raises(AssertionError, match="called 2 times"):
        issuer.journal.assert_called("token", times=1)
    assert token not in str(issuer.journal.values())
    shown = issuer.journal.entries(endpoint="introspect")[0].parameters["token"]
    assert shown == issuer.journal.entries(endpoint="token")[0].answer["access_token"]
    issuer.journal.clear()
    assert issuer.journal.entries() == []


def test_drills_of_key_rotation(issuer: Issuer) -> None:
    def kids() -> list[str]:
        keys = issuer.request("GET", "/oauth2/jwks").json()["keys"]
        return [key["kid"] for key in keys if key["alg"] == "RS256"]

    first, before = kids()[0], issuer.token()
    staged = issuer.keys.stage()
    assert kids() == [first]
    issuer.keys.publish(staged)
    assert set(kids()) == {first, staged}
    issuer.keys.activate(staged)
    assert parse_jwt(issuer.token()).header["kid"] == staged
    assert issuer.explain(before)["accepted"]
    issuer.keys.retire(first)
    assert not issuer.explain(before)["accepted"]
    before = issuer.token()
    assert issuer.keys.swap() == staged
    assert kids() == [staged]
    assert not issuer.explain(before)["accepted"]
    assert kids() != [issuer.keys.emergency()] or kids() != [staged]
    assert len(kids()) == 1
    with pytest.raises(LookupError):
        issuer.keys.publish("nonsense")
    with pytest.raises(ValueError, match="not a drill"):
        issuer.keys.run("nonsense")


def test_each_refusal_names_the_clause_and_the_likely_mistake(issuer: Issuer) -> None:
    answer = ask(issuer, grant_type="nonsense").json()
    assert answer["clause"] == "RFC 6749 §5.2"
    assert "misspelt" in answer["likely_mistake"]
    assert answer["error_uri"] == "https://www.rfc-editor.org/rfc/rfc6749#section-5.2"
    wrong = issuer.request(
        "POST", "/oauth2/token", form=CLIENT_CREDENTIALS, auth=("shop", "wrong")
    )
    assert "form-encoded" in wrong.json()["likely_mistake"]
    assert "%2B" not in wrong.json()["likely_mistake"]
    blank = issuer.request(
        "POST",
        "/oauth2/token",
        form=CLIENT_CREDENTIALS,
        headers={"authorization": f"Basic {base64.b64encode(b'shop:a+b').decode()}"},
    )
    assert "%2B" in blank.json()["likely_mistake"]
    page = issuer.request(
        "GET",
        "/oauth2/authorize?client_id=shop&response_type=code&scope=openid&state=s"
        "&redirect_uri=https%3A%2F%2Fshop.example%2Fcb",
    )
    assert "PKCE" in page.header("location")


def test_the_strictness_decides_what_a_client_may_do(issuer: Issuer) -> None:
    request = (
        "/oauth2/authorize?client_id={}&response_type=code&scope=openid&state=s"
        "&redirect_uri=https%3A%2F%2F{}%2Fcb"
    )
    assert "error=" in issuer.request(
        "GET", request.format("shop", "shop.example")
    ).header("location")
    issuer.level = "certified"
    assert "error=" not in issuer.request(
        "GET", request.format("shop", "shop.example")
    ).header("location")
    assert issuer.request("GET", request.format("shop", "evil.example")).status == 400
    issuer.level = "lenient"
    assert issuer.request("GET", request.format("anybody", "evil.example")).status in {
        200,
        303,
    }
    form = CLIENT_CREDENTIALS
    for secret in ("one", "two"):
        assert (
            issuer.request(
                "POST", "/oauth2/token", form=form, auth=("anybody", secret)
            ).status
            == 200
        )
    issuer.level = "strict"
    assert (
        issuer.request(
            "POST", "/oauth2/token", form=form, auth=("anybody", "two")
        ).status
        == 401
    )
    with pytest.raises(ValueError, match="not a level"):
        issuer.level = "nonsense"


def test_reset_goes_back_to_the_seed(issuer: Issuer) -> None:
    token = ask(issuer).json()["access_token"]
    issuer.clock.travel(hours=5)
    issuer.faults.add("status")
    issuer.level = "lenient"
    issuer.reset()
    assert ask(issuer).status == 200
    assert (issuer.level, issuer.clock.state()["offset"]) == ("strict", 0.0)
    assert len(issuer.journal.entries()) == 1
    assert not issuer.explain(token)["accepted"]


def test_a_seed_is_exported_as_it_was_given(issuer: Issuer) -> None:
    seed = issuer.seed()
    assert seed["clients"][0] == SEED["clients"][0]
    assert seed["users"][0] == SEED["users"][0]
    issuer.reseed({**seed, "token_lifetime": 60})
    assert ask(issuer).json()["expires_in"] == 60
    with pytest.raises(SettingsError) as caught:
        issuer.reseed({"clients": "x", "nonsense": 1})
    assert len(caught.value.diagnostics) == 2
    assert ask(issuer).json()["expires_in"] == 60
