"""Metadata at every path that RFC 8414 and OpenID Connect Discovery derive from the issuer, and
nothing in them that is not there.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from idp import basic, call, identity_app
from kapi.settings import GatewaySettings, IdentitySettings, Settings
from kapi.store import Store

ISSUERS = {
    "https://idp.am.wso2.com/token": (
        "/.well-known/oauth-authorization-server/token",
        "/.well-known/openid-configuration/token",
        "/token/.well-known/openid-configuration",
    ),
    "https://idp.am.wso2.com:9095": (
        "/.well-known/oauth-authorization-server",
        "/.well-known/openid-configuration",
    ),
    "https://idp.am.wso2.com:9095/": (
        "/.well-known/oauth-authorization-server",
        "/.well-known/openid-configuration",
    ),
    "https://idp.am.wso2.com:9095/a/b": (
        "/.well-known/oauth-authorization-server/a/b",
        "/.well-known/openid-configuration/a/b",
        "/a/b/.well-known/openid-configuration",
    ),
    "https://idp.am.wso2.com:9095/a/": (
        "/.well-known/oauth-authorization-server/a",
        "/.well-known/openid-configuration/a",
        "/a/.well-known/openid-configuration",
    ),
}


def app_of(folder: Path, issuer: str) -> Any:
    settings = Settings(folder, IdentitySettings(issuer=issuer), GatewaySettings())
    return identity_app(settings, Store.open(folder / "kapi.db"), lambda: 1_800_000_000)


@pytest.mark.parametrize("issuer", ISSUERS)
def test_the_document_is_at_every_path_and_names_the_issuer_to_the_letter(
    tmp_path: Path, issuer: str
) -> None:
    app = app_of(tmp_path, issuer)
    documents = [call(app, "GET", path) for path in ISSUERS[issuer]]
    for answer in documents:
        assert (answer.status, answer.headers["content-type"]) == (
            200,
            "application/json",
        )
        assert answer.json()["issuer"] == issuer
        assert answer.headers["access-control-allow-origin"] == "*"
    assert len({answer.body for answer in documents}) == 1


def test_nothing_is_advertised_that_is_not_there(tmp_path: Path) -> None:
    app = app_of(tmp_path, "https://idp.am.wso2.com/token")
    document = call(app, "GET", "/.well-known/openid-configuration").json()
    addresses = {
        name: value
        for name, value in document.items()
        if name.endswith(("_endpoint", "_uri"))
    }
    assert len(addresses) >= 9
    for name, address in addresses.items():
        assert address.startswith("https://idp.am.wso2.com:9095/"), name
        path = urlsplit(address).path
        assert (
            min(call(app, method, path, b"").status for method in ("GET", "POST"))
            != 404
        ), name
    for grant in document["grant_types_supported"]:
        body = f"grant_type={grant}".encode()
        assert (
            call(app, body=body, authorization=basic()).json().get("error")
            != "unsupported_grant_type"
        ), grant
    known = {item["alg"] for item in call(app, "GET", "/oauth2/jwks").json()["keys"]}
    for name in ("id_token", "userinfo", "introspection", "authorization"):
        offered = document[f"{name}_signing_alg_values_supported"]
        assert set(offered) <= known, name
    assert "none" not in document["id_token_signing_alg_values_supported"]
    assert "plain" not in document["code_challenge_methods_supported"]


def test_optional_features_are_advertised_when_they_are_on(tmp_path: Path) -> None:
    plain = call(
        app_of(tmp_path, "https://idp.am.wso2.com/token"),
        "GET",
        "/.well-known/openid-configuration",
    ).json()
    assert "client_id_metadata_document_supported" not in plain
    assert plain["require_pushed_authorization_requests"] is False
    on = dataclasses.replace(
        IdentitySettings(),
        client_id_metadata_documents=True,
        require_pushed_requests=True,
    )
    app = identity_app(
        Settings(tmp_path, on), Store.open(tmp_path / "kapi.db"), lambda: 1_800_000_000
    )
    document = call(app, "GET", "/.well-known/openid-configuration").json()
    assert document["client_id_metadata_document_supported"] is True
    assert document["require_pushed_authorization_requests"] is True
