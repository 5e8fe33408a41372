"""The authorization code grant, from the link to the tokens, as a browser and a client drive it."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from idp import basic, identity_app
from kapi.settings import WELL_KNOWN_CLIENT_ID as CLIENT
from kapi.settings import IdentitySettings, Settings
from kapi.store import Store
from person import Page, Person, Pkce, authorize_path, claims_of, over_asgi

NOW = 1_800_000_000
CALLBACK = "http://httpbin.org"
ISSUER = "https://idp.am.wso2.com/token"


class Clock:
    now = NOW

    def __call__(self) -> float:
        return float(self.now)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def app(tmp_path: Path, clock: Clock) -> Any:
    return identity_app(Settings(Path("/nowhere"), IdentitySettings()), Store.open(tmp_path / "kapi.db"), clock)


@pytest.fixture
def person(app: Any) -> Person:
    return Person(over_asgi(app))


def redeem(person: Person, code: str, pkce: Pkce | None = None, authorization: str = "", **more: str) -> Page:
    fields = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, **more}
    if pkce is not None:
        fields["code_verifier"] = pkce.verifier
    return Person(person.send).ask("POST", "/oauth2/token", urlencode(fields).encode(), authorization=authorization or basic())


def refresh(person: Person, token: str, **more: str) -> Page:
    return Person(person.send).ask(
        "POST", "/oauth2/token", urlencode({"grant_type": "refresh_token", "refresh_token": token, **more}).encode(), authorization=basic()
    )


def allowed(person: Person, path: str) -> Page:
    """Sign in if asked, allow if asked; the redirect to the client."""
    page = person.open(path)
    if "Sign in" in page.text:
        page = person.sign_in(page)
    if "Allow " in page.text:
        page = person.submit(page, decision="allow")
    assert page.status == 303, page.text
    return page


def test_sign_in_consent_code_and_tokens(person: Person) -> None:
    pkce = Pkce()
    page = person.open(authorize_path(CLIENT, CALLBACK, pkce, scope="openid default", nonce="n-1"))
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
    body = answer.json()
    assert list(body) == ["access_token", "token_type", "expires_in", "scope", "refresh_token", "id_token"]
    access = claims_of(body["access_token"])
    assert (access["sub"], access["clientId"], access["scope"], access["organization"]) == ("org1user", CLIENT, "openid default", "org1")
    identity = claims_of(body["id_token"])
    assert (identity["iss"], identity["sub"], identity["aud"], identity["nonce"]) == (ISSUER, "org1user", CLIENT, "n-1")
    assert identity["auth_time"] == NOW
    assert identity["amr"] == ["pwd"]
    # The second time nothing is asked.
    again = person.open(authorize_path(CLIENT, CALLBACK, pkce, scope="openid"))
    assert again.status == 303
    assert "code" in again.parameters


def test_a_second_use_of_a_code_revokes_what_the_first_one_issued(person: Person) -> None:
    pkce = Pkce()
    code = allowed(person, authorize_path(CLIENT, CALLBACK, pkce)).parameters["code"]
    first = redeem(person, code, pkce).json()
    second = redeem(person, code, pkce)
    assert (second.status, second.json()["error"]) == (400, "invalid_grant")
    assert refresh(person, first["refresh_token"]).json()["error"] == "invalid_grant"


def test_refreshing_rotates_and_reuse_ends_the_family(person: Person) -> None:
    first = redeem(person, allowed(person, authorize_path(CLIENT, CALLBACK)).parameters["code"]).json()
    second = refresh(person, first["refresh_token"])
    assert second.status == 200
    third = refresh(person, second.json()["refresh_token"]).json()
    assert refresh(person, first["refresh_token"]).json()["error"] == "invalid_grant"
    assert refresh(person, third["refresh_token"]).json()["error"] == "invalid_grant"
