"""The page that says what a token is: its checks, header and claims."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from console_parts import World, console_world

from console_browser import Browser, token_of
from kapi.identity.issuers.declaration import Issuer
from kapi.identity.issuers.verify import IssuerKeys
from kapi.jose.jwk_set import one_key
from person import Page
from standin import Key

KEY = Key.make("k", "ES256")
TRUSTED = IssuerKeys(
    Issuer("idp", "oidc", "https://idp.example", "", ""),
    one_key(KEY.pem(), ("ES256",)),
)
OTHER = IssuerKeys(
    Issuer("other", "oidc", "https://other.example", "", ""), TRUSTED.keys
)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with console_world(tmp_path) as made:
        made.apis.answer("GET", "/api/deployer/apis", {"apis": []})
        yield made


@pytest.fixture
def operator(world: World) -> Browser:
    return world.signed_in("olivia")


def sent(browser: Browser, **fields: str) -> Page:
    """The answer to the form of the page."""
    token = token_of(browser.open("/console/"))
    return browser.send("/console/token", {"token": token, **fields})


@pytest.mark.parametrize("fields", [{}, {"jwt": "no token"}, {"jwt": "a.b.c"}])
def test_a_text_that_is_no_token(operator: Browser, fields: dict[str, str]) -> None:
    assert operator.open("/console/token").status == 200
    page = sent(operator, **fields)
    assert page.status == 400
    assert "this is not a JWT" in page.text
    assert "Opaque tokens are read by introspection only." in page.text
    assert "<h2>Claims</h2>" not in page.text


def test_a_token_is_checked_by_its_issuer(world: World, operator: Browser) -> None:
    world.issuers += [OTHER, TRUSTED]
    name = TRUSTED.issuer.issuer
    page = sent(operator, jwt=KEY.token({"iss": name, "sub": "<Ä>"}))
    assert page.status == 200
    assert f"<td>{name}</td>" in page.text
    assert "by a key of the issuer" in page.text
    assert "valid until" in page.text
    assert "  &#34;sub&#34;: &#34;&lt;Ä&gt;&#34;" in page.text
    assert page.text.index("<h2>Header</h2>") < page.text.index("<h2>Claims</h2>")
    expired = sent(operator, jwt=KEY.token({"iss": name, "exp": 1}))
    assert "the token is expired" in expired.text


def test_a_token_of_an_issuer_that_is_not_trusted(
    world: World, operator: Browser
) -> None:
    world.issuers.append(OTHER)
    page = sent(operator, jwt=KEY.token({"iss": "https://idp.example"}))
    assert page.status == 200
    assert "no trusted issuer has the iss of the token" in page.text
    assert "https://idp.example" in page.text
    assert sent(operator, jwt="x" * 32 * 1024).status == 400
    assert sent(operator, jwt="x" * (32 * 1024 + 1)).status == 413
