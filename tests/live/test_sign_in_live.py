"""A person signs in through the gateway, and the client's tokens open APIs until they are
revoked.
"""

from __future__ import annotations

import time
from urllib.parse import urlencode

import pytest

from harness import BASIC, DEFINITION, Platform, conf
from idp import provider_of
from kapi.identity.people.logout import EVENT
from kapi.settings import WELL_KNOWN_CLIENT_ID as CLIENT
from kapi.settings import Settings
from kapi.store import Store
from person import Page, Person, Pkce, authorize_path, over_https
from waiting import until

CALLBACK = "http://httpbin.org"
GW = "default.gw.wso2.com"


@pytest.fixture
def person(platform: Platform) -> Person:
    return Person(over_https(platform.port))


def code_of(person: Person, pkce: Pkce, scope: str = "openid default") -> str:
    page = person.open(authorize_path(CLIENT, CALLBACK, pkce, scope=scope))
    if page.status == 200 and "Sign in" in page.text:
        page = person.sign_in(page, "superAdmin", organization="")
    if page.status == 200:
        page = person.submit(page, decision="allow")
    assert page.status == 303, page.text
    return page.parameters["code"]


def token_request(person: Person, **fields: str) -> Page:
    return Person(person.send).ask(
        "POST",
        "/oauth2/token",
        urlencode(fields).encode(),
        authorization=f"Basic {BASIC}",
    )


def test_tokens_of_a_person_open_an_api_and_a_replayed_code_closes_it(
    platform: Platform, person: Person, echo: int
) -> None:
    assert platform.deploy(conf(port=echo), DEFINITION).status == 200
    pkce = Pkce()
    code = code_of(person, pkce)
    fields = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": CALLBACK,
        "code_verifier": pkce.verifier,
    }
    tokens = token_request(person, **fields).json()

    def call(token: str) -> int:
        return platform.request(
            GW, "/echo/1.0.0/items", "-H", f"Authorization: Bearer {token}"
        ).status

    assert call(tokens["access_token"]) == 200
    fresh = token_request(
        person, grant_type="refresh_token", refresh_token=tokens["refresh_token"]
    ).json()
    assert call(fresh["access_token"]) == 200
    # None of the other things that were issued is an access token.
    assert {
        call(tokens["id_token"]),
        call(code),
        call(fresh["refresh_token"]),
        call(person.cookies["__Host-kapi-session"]),
    } == {401}
    for other in (tokens["id_token"], code, fresh["refresh_token"]):
        assert platform.api("/api/deployer/1.2.0/apis", token=other).status == 401
    assert token_request(person, **fields).json()["error"] == "invalid_grant"
    until(
        lambda: (
            (call(tokens["access_token"]), call(fresh["access_token"])) == (401, 401)
        )
    )


def test_nothing_else_that_we_sign_is_an_access_token(
    platform: Platform, person: Person, echo: int
) -> None:
    """Signed with the very key of access tokens, for the issuer, in time: only what kind of token
    it is can keep it out.
    """
    platform.deploy(conf(port=echo), DEFINITION)
    provider = provider_of(
        Settings(platform.data_dir), Store.open(platform.data_dir / "kapi.db")
    )
    now = int(time.time())
    base = {
        "iss": provider.settings.identity.issuer,
        "sub": "superAdmin",
        "iat": now,
        "exp": now + 600,
        "jti": provider.new_id(),
    }
    of_client = {**base, "aud": CLIENT, "sid": "s"}
    scoped = {"clientId": CLIENT, "scope": "openid default apk:api_create"}
    others = {
        "logout token": ({**of_client, "events": {EVENT: {}}}, "logout+jwt"),
        "logout token that says JWT": (
            {**of_client, **scoped, "events": {EVENT: {}}},
            "JWT",
        ),
        "ID token": ({**of_client, "auth_time": now, "nonce": "n"}, "JWT"),
        "ID token of a token exchange": (
            {**of_client, "azp": CLIENT, "auth_time": now, "groups": ["admins"]},
            "JWT",
        ),
        "the same with the type of access tokens": (
            {**of_client, "azp": CLIENT, "client_id": CLIENT, "scope": "openid"},
            "at+jwt",
        ),
        "ID token with scopes": (
            {**of_client, **scoped, "auth_time": now, "at_hash": "x"},
            "JWT",
        ),
        "signed UserInfo": (
            {"iss": base["iss"], "aud": CLIENT, "sub": "superAdmin", **scoped},
            "JWT",
        ),
        "introspection answer": ({**of_client, **scoped}, "token-introspection+jwt"),
        "request object": ({**of_client, **scoped}, "oauth-authz-req+jwt"),
        "client assertion": ({**of_client, **scoped}, "client-authentication+jwt"),
        "DPoP proof": ({**of_client, **scoped}, "dpop+jwt"),
    }

    def opened_by(token: str) -> set[int]:
        told = (
            Person(person.send)
            .ask("GET", "/oauth2/userinfo", authorization=f"Bearer {token}")
            .status
        )
        gateway = platform.request(
            GW, "/echo/1.0.0/items", "-H", f"Authorization: Bearer {token}"
        ).status
        return {
            gateway,
            platform.api("/api/deployer/1.2.0/apis", token=token).status,
            told,
        }

    accepted = provider.signer.sign({**base, **scoped}, "JWT")
    assert (
        platform.request(
            GW, "/echo/1.0.0/items", "-H", f"Authorization: Bearer {accepted}"
        ).status
        == 200
    )
    assert {
        name: opened_by(provider.signer.sign(claims, kind))
        for name, (claims, kind) in others.items()
    } == {key: {401} for key in others}
