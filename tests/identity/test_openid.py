"""OpenID Connect: ID tokens, UserInfo, claims, subjects, prompts, hints."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any
from urllib.parse import urlencode

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from flows import (
    CALLBACK,
    ISSUER,
    NOW,
    Clock,
    allowed,
    code_for,
    error_of,
    person_at,
    redeem,
    refresh,
    tokens_for,
)
from idp import basic, call
from kapi.settings import WELL_KNOWN_CLIENT_ID as CLIENT
from person import Page, Person, authorize_path, claims_of

SHOP = "https://shop.example/cb"
CAROL = "carol's own password"


def carol(person: Person, path: str) -> Page:
    page = person.open(path)
    if 'name="password"' in page.text:
        page = person.sign_in(page, "carol", CAROL, "")
    if 'value="allow"' in page.text:
        page = person.submit(page, decision="allow")
    return page


def carols_tokens(
    person: Person, client_id: str = "shop", **more: str
) -> dict[str, Any]:
    page = carol(person, authorize_path(client_id, SHOP, **more))
    return redeem(
        person,
        page.parameters["code"],
        authorization=basic(client_id, "s"),
        redirect_uri=SHOP,
    ).json()


def userinfo(person: Person, token: str) -> Page:
    return Person(person.send).ask(
        "GET", "/oauth2/userinfo", authorization=f"Bearer {token}"
    )


def half(value: str) -> str:
    return (
        base64.urlsafe_b64encode(hashlib.sha256(value.encode()).digest()[:16])
        .rstrip(b"=")
        .decode()
    )


def test_an_id_token_says_who_when_how_and_for_whom(person: Person, app: Any) -> None:
    code = code_for(person, scope="openid", nonce="n")
    tokens = redeem(person, code).json()
    keys = KeySet.import_key_set(call(app, "GET", "/oauth2/jwks").json())
    token = jwt.decode(tokens["id_token"], keys, algorithms=["RS256"])
    assert token.header["typ"] == "JWT"
    sid = token.claims.pop("sid")
    assert token.claims == {
        "iss": ISSUER,
        "sub": "org1user",
        "aud": CLIENT,
        "azp": CLIENT,
        "exp": NOW + 3600,
        "iat": NOW,
        "auth_time": NOW,
        "acr": "1",
        "amr": ["pwd"],
        "nonce": "n",
        "at_hash": half(tokens["access_token"]),
        "c_hash": half(code),
        "organization": "org1",
    }
    assert sid not in person.cookies.values()


def test_the_scopes_decide_what_userinfo_tells(person: Person) -> None:
    told = {
        "openid": {"sub"},
        "openid profile": {"sub", "name", "preferred_username"},
        "openid email": {"sub", "email", "email_verified"},
        "openid address phone groups": {"sub", "address", "phone_number", "groups"},
    }
    for scope, names in told.items():
        answer = userinfo(person, carols_tokens(person, scope=scope)["access_token"])
        assert (answer.status, set(answer.json())) == (200, names)
        assert answer.header("cache-control") == "no-store"
        assert answer.header("access-control-allow-origin") == "*"
    narrowed = carols_tokens(person, scope="openid email profile")
    token = refresh(
        person, narrowed["refresh_token"], basic("shop", "s"), scope="openid email"
    ).json()["access_token"]
    assert set(userinfo(person, token).json()) == {"sub", "email", "email_verified"}


def test_claims_about_a_person_never_stand_for_claims_of_the_protocol(
    person: Person,
) -> None:
    asked = {
        place: dict.fromkeys(("sub", "scope", "clientId", "iss", "department"))
        for place in ("id_token", "userinfo")
    }
    tokens = carols_tokens(person, scope="openid", claims=json.dumps(asked))
    identity = claims_of(tokens["id_token"])
    assert (identity["sub"], identity["iss"], identity["department"]) == (
        "carol",
        ISSUER,
        "R&D",
    )
    assert not {"scope", "clientId"} & set(identity)
    assert userinfo(person, tokens["access_token"]).json() == {
        "sub": "carol",
        "department": "R&D",
    }


def test_the_claims_parameter_asks_one_by_one(person: Person) -> None:
    asked = {
        "id_token": {
            "email": {"essential": True},
            "department": {"value": "Sales"},
            "name": {"values": ["Carol C.", "x"]},
            "nothing": None,
        },
        "userinfo": {"department": {"value": "R&D"}},
    }
    tokens = carols_tokens(person, scope="openid", claims=json.dumps(asked))
    identity = claims_of(tokens["id_token"])
    assert (identity["email"], identity["name"]) == ("carol@example.com", "Carol C.")
    assert not {"department", "nothing"} & set(identity)
    assert userinfo(person, tokens["access_token"]).json() == {
        "sub": "carol",
        "department": "R&D",
    }


def test_groups_and_organization_stand_in_access_tokens(
    person: Person, app: Any
) -> None:
    assert claims_of(carols_tokens(person)["access_token"])["groups"] == [
        "staff",
        "admins",
    ]
    assert (
        claims_of(tokens_for(person_at(app))["access_token"])["organization"] == "org1"
    )


def test_a_pairwise_subject_is_the_clients_own(person: Person) -> None:
    one, two = (
        carols_tokens(person, "pair", scope="openid"),
        carols_tokens(person, "pair2", scope="openid"),
    )
    first, second = claims_of(one["id_token"])["sub"], claims_of(two["id_token"])["sub"]
    assert len({first, second, "carol"}) == 3
    assert (
        claims_of(carols_tokens(person, "pair", scope="openid")["id_token"])["sub"]
        == first
    )
    assert claims_of(one["access_token"])["sub"] == first
    assert userinfo(person, two["access_token"]).json()["sub"] == second


def test_userinfo_is_signed_when_the_client_wants_it(person: Person, app: Any) -> None:
    answer = userinfo(
        person, carols_tokens(person, "pair", scope="openid email")["access_token"]
    )
    assert (answer.status, answer.header("content-type")) == (200, "application/jwt")
    keys = KeySet.import_key_set(call(app, "GET", "/oauth2/jwks").json())
    token = jwt.decode(answer.text, keys, algorithms=["ES256"])
    assert (token.claims["iss"], token.claims["aud"], token.claims["email"]) == (
        ISSUER,
        "pair",
        "carol@example.com",
    )
    assert userinfo(person, answer.text).status == 401


def test_id_tokens_are_signed_as_the_client_registered(person: Person) -> None:
    header = carols_tokens(person, "pair2", scope="openid")["id_token"].split(".")[0]
    assert json.loads(base64.urlsafe_b64decode(header + "=="))["alg"] == "EdDSA"


def test_userinfo_takes_the_token_from_the_header_or_a_form_and_never_from_the_link(
    person: Person,
) -> None:
    token = tokens_for(person, scope="openid")["access_token"]
    ask = Person(person.send).ask
    assert (
        ask("POST", "/oauth2/userinfo", authorization=f"Bearer {token}").json()["sub"]
        == "org1user"
    )
    assert (
        ask(
            "POST", "/oauth2/userinfo", urlencode({"access_token": token}).encode()
        ).json()["sub"]
        == "org1user"
    )
    assert ask("GET", "/oauth2/userinfo", authorization=f"bearer {token}").status == 200
    assert ask("GET", f"/oauth2/userinfo?access_token={token}").status == 401
    both = ask(
        "POST",
        "/oauth2/userinfo",
        urlencode({"access_token": token}).encode(),
        authorization=f"Bearer {token}",
    )
    assert error_of(both) == (400, "invalid_request")
    missing = ask("GET", "/oauth2/userinfo")
    assert (missing.status, missing.header("www-authenticate")) == (
        401,
        'Bearer realm="kapi"',
    )


def test_what_is_no_access_token_opens_nothing(person: Person, clock: Clock) -> None:
    tokens = tokens_for(person, scope="openid")
    others = [
        tokens["id_token"],
        tokens["refresh_token"],
        code_for(person),
        *person.cookies.values(),
        "x",
        "a.b.c",
        "x" * 9000,
    ]
    others += [
        tokens["access_token"][:-4] + "AAAA",
        tokens["access_token"].rpartition(".")[0] + ".",
    ]
    for other in others:
        answer = userinfo(person, other)
        assert (answer.status, answer.json()["error"]) == (401, "invalid_token")
        assert 'error="invalid_token"' in answer.header("www-authenticate")
    plain = tokens_for(person)["access_token"]
    refused = userinfo(person, plain)
    assert error_of(refused) == (403, "insufficient_scope")
    assert 'scope="openid"' in refused.header("www-authenticate")
    machine = (
        Person(person.send)
        .ask(
            "POST",
            "/oauth2/token",
            b"grant_type=client_credentials&scope=openid",
            authorization=basic(),
        )
        .json()["access_token"]
    )
    assert userinfo(person, machine).status == 401
    clock.now += 3700
    assert userinfo(person, tokens["access_token"]).status == 401


def test_a_revoked_access_token_opens_nothing(person: Person) -> None:
    tokens = tokens_for(person, scope="openid")
    refresh(person, tokens["refresh_token"])
    refresh(person, tokens["refresh_token"])
    assert userinfo(person, tokens["access_token"]).status == 401


def test_prompt_none_answers_at_once(person: Person) -> None:
    path = authorize_path("shop", SHOP, prompt="none", scope="openid")
    assert person.open(path).parameters["error"] == "login_required"
    code_for(person)
    assert person.open(path).parameters["error"] == "consent_required"
    code_for(person, "shop", SHOP, scope="openid")
    assert "code" in person.open(path).parameters


def test_prompt_login_asks_again_and_keeps_the_session_id(
    person: Person, clock: Clock
) -> None:
    before = claims_of(tokens_for(person, scope="openid")["id_token"])
    clock.now += 50
    page = person.open(authorize_path(CLIENT, CALLBACK, prompt="login", scope="openid"))
    assert 'name="password"' in page.text
    page = person.sign_in(page)
    after = claims_of(redeem(person, page.parameters["code"]).json()["id_token"])
    assert (after["auth_time"], after["sid"]) == (NOW + 50, before["sid"])


def test_max_age_and_the_clients_default_ask_again(
    person: Person, clock: Clock
) -> None:
    code_for(person)
    clock.now += 100
    assert (
        "code"
        in person.open(authorize_path(CLIENT, CALLBACK, max_age="100")).parameters
    )
    assert (
        'name="password"'
        in person.open(authorize_path(CLIENT, CALLBACK, max_age="99")).text
    )
    assert (
        person.open(
            authorize_path(CLIENT, CALLBACK, max_age="99", prompt="none")
        ).parameters["error"]
        == "login_required"
    )
    page = person.open(authorize_path(CLIENT, CALLBACK, max_age="0"))
    assert "code" in person.sign_in(page).parameters
    assert "code" in person.open(authorize_path("aged", SHOP)).parameters
    clock.now += 101
    assert 'name="password"' in person.open(authorize_path("aged", SHOP)).text


def test_prompt_consent_asks_again_and_a_no_goes_back(person: Person) -> None:
    code_for(person, "shop", SHOP, scope="openid")
    page = person.open(authorize_path("shop", SHOP, scope="openid", prompt="consent"))
    assert "Allow The Shop?" in page.text
    page = person.submit(page, decision="deny")
    assert (
        page.parameters["error"],
        page.parameters["state"],
        page.parameters["iss"],
    ) == (
        "access_denied",
        "s t&ä",
        ISSUER,
    )


def test_consent_is_for_a_person_a_client_and_scopes(app: Any, person: Person) -> None:
    code_for(person, "shop", SHOP, scope="openid email")
    assert "code" in person.open(authorize_path("shop", SHOP, scope="email")).parameters
    page = person.open(authorize_path("shop", SHOP, scope="email payroll"))
    assert "<code>payroll</code>" in page.text
    other = person_at(app)
    page = other.sign_in(
        other.open(authorize_path("shop", SHOP, scope="email")),
        "org2user",
        organization="org2",
    )
    assert "See your email address" in page.text


def test_consent_may_be_asked_always_or_never(person: Person) -> None:
    code_for(person, "offline", SHOP)
    assert "Allow The Shop?" in person.open(authorize_path("offline", SHOP)).text
    assert (
        "code" in person.open(authorize_path("limited", SHOP, scope="read")).parameters
    )


def test_select_account(person: Person) -> None:
    code_for(person)
    page = person.open(authorize_path(CLIENT, CALLBACK, prompt="select_account"))
    assert "Choose an account" in page.text
    assert (
        "code"
        in person.submit(
            page, choice=dict(page.forms()[0]["buttons"][:1])["choice"]
        ).parameters
    )
    page = person.open(authorize_path(CLIENT, CALLBACK, prompt="select_account"))
    page = person.submit(page, choice="another")
    assert 'name="password"' in page.text
    page = person.submit(
        person.sign_in(page, "superAdmin", organization=""), decision="allow"
    )
    assert (
        claims_of(redeem(person, page.parameters["code"]).json()["access_token"])["sub"]
        == "superAdmin"
    )


def test_login_hint_and_id_token_hint(app: Any, person: Person, clock: Clock) -> None:
    page = person.open(authorize_path(CLIENT, CALLBACK, login_hint="org1user"))
    assert page.forms()[0]["fields"]["username"] == "org1user"
    hint = tokens_for(person, scope="openid")["id_token"]
    clock.now += 7200
    assert (
        "code"
        in person.open(
            authorize_path(
                CLIENT, CALLBACK, prompt="none", id_token_hint=hint, scope="openid"
            )
        ).parameters
    )
    other = person_at(app)
    allowed(other, authorize_path(CLIENT, CALLBACK), "org2user", "org2")
    assert (
        other.open(
            authorize_path(CLIENT, CALLBACK, prompt="none", id_token_hint=hint)
        ).parameters["error"]
        == "login_required"
    )
    page = other.open(authorize_path(CLIENT, CALLBACK, id_token_hint=hint))
    assert 'name="password"' in page.text
    assert (
        other.sign_in(page, "org2user", organization="org2").parameters["error"]
        == "login_required"
    )
    assert (
        person.open(authorize_path("shop", SHOP, id_token_hint=hint)).parameters[
            "error"
        ]
        == "invalid_request"
    )
    access = tokens_for(person)["access_token"]
    assert (
        person.open(authorize_path(CLIENT, CALLBACK, id_token_hint=access)).parameters[
            "error"
        ]
        == "invalid_request"
    )


def test_an_essential_level_of_sign_in_is_reached_or_refused(person: Person) -> None:
    def asked(*levels: str) -> str:
        return json.dumps(
            {"id_token": {"acr": {"essential": True, "values": list(levels)}}}
        )

    impossible = person.open(authorize_path("limited", SHOP, claims=asked("9")))
    assert impossible.parameters["error"] == "unmet_authentication_requirements"
    page = person.submit(
        person.open(authorize_path("limited", SHOP)), 1, one_click="superAdmin"
    )
    assert "code" in page.parameters
    page = person.open(authorize_path("limited", SHOP, claims=asked("1", "9")))
    weak = person.submit(page, 1, one_click="superAdmin")
    assert weak.parameters["error"] == "unmet_authentication_requirements"
    page = person.open(authorize_path("limited", SHOP, claims=asked("1")))
    assert "code" in person.sign_in(page, "superAdmin", organization="").parameters
    assert (
        "code"
        in person.open(
            authorize_path("limited", SHOP, claims=asked("1"), prompt="none")
        ).parameters
    )


def test_a_client_may_ask_for_a_certain_person(person: Person) -> None:
    claims = json.dumps({"id_token": {"sub": {"value": "org1user"}}})
    page = person.open(authorize_path("limited", SHOP, claims=claims))
    assert (
        person.sign_in(page, "org2user", organization="org2").parameters["error"]
        == "login_required"
    )
    page = person.open(authorize_path("limited", SHOP, claims=claims))
    assert "code" in person.sign_in(page).parameters


@pytest.mark.parametrize(
    "name", ["ui_locales", "acr_values", "claims_locales", "display", "anything"]
)
def test_what_is_only_a_wish_changes_nothing(person: Person, name: str) -> None:
    code_for(person)
    assert (
        "code"
        in person.open(authorize_path(CLIENT, CALLBACK, **{name: "xx yy"})).parameters
    )


def test_discovery_says_what_is_there(app: Any) -> None:
    document = call(app, "GET", "/.well-known/openid-configuration").json()
    assert document["response_types_supported"] == ["code"]
    assert document["response_modes_supported"][:3] == [
        "query",
        "fragment",
        "form_post",
    ]
    assert document["code_challenge_methods_supported"] == ["S256"]
    assert document["authorization_response_iss_parameter_supported"] is True
    assert document["subject_types_supported"] == ["public", "pairwise"]
    for name in (
        "authorization_endpoint",
        "token_endpoint",
        "userinfo_endpoint",
        "end_session_endpoint",
        "jwks_uri",
    ):
        assert document[name].startswith("https://idp.am.wso2.com:9095/")
    assert {"none", "login", "consent", "select_account"} == set(
        document["prompt_values_supported"]
    )
