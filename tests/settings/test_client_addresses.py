"""Addresses of clients: what may be registered, wherever it comes from."""

from __future__ import annotations

import pytest

from kapi.identity.client_facts import client_mistakes
from kapi.settings import ClientSettings
from kapi.settings.identity.client_checks import uri_mistake

RIGHT = (
    "https://shop.example/cb",
    "https://shop.example",
    "http://httpbin.org",
    "http://127.0.0.1/cb",
    "http://[::1]:8080/cb",
    "https://shop.example:8443/cb?tenant=1&x=%20",
    "com.example.app:/cb",
)
WRONG = (
    "",
    "/cb",
    "shop.example/cb",
    "//shop.example/cb",
    "https://",
    "https:///cb",
    "https://shop.example/cb#x",
    "https://user@shop.example/cb",
    "https://shop.example@evil.example/cb",
    "https://shop.example\\@evil.example/",
    "https://shop.example;script-src/cb",
    "https://shop.example,evil.example/",
    "https://*.example/cb",
    "https://shop.example:x/cb",
    "https://shop.example:99999999/cb",
    "https://shop.example/a b",
    "https://shop.example/\r\nSet-Cookie: a=b",
    'https://shop.example/"onload="x',
    "https://ѕhop.example/",
    "javascript:alert(1)",
    "JavaScript:alert(1)",
    "data:text/html,x",
    "file:///etc/passwd",
    "https://shop.example/" + "x" * 3000,
)


@pytest.mark.parametrize("uri", RIGHT)
def test_may_be_registered(uri: str) -> None:
    assert uri_mistake(uri) == ""


@pytest.mark.parametrize("uri", WRONG)
def test_may_not_be_registered(uri: str) -> None:
    assert uri_mistake(uri)
    client = ClientSettings(
        "c", "s", redirect_uris=(uri,), post_logout_redirect_uris=(uri,)
    )
    found = " ".join(client_mistakes(client))
    assert "redirect_uris: " in found
    assert "post_logout_redirect_uris: " in found


def test_addresses_for_logout() -> None:
    def mistakes(**more: str) -> str:
        return " ".join(
            client_mistakes(
                ClientSettings(
                    "c", "s", redirect_uris=("https://shop.example/cb",), **more
                )
            )
        )

    assert (
        mistakes(
            backchannel_logout_uri="https://elsewhere.example/out",
            frontchannel_logout_uri="https://shop.example/out?x",
        )
        == ""
    )
    assert "must be a web address" in mistakes(
        backchannel_logout_uri="com.example.app:/out"
    )
    assert "redirect URI" in mistakes(
        frontchannel_logout_uri="https://elsewhere.example/out"
    )
    assert "redirect URI" in mistakes(
        frontchannel_logout_uri="https://shop.example.evil.example/out"
    )
