"""Every page: shut to other sites, nothing from elsewhere, no text of a request that is not text,
colours that people can read.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from flows import CALLBACK, code_for, tokens_for
from kapi.identity.pages import style
from kapi.settings import WELL_KNOWN_CLIENT_ID as CLIENT
from person import Page, Person, authorize_path

SHOP = "https://shop.example/cb"
NASTY = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{7*7}}"
PAGES = Path("src/kapi/identity/pages")


def every_page(person: Person) -> dict[str, Page]:
    found = {
        "error": person.open("/oauth2/authorize"),
        "error_404": person.open("/commonauth/x"),
    }
    found["login"] = person.open(
        authorize_path("shop", SHOP, login_hint=NASTY, scope="openid x")
    )
    found["login_failed"] = person.sign_in(found["login"], "org1user", "wrong")
    found["consent"] = person.sign_in(found["login"])
    found["form_post"] = person.open(
        authorize_path(
            CLIENT, CALLBACK, state=NASTY, prompt="none", response_mode="form_post"
        )
    )
    found["select"] = person.open(authorize_path("shop", SHOP, prompt="select_account"))
    started = person.ask(
        "POST", "/oauth2/device_authorization", b"client_id=television&scope=openid"
    ).json()
    found["device_code"] = person.open("/device?" + urlencode({"user_code": NASTY}))
    found["device_confirm"] = person.open("/device?user_code=" + started["user_code"])
    found["device_done"] = person.submit(found["device_confirm"], decision="deny")
    found["approvals"] = person.open("/authenticationEndpoint/approvals")
    found["account"] = person.open("/authenticationEndpoint/account")
    found["sign_out"] = person.open("/oauth2/logout?" + urlencode({"state": NASTY}))
    found["signed_out"] = person.submit(found["sign_out"])
    return found


def test_every_page_is_shut(person: Person) -> None:
    pages = every_page(person)
    templates = {path.stem for path in PAGES.glob("*.html")} - {
        "base",
        "parts",
        "reference",
        "home",
    }  # `test_openapi.py` has the one to read
    found = [re.search(r"<title>(.*?) ·", page.text) for page in pages.values()]
    titles = {match[1] for match in found if match is not None}
    assert None not in found
    assert len(titles) >= len(templates)
    for name, page in pages.items():
        policy = page.header("content-security-policy")
        assert policy.startswith("default-src 'none'; style-src 'self'; script-src "), (
            name
        )
        assert "frame-ancestors 'none'" in policy
        assert "base-uri 'none'" in policy
        assert "unsafe" not in policy
        assert page.header("x-frame-options") == "DENY"
        assert page.header("x-content-type-options") == "nosniff"
        assert page.header("cache-control") == "no-store"
        assert page.header("content-type") == "text/html; charset=utf-8"
        assert "Non-production" in page.text
        assert 'lang="en"' in page.text
        assert page.text.count("<h1>") == 1
        assert " style=" not in page.text
        assert not re.search(r"\son[a-z]+=", page.text.replace("onerror=alert", "")), (
            name
        )
        scripts = re.findall(r"<script>(.*?)</script>", page.text)
        assert scripts == (
            ["document.forms[0].submit()"] if name == "form_post" else []
        ), name


def test_nothing_comes_from_elsewhere(person: Person) -> None:
    for name, page in every_page(person).items():
        for address in re.findall(r'(?:src|href|action)="([^"]*)"', page.text):
            assert address.startswith(("/", "data:,")) or name == "form_post", (
                name,
                address,
            )


def test_text_of_a_request_stays_text(person: Person) -> None:
    pages = every_page(person)
    for page in pages.values():
        assert "<script>alert" not in page.text
        assert "<img" not in page.text
        assert "49" not in re.sub(r'[A-Za-z0-9_/?.-]{20,}|value="[^"]*"', "", page.text)
    assert pages["login"].forms()[0]["fields"]["username"] == NASTY
    assert pages["form_post"].forms()[0]["fields"]["state"] == NASTY


def test_a_clients_name_stays_text(person: Person) -> None:
    nasty = "<script>alert(1)</script>"
    login = person.open(authorize_path(nasty, SHOP))
    consent = person.sign_in(login)
    for page in (login, consent):
        assert "&lt;img src=x onerror=alert(1)&gt;" in page.text
        assert "<img" not in page.text
        assert "<script" not in page.text


@pytest.mark.parametrize(
    "parameters",
    [{"errorCode": NASTY}, {"authFailureMsg": NASTY}, {"error_description": NASTY}],
)
def test_nothing_of_the_link_is_shown(
    person: Person, parameters: dict[str, str]
) -> None:
    page = person.open(authorize_path(CLIENT, CALLBACK))
    key = page.forms()[0]["fields"]["sessionKey"]
    assert (
        "alert(1"
        not in person.open(
            f"/authenticationEndpoint/login?stateKey={key}&" + urlencode(parameters)
        ).text
    )
    assert (
        "alert(1"
        not in person.open(
            "/authenticationEndpoint/error?" + urlencode(parameters)
        ).text
    )


def test_a_redirect_after_a_form_is_followed_by_get(person: Person) -> None:
    page = person.open(authorize_path(CLIENT, CALLBACK))
    form = page.forms()[0]
    fields = {
        **form["fields"],
        "username": "org1user",
        "password": "org1user",
        "organization": "org1",
    }
    answer = person.ask("POST", form["action"], urlencode(fields).encode())
    assert (
        answer.status,
        answer.header("cache-control"),
        answer.header("referrer-policy"),
    ) == (
        303,
        "no-store",
        "no-referrer",
    )


def test_a_native_clients_scheme_may_be_reached_from_its_forms(person: Person) -> None:
    from person import Pkce

    page = person.open(authorize_path("native", "com.example.app:/cb", Pkce()))
    assert "form-action 'self' https: http: com.example.app:;" in page.header(
        "content-security-policy"
    )


def test_the_style_sheet_may_be_kept(person: Person) -> None:
    link = re.search(
        (
            r'rel="stylesheet" '
            r'href="([^"]+)"'
        ),
        person.open("/oauth2/authorize").text,
    )[1]  # type: ignore[index]  # as above
    answer = person.open(link)
    assert (answer.status, answer.header("content-type")) == (
        200,
        "text/css; charset=utf-8",
    )
    assert "immutable" in answer.header("cache-control")
    assert b"url(" not in answer.body
    assert b"@import" not in answer.body


def _colours() -> list[dict[str, str]]:
    """The variables in light, and in dark."""
    light, dark = (
        dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", block))
        for block in re.findall(r":root \{(.*?)\}", style().decode(), re.DOTALL)
    )
    return [light, light | dark]


def _luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2)."""
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


