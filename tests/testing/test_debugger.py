"""The client debugger without a browser: each grant is run, and every message is on the page."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from kapi.testing import Server
from person import Page, Person, over_asgi

PAGE = "/testing/debugger"
SAME_ORIGIN = {"origin": "https://idp.kapi.test"}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server() as server:
        yield server


@pytest.fixture
def person(server: Server) -> Person:
    return Person(
        over_asgi(server.app), headers={"host": "idp.kapi.test", **SAME_ORIGIN}
    )


def step(person: Person, name: str, **fields: str) -> Page:
    return person.submit(person.open(PAGE), step=name, **fields)


def shown(person: Person) -> str:
    return person.open(PAGE).text


def test_grants_of_a_client_for_itself(person: Person) -> None:
    step(person, "client_credentials", scope="read")
    text = shown(person)
    assert "grant_type=client_credentials" in text
    assert "&#34;access_token&#34;" in text
    assert "an access token" in text
    for name in (
        "introspect",
        "exchange",
        "revoke",
        "userinfo",
        "jwt_bearer",
        "password",
    ):
        step(person, name)
    text = shown(person)
    titles = (
        "Introspection",
        "Token exchange",
        "Revocation",
        "UserInfo",
        "JWT bearer",
        "Password",
    )
    assert [title for title in titles if title not in text] == []
    step(person, "clear")
    assert "None yet" in shown(person)


def test_a_wrong_secret_is_explained(person: Person) -> None:
    step(person, "client_credentials", client_id="kapi-debugger", client_secret="wrong")
    assert "likely_mistake" in shown(person)
    step(person, "clear")
    step(person, "client_credentials", extra="grant_type=nonsense")
    assert "unsupported_grant_type" in shown(person)


def test_the_code_grant_passes_the_sign_in_page(person: Person) -> None:
    page = step(person, "code", scope="openid offline_access")
    page = person.open(page.location.removeprefix("https://idp.kapi.test"))
    page = person.submit(person.sign_in(page), decision="allow")
    assert page.location.startswith("https://idp.kapi.test/testing/debugger/callback")
    person.open(page.location.removeprefix("https://idp.kapi.test"))
    text = shown(person)
    for title in (
        "Authorization request",
        "Authorization response",
        "Token request with the code",
    ):
        assert title in text
    assert "code_verifier=" in text
    step(person, "userinfo")
    assert "&#34;sub&#34;: &#34;org1user&#34;" in shown(person)


def test_device_and_ciba_wait_for_a_person(person: Person) -> None:
    for begin, poll in (("device", "device_poll"), ("ciba", "ciba_poll")):
        step(person, begin, scope="openid")
        step(person, poll)
        text = shown(person)
        assert "authorization_pending" in text
        assert re.search(r'<a href="https://idp\.kapi\.test/[^"]+"', text)
        step(person, "clear")


def test_an_issuer_of_its_own_has_its_own_page(server: Server, person: Person) -> None:
    server.emulate("auth0", domain="acme.eu.auth0.com")
    page = person.open("/testing/issuers/auth0/debugger")
    assert "https://acme.eu.auth0.com/" in page.text
    person.submit(page, step="client_credentials")
    assert "POST /oauth/token" in person.open("/testing/issuers/auth0/debugger").text


def test_other_sites_are_refused_and_nothing_runs_in_the_page(server: Server) -> None:
    stranger = Person(over_asgi(server.app), headers={"host": "idp.kapi.test"})
    page = stranger.open(PAGE)
    policy = page.header("content-security-policy")
    assert "default-src 'none'" in policy
    assert "script" not in page.text
    for origin in ({}, {"origin": "https://evil.example"}):
        answer = stranger.ask("POST", PAGE, b"step=client_credentials", **origin)
        assert answer.status == 403
    assert stranger.open(f"{PAGE}/callback?code=c&state=s").status == 400
