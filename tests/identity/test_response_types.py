"""ID tokens and access tokens from the authorization endpoint: off by default, and what each
response type contains.
"""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from flows import Clock, allowed, client, person_at, provider_app
from idp import basic, call
from kapi.identity.client_facts import client_mistakes
from kapi.settings import ClientSettings
from kapi.settings.identity import RegistrationSettings
from person import Person, authorize_path, claims_of

SHOP = "https://shop.example/cb"
ALL = ("code", "id_token", "id_token token", "code id_token")
OLD = client(
    "old",
    grants=("authorization_code", "implicit", "refresh_token"),
    response_types=ALL,
)
CODE_ONLY = client("code-only")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def app(tmp_path: Path, clock: Clock) -> Any:
    settings = {
        "front_channel_tokens": True,
        "registration": RegistrationSettings(open=True),
    }
    return provider_app(tmp_path, clock, OLD, CODE_ONLY, **settings)


@pytest.fixture
def person(app: Any) -> Person:
    return person_at(app)


def ask(response_type: str, client_id: str = "old", **more: str | None) -> str:
    known: dict[str, str | None] = {"scope": "openid email", "nonce": "n-1"}
    return authorize_path(
        client_id, SHOP, response_type=response_type, **(known | more)
    )


def half(value: str) -> str:
    digest = hashlib.sha256(value.encode()).digest()[:16]
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def test_an_id_token_alone(person: Person) -> None:
    page = allowed(person, ask("id_token"))
    assert page.location.startswith(f"{SHOP}#")
    assert set(page.parameters) == {"id_token", "state", "iss"}
    claims = claims_of(page.parameters["id_token"])
    assert (claims["aud"], claims["sub"], claims["nonce"]) == ("old", "org1user", "n-1")
    assert "at_hash" not in claims


def test_an_id_token_and_an_access_token(app: Any, person: Person) -> None:
    sent = allowed(person, ask("token id_token")).parameters
    assert (sent["token_type"], sent["expires_in"]) == ("Bearer", "3600")
    assert claims_of(sent["id_token"])["at_hash"] == half(sent["access_token"])
    assert "refresh_token" not in sent
    bearer = f"Bearer {sent['access_token']}"
    answer = call(app, "GET", "/oauth2/userinfo", b"", authorization=bearer)
    assert (answer.status, answer.json()["sub"]) == (200, "org1user")


def test_such_an_access_token_can_be_revoked(app: Any, person: Person) -> None:
    token = allowed(person, ask("id_token token")).parameters["access_token"]
    owner = basic("old", "s")
    body = f"token={token}".encode()
    assert (
        call(app, path="/oauth2/revoke", body=body, authorization=owner).status == 200
    )
    told = call(app, path="/oauth2/introspect", body=body, authorization=owner)
    assert told.json() == {"active": False}


def test_a_code_and_an_id_token(app: Any, person: Person) -> None:
    sent = allowed(person, ask("id_token code")).parameters
    assert claims_of(sent["id_token"])["c_hash"] == half(sent["code"])
    assert "access_token" not in sent
    body = f"grant_type=authorization_code&code={sent['code']}&redirect_uri={SHOP}".encode()
    tokens = call(app, body=body, authorization=basic("old", "s")).json()
    assert claims_of(tokens["id_token"])["sub"] == claims_of(sent["id_token"])["sub"]


def test_by_form_post(person: Person) -> None:
    page = person.open(ask("id_token", response_mode="form_post"))
    page = person.sign_in(page)
    page = person.submit(page, decision="allow")
    assert page.status == 200
    assert set(page.forms()[0]["fields"]) == {"id_token", "state", "iss"}


@pytest.mark.parametrize("mode", ["query", "query.jwt"])
def test_tokens_never_go_into_a_query(person: Person, mode: str) -> None:
    page = person.open(ask("id_token", response_mode=mode))
    assert page.location.startswith(f"{SHOP}#")
    assert page.parameters["error"] == "invalid_request"


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({"nonce": None}, "invalid_request"),
        ({"scope": "email"}, "invalid_request"),
        ({"client_id": "code-only"}, "unauthorized_client"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "code token"}, "unsupported_response_type"),
        ({"response_type": "id_token id_token"}, "unsupported_response_type"),
    ],
)
def test_what_is_refused(person: Person, more: dict[str, Any], error: str) -> None:
    page = person.open(ask(**({"response_type": "id_token"} | more)))
    assert page.parameters["error"] == error


def test_nobody_signed_in_is_said_in_the_fragment(person: Person) -> None:
    page = person.open(ask("id_token", prompt="none"))
    assert page.location.startswith(f"{SHOP}#error=login_required")


def test_they_are_off_by_default(tmp_path: Path, clock: Clock) -> None:
    app = provider_app(tmp_path, clock, OLD)
    document = call(app, "GET", "/.well-known/openid-configuration").json()
    assert document["response_types_supported"] == ["code"]
    assert "implicit" not in document["grant_types_supported"]
    page = person_at(app).open(ask("id_token"))
    assert page.parameters["error"] == "unsupported_response_type"


def test_discovery_and_registration(app: Any) -> None:
    document = call(app, "GET", "/.well-known/openid-configuration").json()
    assert document["response_types_supported"] == list(ALL)
    assert "implicit" in document["grant_types_supported"]
    made = register(app, ["implicit", "authorization_code"], ["code", "token id_token"])
    assert made["response_types"] == ["code", "id_token token"]
    assert register(app, ["implicit"], ["id_token"])["response_types"] == ["id_token"]


@pytest.mark.parametrize(
    ("grants", "types"),
    [
        (["authorization_code"], ["code", "id_token"]),
        (["implicit"], ["code id_token"]),
        (["implicit"], []),
        (["authorization_code"], ["token"]),
        (["authorization_code"], "code"),
        (["authorization_code"], [7]),
    ],
)
def test_a_registration_that_does_not_fit(app: Any, grants: Any, types: Any) -> None:
    assert register(app, grants, types)["error"] == "invalid_client_metadata"


def register(app: Any, grants: Any, types: Any) -> Any:
    sent = {"redirect_uris": [SHOP], "grant_types": grants, "response_types": types}
    body = json.dumps(sent).encode()
    return call(
        app, path="/dcr/register", body=body, content_type="application/json"
    ).json()


@pytest.mark.parametrize(
    "changed",
    [
        {"grants": ("authorization_code",)},
        {"grants": ("implicit",)},
        {"dpop_bound_access_tokens": True},
    ],
)
def test_settings_that_do_not_fit(changed: dict[str, Any]) -> None:
    known = {"grants": ("authorization_code", "implicit"), "response_types": ALL}
    mistakes = list(
        client_mistakes(ClientSettings("x", redirect_uris=(SHOP,), **(known | changed)))
    )
    assert any("response type" in text for text in mistakes)