TEXT = [
    ("ink", "sheet"),
    ("ink", "ground"),
    ("quiet", "sheet"),
    ("quiet", "ground"),
    ("accent", "sheet"),
    ("on-accent", "accent"),
    ("alert", "sheet"),
    ("on-note", "note"),
]


@pytest.mark.parametrize(("front", "back"), TEXT)
def test_text_can_be_read_in_light_and_dark(front: str, back: str) -> None:
    """WCAG 2.2 AA, 1.4.3: 4.5 to 1."""
    for colours in _colours():
        assert _contrast(colours[front], colours[back]) >= 4.5, (front, back, colours)


@pytest.mark.parametrize("front", ["line", "accent"])
def test_edges_and_focus_can_be_seen(front: str) -> None:
    """WCAG 2.2 AA, 1.4.11: 3 to 1."""
    for colours in _colours():
        assert (
            min(
                _contrast(colours[front], colours[back]) for back in ("sheet", "ground")
            )
            >= 3
        ), front


def test_every_field_has_a_label_and_every_template_is_used(
    person: Person, app: Any
) -> None:
    tokens_for(person)
    code_for(person)
    for page in every_page(person).values():
        shown = re.findall(r'<input (?![^>]*type="hidden")[^>]*id="([^"]+)"', page.text)
        assert set(shown) == set(re.findall(r'<label for="([^"]+)"', page.text))


class _Landmarks(HTMLParser):
    """Text in no landmark: axe's rule `region`."""

    def __init__(self) -> None:
        super().__init__()
        self.inside: list[str] = []
        self.outside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in {"head", "header", "main", "footer", "script"}:
            self.inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self.inside and self.inside[-1] == tag:
            self.inside.pop()

    def handle_data(self, data: str) -> None:
        if data.strip() and not self.inside:
            self.outside.append(data)


def test_all_text_is_in_a_landmark(person: Person) -> None:
    pages = every_page(person) | {
        "home": person.open("/"),
        "reference": person.open("/openapi.html"),
    }
    for name, page in pages.items():
        reader = _Landmarks()
        reader.feed(page.text)
        assert reader.outside == [], name
        assert page.text.count("<main>") == 1, name
