"""The authorization endpoint against malformed and hostile requests: which are shown to the person,
which go back to the client.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from flows import CALLBACK, ISSUER, person_at
from kapi.settings import WELL_KNOWN_CLIENT_ID as CLIENT
from person import Person, Pkce, authorize_path

SHOP = "https://shop.example/cb"
C = "x" * 43

ON_PAGE: dict[str, str] = {
    "nothing at all": "",
    "unknown client": urlencode(
        {"client_id": "nobody", "redirect_uri": SHOP, "response_type": "code"}
    ),
    "no client": urlencode({"redirect_uri": SHOP, "response_type": "code"}),
    "no redirect_uri though there are two": "client_id=two&response_type=code",
    "no redirect_uri registered": "client_id=none&response_type=code",
    "no redirect_uri with openid": "client_id=shop&response_type=code&scope=openid",
    "client twice": "client_id=shop&client_id=two&response_type=code&redirect_uri="
    + quote(SHOP, safe=""),
    "redirect_uri twice": (
        f"client_id=shop&response_type=code&redirect_uri={quote(SHOP, safe='')}&"
        "redirect_uri=https://evil.example"
    ),
    "state twice": (
        f"client_id=shop&response_type=code&state=a&state=b&redirect_uri={quote(SHOP, safe='')}"
    ),
    "not a form": "client_id=shop&%ZZ=%FF",
    "not UTF-8": "client_id=%FF%FE&response_type=code",
    "NUL in the client": "client_id=shop%00&response_type=code",
}
TRICKS = (
    "https://shop.example/cb/",
    "https://shop.example/CB",
    "https://SHOP.example/cb",
    "HTTPS://shop.example/cb",
    "https://shop.example./cb",
    "https://shop.example:443/cb",
    "https://shop.example/cb?x=1",
    "https://shop.example/cb#x",
    "https://shop.example/cb/../../evil",
    "https://shop.example/%63b",
    "https://shop.example/cb%2F..",
    "https://user@shop.example/cb",
    "https://shop.example@evil.example/cb",
    "https://shop.example\\@evil.example/cb",
    "https://shop.example\\.evil.example/cb",
    "https://shop.example.evil.example/cb",
    "https://evilshop.example/cb",
    "https://shop.example%00.evil.example/cb",
    "https://shop.example/cb\r\nSet-Cookie: a=b",
    "//shop.example/cb",
    "/cb",
    "http://shop.example/cb",
    "https://shop.exam\u200cple/cb",
    "https://ѕhop.example/cb",
    " https://shop.example/cb",
    "https://shop.example/cb ",
    "javascript:alert(1)",
    "data:text/html,x",
    "https://evil.example/cb",
    "http://127.0.0.1/cb",
)
LOOPBACK = {
    "http://127.0.0.1/cb": True,
    "http://127.0.0.1:51004/cb": True,
    "http://[::1]:9/cb": True,
    "http://[::1]/cb": True,
    "http://localhost:3000/cb": True,
    "com.example.app:/cb": True,
    "http://localhost:3001/cb": False,
    "http://127.0.0.1:51004/cb/": False,
    "http://127.0.0.1:51004/cb?x": False,
    "http://127.0.0.1:0/cb": False,
    "http://127.0.0.1:99999/cb": False,
    "http://127.0.0.1:80@evil.example/cb": False,
    "http://127.0.0.1:51004@evil.example:80/cb": False,
    "http://127.0.0.1.evil.example/cb": False,
    "http://127.0.0.2/cb": False,
    "http://127.1/cb": False,
    "http://2130706433/cb": False,
    "https://127.0.0.1/cb": False,
    "http://127.0.0.1:\n1/cb": False,
    "com.example.app:/cb2": False,
    "com.example.app://cb": False,
}
R: dict[str, str] = {"client_id": "shop", "redirect_uri": SHOP, "response_type": "code"}
REDIRECTED: dict[str, tuple[dict[str, str], str]] = {
    "no response_type": ({"response_type": ""}, "invalid_request"),
    "implicit": ({"response_type": "token"}, "unsupported_response_type"),
    "hybrid": ({"response_type": "code token"}, "unsupported_response_type"),
    "none": ({"response_type": "none"}, "unsupported_response_type"),
    "unknown response_type": (
        {"response_type": "<script>"},
        "unsupported_response_type",
    ),
    "client without the grant": ({"client_id": "machine"}, "unauthorized_client"),
    "unknown response_mode": ({"response_mode": "web_message"}, "invalid_request"),
    "plain PKCE": (
        {"code_challenge": C, "code_challenge_method": "plain"},
        "invalid_request",
    ),
    "PKCE method left out": ({"code_challenge": C}, "invalid_request"),
    "PKCE method in lower case": (
        {"code_challenge": C, "code_challenge_method": "s256"},
        "invalid_request",
    ),
    "method without challenge": ({"code_challenge_method": "S256"}, "invalid_request"),
    "challenge too short": (
        {"code_challenge": "x" * 42, "code_challenge_method": "S256"},
        "invalid_request",
    ),
    "challenge too long": (
        {"code_challenge": "x" * 44, "code_challenge_method": "S256"},
        "invalid_request",
    ),
    "challenge with padding": (
        {"code_challenge": "x" * 42 + "=", "code_challenge_method": "S256"},
        "invalid_request",
    ),
    "public client without PKCE": ({"client_id": "app"}, "invalid_request"),
    "strict client without PKCE": ({"client_id": "strict"}, "invalid_request"),
    "scope it may not have": (
        {"client_id": "limited", "scope": "openid write"},
        "invalid_scope",
    ),
    "scope with a quote": ({"scope": 'a"b'}, "invalid_scope"),
    "scope with two spaces": ({"scope": "a  b"}, "invalid_scope"),
    "prompt=create": ({"prompt": "create"}, "invalid_request"),
    "unknown prompt": ({"prompt": "login magic"}, "invalid_request"),
    "prompt=none with another": ({"prompt": "none login"}, "invalid_request"),
    "prompt=none, nobody signed in": ({"prompt": "none"}, "login_required"),
    "max_age not a number": ({"max_age": "-1"}, "invalid_request"),
    "max_age with a fraction": ({"max_age": "1.5"}, "invalid_request"),
    "max_age in other digits": ({"max_age": "١"}, "invalid_request"),
    "max_age enormous": ({"max_age": "9" * 5000}, "invalid_request"),
    "claims not JSON": ({"claims": "{"}, "invalid_request"),
    "claims a list": ({"claims": "[]"}, "invalid_request"),
    "claims of the wrong shape": ({"claims": '{"userinfo": [1]}'}, "invalid_request"),
    "claims nested deeply": ({"claims": "[" * 5000}, "invalid_request"),
    "id_token_hint not a token": ({"id_token_hint": "a.b.c"}, "invalid_request"),
    "registration": ({"registration": "{}"}, "registration_not_supported"),
    "state too long": ({"state": "s" * 2049}, "invalid_request"),
}


@pytest.mark.parametrize("query", ON_PAGE.values(), ids=ON_PAGE)
def test_shown_to_the_person(person: Person, query: str) -> None:
    page = person.ask("GET", f"/oauth2/authorize?{query}")
    assert page.status == 400
    assert page.header("content-type") == "text/html; charset=utf-8"
    assert not page.location
    assert "invalid_request" in page.text


@pytest.mark.parametrize("uri", TRICKS)
@pytest.mark.parametrize(
    "more",
    [
        {},
        {"response_type": "token"},
        {"prompt": "none"},
        {"response_mode": "fragment", "scope": '"'},
    ],
)
def test_no_trick_leads_to_another_redirect_uri_not_even_on_errors(
    person: Person, uri: str, more: dict[str, str]
) -> None:
    page = person.ask(
        "GET",
        "/oauth2/authorize?"
        + urlencode(R | {"redirect_uri": uri, "state": "x"} | more),
    )
    assert (page.status, page.location) == (400, "")
    # The page names the address as text, and leads nowhere.
    elements = "".join(re.findall(r"<[^>]*>", page.text))
    assert "evil" not in elements
    assert "shop.example/cb" not in elements


@pytest.mark.parametrize("uri", LOOPBACK)
def test_only_the_port_of_a_loopback_address_may_differ(
    person: Person, uri: str
) -> None:
    page = person.ask("GET", authorize_path("native", uri, Pkce(), prompt="none"))
    if LOOPBACK[uri]:
        assert page.status == 303
        assert page.location.startswith(uri + "?error=login_required")
    else:
        assert (page.status, page.location) == (400, "")


@pytest.mark.parametrize(("more", "error"), REDIRECTED.values(), ids=REDIRECTED)
@pytest.mark.parametrize("mode", ["query", "fragment", "form_post"])
def test_sent_back_with_state_and_issuer(
    person: Person, more: dict[str, str], error: str, mode: str
) -> None:
    state = "st&te=ä\"'<>"
    sent = {**R, "state": state, "response_mode": mode, **more}
    page = person.ask("GET", "/oauth2/authorize?" + urlencode(sent))
    if mode == "form_post" and "response_mode" not in more:
        assert page.status == 200
        [form] = page.forms()
        assert form["action"] == SHOP
        got = form["fields"]
    else:
        assert page.status == 303
        assert page.location.startswith(
            SHOP + ("#" if mode == "fragment" and "response_mode" not in more else "?")
        )
        got = page.parameters
    assert got["error"] == error
    assert got["iss"] == ISSUER
    assert got["state"] == sent["state"]
    assert "code" not in got
    assert set(got["error_description"]) <= set(map(chr, range(0x20, 0x7F))) - {
        '"',
        "\\",
    }
    assert page.header("cache-control") == "no-store"


def test_request_objects_are_not_confused_with_parameters(person: Person) -> None:
    for name in ("request", "request_uri"):
        page = person.ask(
            "GET",
            "/oauth2/authorize?" + urlencode(R | {name: "https://evil.example/x"}),
        )
        assert page.status in {303, 400}
        assert "code=" not in page.location


def test_the_query_of_a_redirect_uri_is_kept(person: Person) -> None:
    page = person.ask(
        "GET", authorize_path("two", "https://two.example/a?x=1", prompt="none")
    )
    assert page.location.startswith("https://two.example/a?x=1&error=login_required")


def test_a_single_redirect_uri_may_be_left_out_in_plain_oauth(person: Person) -> None:
    page = person.ask("GET", authorize_path(CLIENT, None, prompt="none"))
    assert page.location.startswith(CALLBACK + "?error=login_required")


def test_a_posted_request_becomes_a_link_so_that_cookies_come_along(app: Any) -> None:
    person = person_at(app)
    body = urlencode(R | {"state": "a\r\nSet-Cookie: x=y"}).encode()
    page = person.ask("POST", "/oauth2/authorize", body)
    assert page.status == 303
    assert page.location.startswith("/oauth2/authorize?client_id=shop&")
    assert "\r" not in page.location
    assert person.open(page.location).status == 200
    # With the cookie of a browser that was here before, it is taken at once.
    assert person.ask("POST", "/oauth2/authorize", body).location.startswith(
        "/authenticationEndpoint/login?"
    )
    raw = person_at(app).ask(
        "POST", "/oauth2/authorize", urlencode(R).encode() + b"&state=a\r\nX: y"
    )
    assert "\n" not in raw.location
    assert (
        person_at(app)
        .ask("POST", "/oauth2/authorize", b"{}", content_type="application/json")
        .status
        == 400
    )
    assert person_at(app).ask("POST", "/oauth2/authorize", b"x" * 70_000).status == 413


def test_the_link_and_the_form_of_pages_are_the_only_methods(person: Person) -> None:
    for path in (
        "/oauth2/authorize",
        "/authenticationEndpoint/login",
        "/commonauth/login",
        "/authenticationEndpoint/consent",
    ):
        answer = person.ask("PUT", path)
        assert (answer.status, answer.header("allow")) == (405, "GET, POST")


def test_other_sites_may_not_read_the_authorization_endpoint(person: Person) -> None:
    """CORS is for tokens and documents, not for pages (RFC 9700 §2.6)."""
    assert not person.ask(
        "GET", "/oauth2/authorize", origin="https://evil.example"
    ).header("access-control-allow-origin")
    # Browsers ask first for what is not simple; only an answer of 2xx is a yes (Fetch §4.8).
    assert (
        person.ask("OPTIONS", "/oauth2/authorize", origin="https://evil.example").status
        == 405
    )
