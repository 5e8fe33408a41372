"""Sign-in at the console without a platform: what the browser and the provider are sent."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from console_parts import World, console_world

from console_browser import Browser, token_of

SESSION, WAITING = "__Host-kapi-console", "__Host-kapi-console-sign-in"
ORIGIN = "https://console.am.wso2.com:9095"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with console_world(tmp_path) as made:
        yield made


def started(browser: Browser) -> dict[str, str]:
    """The parameters that the provider gets."""
    return browser.console.ask("GET", "/console/sign-in").parameters


def test_a_person_without_a_session_is_sent_to_the_sign_in(world: World) -> None:
    page = world.browser().console.ask("GET", "/console/")
    assert (page.status, page.location) == (303, "/console/sign-in")
    part = world.browser(hx_request="true").console.ask("GET", "/console/")
    assert (part.status, part.header("hx-redirect")) == (204, "/console/sign-in")
    assert world.apis.calls == []


def test_the_provider_is_asked_for_a_code_of_this_browser(world: World) -> None:
    browser = world.browser()
    page = browser.console.ask("GET", "/console/sign-in")
    address = urlsplit(page.location)
    assert page.status == 303
    assert (address.netloc, address.path) == (
        "idp.am.wso2.com:9095",
        "/oauth2/authorize",
    )
    asked = page.parameters
    assert (
        asked.items()
        >= {
            "response_type": "code",
            "client_id": "kapi-console",
            "redirect_uri": f"{ORIGIN}/console/callback",
            "scope": "openid",
            "code_challenge_method": "S256",
        }.items()
    )
    assert "prompt" not in asked
    cookie = page.header("set-cookie")
    assert cookie.startswith(f"{WAITING}={asked['state']}.")
    assert cookie.endswith("; Path=/; Max-Age=600; Secure; HttpOnly; SameSite=Lax")
    assert started(browser)["state"] != asked["state"]
    again = browser.console.ask("GET", "/console/sign-in?again")
    assert again.parameters["prompt"] == "login"


def test_a_code_of_this_browser_starts_a_session(world: World) -> None:
    browser = world.browser()
    asked = started(browser)
    world.tokens.gives(access_token="token of olivia")
    page = browser.console.ask(
        "GET", f"/console/callback?code=a+code&state={asked['state']}"
    )
    assert (page.status, page.location) == (303, "/console/")
    assert page.header("cache-control") == "no-store"
    assert set(browser.console.cookies) == {SESSION}
    ((headers, form),) = world.tokens.asked
    assert (headers[":path"], headers["host"]) == (
        "/oauth2/token",
        "idp.am.wso2.com:9095",
    )
    scheme, _, pair = headers["authorization"].partition(" ")
    assert (scheme, base64.b64decode(pair)) == (
        "Basic",
        b"kapi-console:secret+of+the%3Aconsole",
    )
    digest = hashlib.sha256(form.pop("code_verifier").encode()).digest()
    assert base64.urlsafe_b64encode(digest).decode() == asked["code_challenge"] + "="
    assert form == {
        "grant_type": "authorization_code",
        "code": "a code",
        "redirect_uri": f"{ORIGIN}/console/callback",
    }
    world.apis.answer("GET", "/api/deployer/apis", {"apis": []})
    shown = browser.open("/console/")
    assert shown.status == 200
    assert "olivia</a> · acme · operator" in shown.text


@pytest.mark.parametrize(
    ("cookie", "state"),
    [
        ("", "guessed"),
        ("", ""),
        (".verifier", ""),
        ("own.verifier", ""),
        ("own.verifier", "other"),
        ("own.verifier", "own.verifier"),
        ("own.verifier", "%C3%A4"),
    ],
)
def test_a_code_for_another_browser_starts_no_session(
    world: World, cookie: str, state: str
) -> None:
    browser = world.browser()
    if cookie:
        browser.console.cookies[WAITING] = cookie
    world.tokens.gives(access_token="token of olivia")
    page = browser.console.ask("GET", f"/console/callback?code=c&state={state}")
    assert page.status == 400
    assert "This sign-in is not of this browser" in page.text
    assert "/console/sign-in?again" in page.text
    assert SESSION not in browser.console.cookies
    assert world.tokens.asked == []


def test_a_person_whom_the_provider_does_not_sign_in_gets_no_session(
    world: World,
) -> None:
    browser = world.browser()
    state = started(browser)["state"]
    refusal = f"/console/callback?error=access_denied&state={state}"
    page = browser.console.ask("GET", refusal)
    assert page.status == 400
    assert "The provider did not sign you in." in page.text
    assert world.tokens.asked == []
    assert SESSION not in browser.console.cookies


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b'{"error": "invalid_grant"}', "The provider did not accept the sign-in."),
        (b'{"access_token": 1}', "The provider did not accept the sign-in."),
        (b'["access_token"]', "The provider did not accept the sign-in."),
        (b"<html>", "The provider does not answer. Try again."),
    ],
)
def test_a_code_that_the_provider_refuses_starts_no_session(
    world: World, answer: bytes, why: str
) -> None:
    browser = world.browser()
    state = started(browser)["state"]
    world.tokens.answer = answer
    page = browser.console.ask("GET", f"/console/callback?code=c&state={state}")
    assert page.status == 400
    assert why in page.text
    assert SESSION not in browser.console.cookies


def test_an_answer_of_the_provider_has_a_limit(world: World) -> None:
    for size, status in ((64 * 1024, 303), (64 * 1024 + 1, 400)):
        browser = world.browser()
        state = started(browser)["state"]
        answer = json.dumps({"access_token": "token of olivia"}).encode()
        world.tokens.answer = answer[:-1].ljust(size - 1) + b"}"
        page = browser.console.ask("GET", f"/console/callback?code=c&state={state}")
        assert page.status == status


def test_a_provider_that_is_away(tmp_path: Path) -> None:
    with console_world(tmp_path) as world:
        browser = world.browser()
        state = started(browser)["state"]
    page = browser.console.ask("GET", f"/console/callback?code=c&state={state}")
    assert page.status == 400
    assert "The provider does not answer. Try again." in page.text


@pytest.mark.parametrize("name", ["nora", "stranger"])
def test_a_person_without_a_role_gets_no_session(world: World, name: str) -> None:
    browser = world.browser()
    page = world.callback(browser, name)
    assert page.status == 403
    assert "No role at the console" in page.text
    assert "console.operator_groups" in page.text
    assert SESSION not in browser.console.cookies
    assert browser.console.ask("GET", "/console/").location == "/console/sign-in"


@pytest.mark.parametrize(
    ("host", "console", "provider"),
    [
        ("CONSOLE.localhost:9095", "console.localhost:9095", "idp.localhost:9095"),
        ("console.am.wso2.com", "console.am.wso2.com:9095", "idp.am.wso2.com:9095"),
        ("evil.example", "console.am.wso2.com:9095", "idp.am.wso2.com:9095"),
    ],
)
def test_the_names_of_a_sign_in_are_those_of_one_family(
    world: World, host: str, console: str, provider: str
) -> None:
    browser = world.browser(host=host)
    page = browser.console.ask("GET", "/console/sign-in")
    assert urlsplit(page.location).netloc == provider
    address = f"https://{console}/console/callback"
    assert page.parameters["redirect_uri"] == address
    assert world.callback(browser, "rita").status == 303
    ((headers, form),) = world.tokens.asked
    assert (headers["host"], form["redirect_uri"]) == (provider, address)


def test_sign_out_ends_the_session_and_goes_to_the_provider(world: World) -> None:
    world.apis.answer("GET", "/api/deployer/apis", {"apis": []})
    browser = world.signed_in("rita")
    secret = browser.console.cookies[SESSION]
    page = browser.open("/console/")
    for token, status in (("0" * 64, 403), ("0" * 256, 403), ("0" * 257, 413)):
        assert browser.send("/console/sign-out", {"token": token}).status == status
    assert browser.open("/console/").status == 200
    left = browser.send("/console/sign-out", {"token": token_of(page)})
    assert left.status == 303
    assert left.location.startswith("https://idp.am.wso2.com:9095/oidc/logout?")
    assert left.parameters == {
        "client_id": "kapi-console",
        "post_logout_redirect_uri": f"{ORIGIN}/console/",
    }
    assert browser.console.cookies == {}
    browser.console.cookies[SESSION] = secret
    assert browser.console.ask("GET", "/console/").location == "/console/sign-in"
