"""Clients with a FAPI 2.0 profile: one setting turns on each demand, and nothing weaker gets
through.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from client_keys import key, proof, public, signed
from idp import Answer, call, identity_app
from kapi.identity.client_facts import client_mistakes
from kapi.settings import ClientSettings, IdentitySettings, Settings
from kapi.store import Store
from person import Page, Person, Pkce, claims_of, over_asgi

NOW = 1_800_000_000
ISSUER = "https://idp.am.wso2.com/token"
BASE = "https://idp.am.wso2.com:9095"
BACK = "https://bank.example/cb"
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
COMMON: dict[str, Any] = {
    "grants": ("authorization_code", "refresh_token"),
    "redirect_uris": (BACK,),
    "token_endpoint_auth_method": "private_key_jwt",
    "jwks": public(key("PS256"), key("RS256"), key("ES256")),
    "consent": "never",
}
BANK = ClientSettings(id="bank", profile="fapi2", **COMMON)
SIGNS = ClientSettings(id="signs", profile="fapi2-message-signing", **COMMON)
PLAIN = ClientSettings(
    id="plain", **{**COMMON, "require_request_object_lifetime": True}
)
COUNT = iter(range(10**6))


@pytest.fixture
def clock() -> list[int]:
    return [NOW]


@pytest.fixture
def app(tmp_path: Path, clock: list[int]) -> Any:
    settings = IdentitySettings(clients=(BANK, SIGNS, PLAIN), code_lifetime=600)
    store = Store.open(tmp_path / "kapi.db")
    return identity_app(Settings(tmp_path, settings), store, lambda: clock[0])


@pytest.fixture
def person(app: Any) -> Person:
    return Person(over_asgi(app))


def assertion(
    client: str, algorithm: str = "PS256", aud: Any = ISSUER
) -> dict[str, str]:
    claims = {
        "iss": client,
        "sub": client,
        "aud": aud,
        "exp": NOW + 60,
        "jti": f"a{next(COUNT)}",
    }
    return {
        "client_id": client,
        "client_assertion_type": ASSERTION,
        "client_assertion": signed(claims, key(algorithm)),
    }


def post(app: Any, path: str, form: dict[str, Any], **headers: Any) -> Answer:
    sent = {name: value for name, value in form.items() if value is not None}
    return call(app, path=path, body=urlencode(sent).encode(), **headers)


def push(app: Any, client: str, pkce: Pkce, **changed: Any) -> Answer:
    form: dict[str, Any] = {
        "response_type": "code",
        "redirect_uri": BACK,
        "scope": "openid",
        "state": "s",
        "code_challenge": pkce.challenge,
        "code_challenge_method": "S256",
        **assertion(client),
    }
    return post(app, "/oauth2/par", form | changed)


def request_object(client: str, pkce: Pkce, **changed: Any) -> str:
    claims = {
        "iss": client,
        "aud": ISSUER,
        "client_id": client,
        "nbf": NOW - 5,
        "exp": NOW + 300,
        "response_type": "code",
        "redirect_uri": BACK,
        "scope": "openid",
        "code_challenge": pkce.challenge,
        "code_challenge_method": "S256",
    } | changed
    made = {name: value for name, value in claims.items() if value is not None}
    return signed(made, key("PS256"))


def push_signed(app: Any, client: str, text: str) -> Answer:
    return post(app, "/oauth2/par", {"request": text, **assertion(client)})


def open_pushed(person: Person, client: str, pushed: Answer) -> Page:
    assert pushed.status == 201, pushed.body
    link = urlencode({"client_id": client, "request_uri": pushed.json()["request_uri"]})
    page = person.open(f"/oauth2/authorize?{link}")
    return person.sign_in(page) if "Sign in" in page.text else page


def redeem(
    app: Any, client: str, code: str, pkce: Pkce, now: int = NOW, **headers: Any
) -> Answer:
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": BACK,
        "code_verifier": pkce.verifier,
        **assertion(client),
    }
    return post(app, "/oauth2/token", form, **headers)


def dpop(algorithm: str = "ES256", now: int = NOW) -> dict[str, str]:
    return {"dpop": proof(key(algorithm), "POST", f"{BASE}/oauth2/token", now)}


def header_of(token: str) -> Any:
    part = token.partition(".")[0]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def test_the_whole_flow(app: Any, person: Person) -> None:
    pkce = Pkce()
    page = open_pushed(person, "bank", push(app, "bank", pkce))
    answer = redeem(app, "bank", page.parameters["code"], pkce, **dpop())
    assert answer.status == 200, answer.body
    assert answer.json()["token_type"] == "DPoP"
    for name in ("access_token", "id_token"):
        assert header_of(answer.json()[name])["alg"] == "PS256"


def test_refresh_tokens_do_not_rotate(app: Any, person: Person) -> None:
    """FAPI 2.0 Security Profile §5.3.2.1."""
    pkce = Pkce()
    page = open_pushed(person, "bank", push(app, "bank", pkce))
    token = redeem(app, "bank", page.parameters["code"], pkce, **dpop()).json()[
        "refresh_token"
    ]
    for later in (1, 2):
        fields = assertion("bank") | {
            "grant_type": "refresh_token",
            "refresh_token": token,
        }
        answer = post(app, "/oauth2/token", fields, **dpop(now=NOW + later))
        assert (answer.status, "refresh_token" in answer.json()) == (200, False), (
            answer.body
        )


def test_a_token_without_a_key_is_refused(app: Any, person: Person) -> None:
    pkce = Pkce()
    page = open_pushed(person, "bank", push(app, "bank", pkce))
    answer = redeem(app, "bank", page.parameters["code"], pkce)
    assert (answer.status, answer.json()["error"]) == (400, "invalid_dpop_proof")


def test_a_proof_signed_with_rs256_is_refused(app: Any, person: Person) -> None:
    pkce = Pkce()
    page = open_pushed(person, "bank", push(app, "bank", pkce))
    answer = redeem(app, "bank", page.parameters["code"], pkce, **dpop("RS256"))
    assert answer.json()["error"] == "invalid_dpop_proof"


def test_a_code_is_valid_for_a_minute(
    app: Any, person: Person, clock: list[int]
) -> None:
    pkce = Pkce()
    page = open_pushed(person, "bank", push(app, "bank", pkce))
    clock[0] += 61
    answer = redeem(app, "bank", page.parameters["code"], pkce, **dpop(now=clock[0]))
    assert answer.json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
        ({"redirect_uri": None, "scope": "default"}, "invalid_request"),
        (assertion("bank", "RS256"), "invalid_client"),
        (assertion("bank", aud=f"{BASE}/oauth2/token"), "invalid_client"),
        (assertion("bank", aud=[ISSUER]), "invalid_client"),
    ],
)
def test_a_pushed_request_that_is_too_weak(app: Any, changed: Any, error: str) -> None:
    assert push(app, "bank", Pkce(), **changed).json()["error"] == error


def test_a_request_must_be_pushed(person: Person) -> None:
    query = {
        "client_id": "bank",
        "response_type": "code",
        "redirect_uri": BACK,
        "state": "s",
    }
    page = person.open(f"/oauth2/authorize?{urlencode(query)}")
    assert (page.status, "must push" in page.text) == (400, True)


def test_message_signing_signs_the_answer(app: Any, person: Person) -> None:
    pkce = Pkce()
    pushed = push_signed(app, "signs", request_object("signs", pkce))
    page = open_pushed(person, "signs", pushed)
    assert set(page.parameters) == {"response"}
    assert header_of(page.parameters["response"])["alg"] == "PS256"
    code = claims_of(page.parameters["response"])["code"]
    assert redeem(app, "signs", code, pkce, **dpop()).status == 200


def test_message_signing_refuses_plain_requests_and_answers(app: Any) -> None:
    plain = push(app, "signs", Pkce())
    assert (plain.status, plain.json()["error"]) == (400, "invalid_request")
    text = request_object("signs", Pkce(), response_mode="query")
    assert push_signed(app, "signs", text).json()["error"] == "invalid_request"


@pytest.mark.parametrize("client", ["signs", "plain"])
@pytest.mark.parametrize(
    "changed",
    [
        {"exp": None},
        {"nbf": None},
        {"aud": None},
        {"nbf": NOW - 4000},
        {"nbf": NOW + 600, "exp": NOW + 900},
        {"exp": NOW - 60},
    ],
)
def test_a_request_object_has_a_lifetime(app: Any, client: str, changed: Any) -> None:
    answer = push_signed(app, client, request_object(client, Pkce(), **changed))
    assert answer.json()["error"] == "invalid_request_object"


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        (
            {"token_endpoint_auth_method": "client_secret_basic"},
            "token_endpoint_auth_method",
        ),
        ({"grants": ("authorization_code", "password")}, "password"),
        ({"redirect_uris": ("http://bank.example/cb",)}, "https"),
        ({"id_token_signed_response_alg": "RS512"}, "id_token_signed_response_alg"),
        ({"request_object_signing_alg": "RS256"}, "request_object_signing_alg"),
    ],
)
def test_a_setting_that_contradicts_the_profile(changed: Any, word: str) -> None:
    client = ClientSettings(id="bank", profile="fapi2", **{**COMMON, **changed})
    assert any(
        "profile fapi2" in text and word in text for text in client_mistakes(client)
    )


def test_a_profile_allows_what_it_needs() -> None:
    native = ClientSettings(
        id="bank",
        profile="fapi2",
        **{**COMMON, "redirect_uris": ("http://127.0.0.1/cb",)},
    )
    assert list(client_mistakes(native)) == []
