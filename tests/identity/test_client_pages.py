"""What people see of a client at sign-in and consent: its links and its logo, and what is not
shown.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from flows import CODE_AND_REFRESH, Clock, client, person_at, provider_app, public
from idp import basic, call
from kapi.identity.grants import ciba as ciba_grant
from kapi.identity.grants import device_code as device_code_grant
from kapi.settings.identity import RegistrationSettings
from person import Page, Person, authorize_path

ciba = ciba_grant.facts.grant_type
device = device_code_grant.facts.grant_type

SHOP = "https://shop.example/cb"
LINKS = {
    "client_uri": "https://shop.example/",
    "policy_uri": "https://shop.example/privacy#cookies",
    "tos_uri": "https://shop.example/terms?lang=en&v=2",
}
LOGO = "https://cdn.example:8443/logo.png"


@pytest.fixture
def app(tmp_path: Path) -> Any:
    clients = (
        client(grants=(*CODE_AND_REFRESH, ciba), **LINKS, logo_uri=LOGO),
        client("plain"),
        public("tv", grants=(device,), **LINKS),
    )
    return provider_app(
        tmp_path, Clock(), *clients, registration=RegistrationSettings(open=True)
    )


@pytest.fixture
def person(app: Any) -> Person:
    return person_at(app)


def images(page: Page) -> str:
    found = re.search(r"img-src ([^;]*);", page.header("content-security-policy"))
    assert found is not None
    return found[1]


def shown_links(page: Page) -> dict[str, str]:
    found = re.findall(
        (
            r'<a href="([^"]*)" rel="noopener noreferrer nofollow" '
            r'referrerpolicy="no-referrer"[^>]*>([^<]*)</a>'
        ),
        page.text,
    )
    return {text: address.replace("&amp;", "&") for address, text in found}


def registered(app: Any, **metadata: Any) -> Any:
    body = {"redirect_uris": [SHOP], "client_name": "Registered", **metadata}
    return call(
        app,
        path="/dcr/register",
        body=json.dumps(body).encode(),
        content_type="application/json",
    )


def test_links_and_logo_are_shown_at_sign_in_choice_and_consent(person: Person) -> None:
    login = person.open(authorize_path("shop", SHOP))
    consent = person.sign_in(login)
    chosen = person.open(authorize_path("shop", SHOP, prompt="select_account"))
    for page in (login, consent, chosen):
        assert shown_links(page) == dict(
            zip(
                ("Home page", "Privacy policy", "Terms of service"),
                LINKS.values(),
                strict=True,
            )
        )
        assert (
            f'<img class="logo" src="{LOGO}" alt="" width="64" height="64" '
            'referrerpolicy="no-referrer">'
        ) in page.text
        assert images(page) == "data: https://cdn.example:8443"
        assert page.header("referrer-policy") == "same-origin"


def test_links_are_shown_before_a_device_is_allowed(app: Any, person: Person) -> None:
    started = call(
        app, path="/oauth2/device_authorization", body=b"client_id=tv&scope=a"
    ).json()
    page = person.sign_in(person.open("/device?user_code=" + started["user_code"]))
    assert shown_links(page)["Privacy policy"] == LINKS["policy_uri"]


def test_links_are_shown_where_a_person_approves_elsewhere(
    app: Any, person: Person
) -> None:
    body = b"scope=openid&login_hint=org1user"
    assert (
        call(
            app,
            path="/oauth2/bc-authorize",
            body=body,
            authorization=basic("shop", "s"),
        ).status
        == 200
    )
    page = person.sign_in(person.open("/authenticationEndpoint/approvals"))
    assert shown_links(page)["Terms of service"] == LINKS["tos_uri"]
    assert "<img" not in page.text


def test_without_any_nothing_comes_from_elsewhere(person: Person) -> None:
    page = person.open(authorize_path("plain", SHOP))
    assert (images(page), shown_links(page), "<img" in page.text) == (
        "data:",
        {},
        False,
    )


@pytest.mark.parametrize(
    ("logo", "is_shown"),
    [
        ("https://shop.example/logo.png", True),
        ("https://shop.example:8443/logo.png", True),
        ("https://bank.example/logo.png", False),
        ("https://www.shop.example/logo.png", False),
    ],
)
def test_the_logo_of_a_client_that_registered_itself_is_on_a_host_of_its_own(
    app: Any, person: Person, logo: str, is_shown: bool
) -> None:
    """RFC 7591 §5."""
    made = registered(app, logo_uri=logo, **LINKS).json()
    assert {name: made[name] for name in ("logo_uri", *LINKS)} == {
        "logo_uri": logo,
        **LINKS,
    }
    page = person.open(authorize_path(made["client_id"], SHOP))
    assert (logo in page.text, "https://" in images(page)) == (is_shown, is_shown)
    assert shown_links(page)["Home page"] == LINKS["client_uri"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("logo_uri", "http://shop.example/logo.png"),
        ("logo_uri", "https://shop.example/x; script-src *"),
        ("logo_uri", "https://shop.example;script-src/x"),
        ("policy_uri", "javascript:alert(1)"),
        ("tos_uri", "https://user@shop.example/"),
        ("client_uri", "/here"),
        ("client_uri", 'https://shop.example/"onload=x'),
    ],
)
def test_an_address_that_cannot_be_shown_is_refused_at_registration(
    app: Any, name: str, value: str
) -> None:
    answer = registered(app, **{name: value})
    assert (answer.status, answer.json()["error"]) == (400, "invalid_client_metadata")
    assert name in answer.json()["error_description"]
