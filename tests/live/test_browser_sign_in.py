"""Browsers that the gateway sends to a provider to sign in, with the inbuilt one."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

import pytest

from browser import HTML, Browser
from gateway_sign_in import HOST, KEY, registered
from gateway_sign_in import sign_in_conf as conf
from harness import DEFINITION, Answer, Platform
from harness import conf as plain
from kapi.apis.compile import api_id
from standin import Key, StandIn
from waiting import awaited

IDP = "idp.am.wso2.com"


@pytest.fixture(scope="module")
def base(platform: Platform, echo: int) -> str:
    """The URL of an API with sign-in."""
    url = f"https://{HOST}:{platform.port}/signs/1.0.0"
    client = registered(platform, "signs", url)
    platform.cli("secret", "set", "signs", "client", stdin=client["client_secret"])
    platform.cli("secret", "set", "signs", "session", stdin=KEY)
    platform.secrets += [client["client_secret"], KEY]
    made = conf("signs", echo, clientId=client["client_id"], scopes=["items:read"])
    answer = platform.deploy(made, DEFINITION)
    assert answer.status == 200, answer.body
    return url


@pytest.fixture
def browser(platform: Platform) -> Browser:
    return Browser(platform.port)


@pytest.fixture(scope="module")
def signed_in(platform: Platform, base: str) -> tuple[Browser, Answer]:
    """A browser with a session, and the page that it came back to."""
    browser = Browser(platform.port)
    return browser, browser.signed_in(browser.open(f"{base}/items?page=2"))


def test_a_browser_comes_back_to_the_page_it_asked_for(
    base: str, signed_in: tuple[Browser, Answer]
) -> None:
    browser, page = signed_in
    assert (page.status, page.json()["path"]) == (200, "/items?page=2")
    assert browser.url == f"{base}/items?page=2"
    assert not {"cookie", "authorization"} & page.json()["headers"].keys()


def test_scripts_of_the_page_use_the_session(
    base: str, signed_in: tuple[Browser, Answer]
) -> None:
    browser, _ = signed_in
    for more in ((), ("-d", "x=1")):
        answer = browser.ask(
            f"{base}/items",
            "-H",
            "Accept: application/json",
            *more,
            more_cookies="own=1; x=2",
        )
        assert answer.status == 200
        assert sorted(answer.json()["headers"]["cookie"].split("; ")) == [
            "own=1",
            "x=2",
        ]


def test_scopes_are_those_of_the_token(
    base: str, signed_in: tuple[Browser, Answer]
) -> None:
    assert signed_in[0].ask(f"{base}/admin").json()["code"] == "900910"


def api_id_of(name: str) -> str:
    return api_id("default", name, "1.0.0")


@pytest.mark.parametrize(
    "sent",
    [
        ("-H", "Accept: application/json"),
        (),
        ("-H", "Accept: text/html", "-d", "x=1"),
        ("-H", "Accept: text/html", "-H", "Authorization: Bearer x"),
        (
            "-H",
            "Accept: application/json",
            "-H",
            "Cookie: {cookie}-seal=x; {cookie}-token=x",
        ),
    ],
)
def test_what_is_no_page_is_refused_as_everywhere(
    base: str, browser: Browser, sent: tuple[str, ...]
) -> None:
    cookie = (
        f"__Host-gateway-{hashlib.sha256(api_id_of('signs').encode()).hexdigest()[:12]}"
    )
    answer = browser.ask(
        f"{base}/items", *(item.format(cookie=cookie) for item in sent)
    )
    assert answer.status == 401
    assert answer.json()["code"] in {"900901", "900902"}
    assert "Bearer" in answer.headers["www-authenticate"]
    assert "set-cookie" not in answer.headers


def test_callers_with_tokens_pass_by(
    platform: Platform, base: str, browser: Browser
) -> None:
    token = f"Authorization: Bearer {platform.token('items:read')}"
    assert (
        browser.ask(f"{base}/items", "-H", token, "-H", "Accept: text/html").status
        == 200
    )


def begun(browser: Browser, base: str) -> str:
    """The URL by which the inbuilt provider sends back a browser that began to sign in."""
    page = browser.open(f"{base}/items?page=3")
    host = urlsplit(base).hostname or ""
    fields = {"username": "org1user", "password": "org1user", "organization": "org1"}
    page = browser.submit(page, stop_at=host, **fields)
    if b'name="decision"' in page.body:
        page = browser.submit(page, stop_at=host, decision="allow")
    return page.headers["location"]


@pytest.mark.parametrize("change", ["other browser", "code", "state", "nothing"])
def test_only_the_browser_that_began_signs_in(
    platform: Platform, base: str, browser: Browser, change: str
) -> None:
    url = begun(browser, base)
    visitor = Browser(platform.port) if change == "other browser" else browser
    if change in {"code", "state"}:
        url = re.sub(rf"([?&]{change}=...)[^&]", lambda found: f"{found[1]}_", url)
    answer = visitor.ask(url, *HTML)
    if change == "nothing":
        assert (answer.status, answer.headers["location"]) == (
            302,
            f"{base}/items?page=3",
        )
        return
    assert (answer.status, answer.json()["code"]) == (401, "900901"), answer
    assert not any(name.endswith("-seal") for name in visitor.cookies_at(base))


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?error=access_denied&error_description=%3Cb%3E",
        "?code=secret-code&state=e30",
    ],
)
def test_other_visits_of_the_callback_are_refused(
    platform: Platform, base: str, browser: Browser, query: str
) -> None:
    answer = browser.ask(f"{base}/sign-in/callback{query}", *HTML)
    assert (answer.status, answer.json()["code"]) == (401, "900901")
    line = awaited(lambda: why(platform, answer), bool)
    assert (line["code"], line["decision"]) == ("900901", "refused")
    assert re.search("provider|browser", line["reason"]), line
    assert not {"secret-code", "error_description"} & set(
        re.findall(r"[\w-]+", str(line))
    )


def why(platform: Platform, answer: Answer) -> Any:
    """The line of the access log."""
    for line in (platform.data_dir / "logs" / "access.log").read_text().splitlines():
        found = json.loads(line)
        if found["request_id"] == answer.headers["x-request-id"]:
            return found
    return None


def test_backends_of_other_apis_do_not_see_the_session(
    platform: Platform, echo: int, signed_in: tuple[Browser, Answer]
) -> None:
    assert platform.deploy(plain(port=echo), DEFINITION).status == 200
    browser, _ = signed_in
    token = f"Authorization: Bearer {platform.token()}"
    url = f"https://{HOST}:{platform.port}/echo/1.0.0/items"
    answer = browser.ask(url, "-H", token, more_cookies="own=1")
    assert (answer.status, answer.json()["headers"]["cookie"]) == (200, "own=1")


def named(cookies: dict[str, str], end: str) -> str:
    (found,) = (name for name in cookies if name.endswith(f"-{end}"))
    return found


def test_a_session_is_renewed_once_its_token_is_not_believed(
    base: str, browser: Browser
) -> None:
    browser.signed_in(browser.open(f"{base}/items"))
    known = browser.cookies_at(base)
    expires, refresh = named(known, "expires"), named(known, "refresh")
    known[expires], before = "1", dict(known)
    assert browser.ask(f"{base}/items").status == 200
    assert {known[expires], known[refresh]}.isdisjoint({"1", before[refresh]})
    assert browser.ask(f"{base}/items").status == 200
    # No part of a session is believed alone.
    known[expires] = "4102444800"
    del known[refresh]
    assert browser.ask(f"{base}/items").status == 401
    assert browser.ask(f"{base}/items", *HTML).status == 302


def test_a_person_signs_out_here_and_at_the_provider(
    base: str, browser: Browser
) -> None:
    browser.signed_in(browser.open(f"{base}/items"))
    page = browser.open(f"{base}/sign-out")
    assert (page.status, urlsplit(browser.url).path) == (200, "/")
    assert not any(
        name.endswith(("-seal", "-token")) for name in browser.cookies_at(base)
    )
    assert browser.ask(f"{base}/items").status == 401
    assert b'name="password"' in browser.open(f"{base}/items").body


def test_a_provider_elsewhere_signs_a_person_in(
    platform: Platform, echo: int, browser: Browser, tmp_path: Path
) -> None:
    provider = StandIn(tls=False).start()
    key = Key.make("elsewhere", "ES256")
    (tmp_path / "key.pem").write_text(key.pem())
    own = ("issuer", "add", "oidc", "https://elsewhere.example", "--name", "elsewhere")
    platform.cli(*own, "--public-key", str(tmp_path / "key.pem"))
    claims = {
        "iss": "https://elsewhere.example",
        "sub": "ann",
        "azp": "c",
        "scope": "items:read",
    }
    token = {
        "access_token": key.token(claims),
        "token_type": "Bearer",
        "expires_in": 600,
    }
    provider.documents["/token"] = token
    try:
        for name, value in (("client", "hidden"), ("session", KEY)):
            platform.cli("secret", "set", "elsewhere", name, stdin=value)
        endpoints = {
            "authorizationEndpoint": "https://elsewhere.example/authorize",
            "tokenEndpoint": f"{provider.url.replace('localhost', '127.0.0.1')}/token",
            "endSessionEndpoint": "https://elsewhere.example/logout",
            "clientAuthentication": "client_secret_post",
        }
        made = conf("elsewhere", echo, clientId="c", **endpoints)
        assert platform.deploy(made, DEFINITION).status == 200
        base = f"https://{HOST}:{platform.port}/elsewhere/1.0.0"
        asked = urlsplit(browser.ask(f"{base}/items", *HTML).headers["location"])
        assert (asked.hostname, asked.path) == ("elsewhere.example", "/authorize")
        sent = parse_qs(asked.query)
        assert sent["code_challenge_method"] == ["S256"]
        assert sent["redirect_uri"] == [f"{base}/sign-in/callback"]
        query = urlencode({"code": "c", "state": sent["state"][0]})
        assert browser.open(f"{base}/sign-in/callback?{query}").status == 200
        assert browser.ask(f"{base}/admin").json()["code"] == "900910"
        left = browser.ask(f"{base}/sign-out", *HTML).headers["location"]
        assert left.startswith("https://elsewhere.example/logout?")
    finally:
        platform.cli("issuer", "remove", "elsewhere")
        provider.stop()


@pytest.mark.parametrize(
    "path",
    [
        "/items//evil.example/",
        "/items?next=https://evil.example",
        "/items/..//evil.example",
        "/items%2f%2fevil.example",
        "/items\\evil.example",
        "/items@evil.example",
        "/items?a=%0d%0aLocation:%20https://evil.example",
    ],
)
def test_no_path_leads_to_another_site_after_the_sign_in(
    base: str, browser: Browser, path: str
) -> None:
    """Each redirect is to the provider or to the host of the API."""
    answer = browser.ask(base + path, "--path-as-is", *HTML)
    assert "evil.example" not in (urlsplit(answer.headers.get("location", "")).netloc)
    if answer.status != 302:
        return
    answer = browser.submit(
        browser.open(answer.headers["location"]),
        stop_at=HOST,
        username="org1user",
        password="org1user",
        organization="org1",
    )
    for _ in range(4):
        to = urljoin(browser.url, answer.headers.get("location", browser.url))
        assert urlsplit(to).hostname in {HOST, IDP}, to
        assert "evil.example" not in urlsplit(to).netloc
        if "location" not in answer.headers:
            break
        answer = browser.ask(to, *HTML)


def test_a_session_of_another_api_is_none_here(
    platform: Platform, echo: int, base: str, signed_in: tuple[Browser, Answer]
) -> None:
    """Not by its cookies with the names of this API either: each has a key of its own."""
    url = f"https://{HOST}:{platform.port}/others/1.0.0"
    for name, value in (("client", "hidden"), ("session", KEY[::-1])):
        platform.cli("secret", "set", "others", name, stdin=value)
    assert platform.deploy(conf("others", echo, clientId="c"), DEFINITION).status == 200
    theirs, thief = signed_in[0].cookies_at(base), Browser(platform.port)
    asked = thief.ask(f"{url}/items", *HTML)
    assert asked.status == 302
    prefix = named(thief.cookies_at(url), "nonce").removesuffix("-nonce")
    own = named(theirs, "seal").removesuffix("-seal")
    stolen = {name.replace(own, prefix): value for name, value in theirs.items()}
    for cookies in (theirs, stolen):
        thief.cookies = {HOST: dict(cookies)}
        assert thief.ask(f"{url}/items").status == 401
        thief.cookies = {HOST: dict(cookies)}
        assert thief.ask(f"{url}/items", *HTML).status == 302


def test_a_state_of_another_api_signs_nobody_in(
    platform: Platform, base: str, browser: Browser
) -> None:
    back = begun(browser, base)
    elsewhere = back.replace("/signs/1.0.0/", "/others/1.0.0/", 1)
    assert browser.ask(elsewhere, *HTML).status == 401
    assert not any("-seal" in name for name in browser.cookies_at(base))


@pytest.mark.parametrize(
    "cookies",
    [
        "; ".join(f"{{}}-token{number}={'x' * 3000}" for number in range(15)),
        "; ".join(f"{{}}-token={'%' * 20}{number}" for number in range(800)),
        "{}-token=; {}-seal=; {}-expires=99999999999999999999999; {}-refresh=;;;=;=a",
        "{}-seal=a; {}-expires=-1; {}-token=a.b.c; {}-id=%00%ff",
        "{}-nonce=" + "A" * 40_000 + "; {}-verifier=" + "B" * 10_000,
    ],
)
def test_cookies_that_nobody_made_are_no_session(
    platform: Platform, base: str, browser: Browser, cookies: str
) -> None:
    browser.ask(f"{base}/items", *HTML)
    prefix = named(browser.cookies_at(base), "nonce").removesuffix("-nonce")
    before = platform.state()["children"]["envoy"]
    for path in ("/items", "/sign-in/callback?code=c&state=e30", "/sign-out"):
        visitor = Browser(platform.port)
        answer = visitor.ask(
            base + path, *HTML, more_cookies=cookies.replace("{}", prefix)
        )
        assert answer.status in {302, 400, 401, 431}, (path, answer)
        assert not any("-seal" in name for name in visitor.cookies_at(base))
    assert platform.state()["children"]["envoy"] == before
