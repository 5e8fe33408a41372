"""Introspection and revocation: what a token is, to whom; which kinds there are; and every hostile
request with its exact answer.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from client_keys import key, proof, public, signed, thumbprint
from idp import basic, call, identity_app
from kapi.settings import ClientSettings, IdentitySettings, Settings
from kapi.store import Store
from person import Person, Pkce, authorize_path, over_asgi

NOW = 1_800_000_000
ISSUER = "https://idp.am.wso2.com/token"
INTROSPECT, REVOKE = "/oauth2/introspect", "/oauth2/revoke"
CLIENTS = (
    *IdentitySettings().clients,
    ClientSettings(
        id="shop",
        secret="s",
        grants=("authorization_code", "refresh_token"),
        redirect_uris=("https://shop.example/cb",),
    ),
    ClientSettings(id="audience", secret="a", audience=("https://orders.example",)),
    ClientSettings(id="orders", secret="o", introspects=("https://orders.example",)),
    ClientSettings(id="nothing", secret="n", introspects=()),
    ClientSettings(id="always", secret="j", introspection_signed_response_alg="ES256"),
    ClientSettings(
        id="public",
        token_endpoint_auth_method="none",
        grants=("authorization_code",),
        redirect_uris=("https://p.example/cb",),
    ),
    ClientSettings(
        id="signs", token_endpoint_auth_method="private_key_jwt", jwks=public(key())
    ),
)
SHOP = basic("shop", "s")


@pytest.fixture
def clock() -> list[int]:
    return [NOW]


@pytest.fixture
def app(tmp_path: Path, clock: list[int]) -> Any:
    return identity_app(
        Settings(tmp_path, IdentitySettings(clients=CLIENTS)),
        Store.open(tmp_path / "kapi.db"),
        lambda: clock[0],
    )


def token(app: Any, authorization: str = "", **headers: Any) -> str:
    return call(app, authorization=authorization or basic(), **headers).json()[
        "access_token"
    ]


def introspect(app: Any, of: str, authorization: str = "", **more: str) -> Any:
    answer = call(
        app,
        path=INTROSPECT,
        body=urlencode({"token": of, **more}).encode(),
        authorization=authorization or basic(),
    )
    assert answer.status == 200, answer.body
    assert answer.headers["cache-control"] == "no-store"
    return answer.json()


def revoke(app: Any, token: str, authorization: str = "", **more: str) -> Any:
    return call(
        app,
        path=REVOKE,
        body=urlencode({"token": token, **more}).encode(),
        authorization=authorization or basic(),
    )


def of_person(app: Any) -> dict[str, Any]:
    person, pkce = Person(over_asgi(app)), Pkce()
    page = person.open(
        authorize_path(
            "shop", "https://shop.example/cb", pkce, scope="openid default", nonce="n"
        )
    )
    page = person.submit(person.sign_in(page), decision="allow")
    fields = {
        "grant_type": "authorization_code",
        "code": page.parameters["code"],
        "code_verifier": pkce.verifier,
    }
    fields["redirect_uri"] = "https://shop.example/cb"
    answer = call(app, body=urlencode(fields).encode(), authorization=SHOP).json()
    return {**answer, "code": page.parameters["code"], "cookies": person.cookies}


def test_an_access_token_of_a_client(app: Any) -> None:
    mine = token(app)
    found = introspect(app, mine)
    client = CLIENTS[0].id
    assert found == {
        "active": True,
        "client_id": client,
        "token_type": "Bearer",
        "iss": ISSUER,
        "sub": client,
        "exp": NOW + 3600,
        "nbf": NOW,
        "iat": NOW,
        "jti": found["jti"],
        "scope": "default",
    }
    assert introspect(app, mine, token_type_hint="refresh_token")["active"] is True
    assert introspect(app, mine, token_type_hint="nonsense")["active"] is True


def test_tokens_of_a_person(app: Any) -> None:
    tokens = of_person(app)
    access = introspect(app, tokens["access_token"], SHOP)
    assert (
        access["active"],
        access["username"],
        access["scope"],
        access["organization"],
    ) == (
        True,
        "org1user",
        "openid default",
        "org1",
    )
    refresh = introspect(app, tokens["refresh_token"], SHOP)
    assert (
        refresh["active"],
        refresh["token_type"],
        refresh["client_id"],
        refresh["scope"],
    ) == (
        True,
        "refresh_token",
        "shop",
        "openid default",
    )
    # A refresh token is nobody else's business.
    assert introspect(app, tokens["refresh_token"]) == {"active": False}


def test_other_kinds_are_not_active(app: Any) -> None:
    tokens = of_person(app)
    for kind in (tokens["id_token"], tokens["code"], *tokens["cookies"].values()):
        assert introspect(app, kind, SHOP) == {"active": False}


def test_a_bound_token_says_so(app: Any) -> None:
    bound = token(
        app, dpop=proof(key(), "POST", "https://idp.am.wso2.com:9095/oauth2/token", NOW)
    )
    found = introspect(app, bound)
    assert (found["token_type"], found["cnf"]) == ("DPoP", {"jkt": thumbprint(key())})


def test_who_may_know(app: Any) -> None:
    for_orders = token(app, basic("audience", "a"))
    assert introspect(app, for_orders, basic("orders", "o"))["active"] is True
    assert introspect(app, for_orders, basic("audience", "a"))["active"] is True
    assert introspect(app, for_orders, basic("nothing", "n")) == {"active": False}
    assert introspect(app, token(app), basic("orders", "o")) == {"active": False}


def test_expired_unknown_and_foreign(app: Any, clock: list[int]) -> None:
    mine = token(app)
    header, payload, signature = mine.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    other_issuer = signed(
        {**claims, "iss": "https://other.example"},
        key("RS256"),
        {"kid": "gateway_certificate_alias"},
    )
    for wrong in (
        "x",
        "a.b.c",
        "." * 5000,
        "é",
        "x" * 30_000,
        f"{header}.{payload}.",
        f"{header}.{payload}.{signature[:-4]}AAAA",
        f"eyJhbGciOiJub25lIn0.{payload}.",
        other_issuer,
        signed(claims, key("RS256"), {"kid": "gateway_certificate_alias"}),
        signed(claims, b"k" * 32, {"kid": "gateway_certificate_alias"}),
    ):
        assert introspect(app, wrong) == {"active": False}
    clock[0] += 3600
    assert introspect(app, mine) == {"active": False}


def test_a_signed_answer(app: Any) -> None:
    jwks = KeySet.import_key_set(call(app, "GET", "/oauth2/jwks").json())
    asked = urlencode({"token": token(app)}).encode()
    wanted = call(
        app,
        path=INTROSPECT,
        body=asked,
        authorization=basic(),
        accept="application/token-introspection+jwt",
    )
    assert wanted.headers["content-type"] == "application/token-introspection+jwt"
    read = jwt.decode(wanted.body.decode(), jwks, algorithms=["RS256"])
    assert read.header["typ"] == "token-introspection+jwt"
    assert (read.claims["iss"], read.claims["aud"], read.claims["iat"]) == (
        ISSUER,
        CLIENTS[0].id,
        NOW,
    )
    assert read.claims["token_introspection"]["active"] is True
    assert not {"sub", "exp", "scope", "clientId"} & set(read.claims)
    always = call(app, path=INTROSPECT, body=asked, authorization=basic("always", "j"))
    assert (
        jwt.decode(always.body.decode(), jwks, algorithms=["ES256"]).claims["aud"]
        == "always"
    )
    # The answer is no access token.
    assert introspect(app, wanted.body.decode()) == {"active": False}


def test_an_opaque_token(tmp_path: Path) -> None:
    settings = IdentitySettings(clients=CLIENTS, access_token_format="opaque")
    opaque = identity_app(
        Settings(tmp_path, settings), Store.open(tmp_path / "kapi.db"), lambda: NOW
    )
    mine = token(opaque)
    assert "." not in mine
    assert introspect(opaque, mine)["client_id"] == CLIENTS[0].id
    assert revoke(opaque, mine, SHOP).json()["error"] == "invalid_grant"
    assert revoke(opaque, mine).status == 200
    assert introspect(opaque, mine) == {"active": False}


HOSTILE: dict[str, tuple[bytes, dict[str, Any], int, str]] = {
    "no credentials": (b"token=x", {}, 401, "invalid_client"),
    "wrong secret": (
        b"token=x",
        {"authorization": basic(secret="no")},
        401,
        "invalid_client",
    ),
    "bearer": (b"token=x", {"authorization": "Bearer x"}, 401, "invalid_client"),
    "another method than registered": (
        b"token=x&client_id=signs&client_secret=s",
        {},
        401,
        "invalid_client",
    ),
    "no token": (b"", {"authorization": basic()}, 400, "invalid_request"),
    "empty token": (b"token=", {"authorization": basic()}, 400, "invalid_request"),
    "token twice": (
        b"token=x&token=y",
        {"authorization": basic()},
        400,
        "invalid_request",
    ),
    "JSON": (
        b'{"token":"x"}',
        {"authorization": basic(), "content_type": "application/json"},
        400,
        "invalid_request",
    ),
    "two methods": (
        b"token=x&client_id=shop&client_secret=s",
        {"authorization": basic()},
        400,
        "invalid_request",
    ),
}


@pytest.mark.parametrize("path", [INTROSPECT, REVOKE])
@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_requests(app: Any, path: str, case: str) -> None:
    body, headers, status, error = HOSTILE[case]
    answer = call(app, path=path, body=body, **headers)
    assert (answer.status, answer.json()["error"]) == (status, error)
    assert ("www-authenticate" in answer.headers) is (status == 401)


def test_public_clients_cannot_ask_but_can_revoke(app: Any) -> None:
    assert (
        call(app, path=INTROSPECT, body=b"token=x&client_id=public").json()["error"]
        == "invalid_client"
    )
    assert call(app, path=REVOKE, body=b"token=x&client_id=public").status == 200


@pytest.mark.parametrize("path", [INTROSPECT, REVOKE])
def test_other_methods(app: Any, path: str) -> None:
    answer = call(app, "GET", f"{path}?token=x", authorization=basic())
    assert (answer.status, answer.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("hint", ["access_token", "refresh_token", "nonsense", ""])
def test_an_access_token_is_revoked(app: Any, hint: str) -> None:
    mine = token(app)
    other = token(app)
    answer = revoke(app, mine, token_type_hint=hint)
    assert (answer.status, answer.body) == (200, b"")
    assert introspect(app, mine) == {"active": False}
    assert introspect(app, other)["active"] is True
    assert revoke(app, mine).status == 200


def test_a_refresh_token_takes_its_authorization_with_it(app: Any) -> None:
    tokens = of_person(app)
    assert (
        revoke(
            app, tokens["refresh_token"], SHOP, token_type_hint="access_token"
        ).status
        == 200
    )
    for name in ("refresh_token", "access_token"):
        assert introspect(app, tokens[name], SHOP) == {"active": False}
    body = urlencode(
        {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    ).encode()
    assert call(app, body=body, authorization=SHOP).json()["error"] == "invalid_grant"


def test_an_access_token_falls_alone(app: Any) -> None:
    tokens = of_person(app)
    assert revoke(app, tokens["access_token"], SHOP).status == 200
    assert introspect(app, tokens["access_token"], SHOP) == {"active": False}
    assert introspect(app, tokens["refresh_token"], SHOP)["active"] is True


def test_nobody_revokes_what_is_not_theirs(app: Any) -> None:
    tokens = of_person(app)
    for name in ("refresh_token", "access_token"):
        answer = revoke(app, tokens[name])
        assert (answer.status, answer.json()["error"]) == (400, "invalid_grant")
        assert introspect(app, tokens[name], SHOP)["active"] is True


def test_unknown_tokens_are_as_good_as_revoked(app: Any) -> None:
    tokens = of_person(app)
    for unknown in ("x", "a.b.c", "é", tokens["code"], tokens["id_token"]):
        assert revoke(app, unknown, SHOP).status == 200
    # An ID token shares nothing with the access token that it could take away.
    assert introspect(app, tokens["access_token"], SHOP)["active"] is True


def test_discovery_names_them(app: Any) -> None:
    document = call(app, "GET", "/.well-known/openid-configuration").json()
    assert (
        document["introspection_endpoint"]
        == "https://idp.am.wso2.com:9095/oauth2/introspect"
    )
    assert (
        document["revocation_endpoint"] == "https://idp.am.wso2.com:9095/oauth2/revoke"
    )
    assert "none" not in document["introspection_endpoint_auth_methods_supported"]
    assert "none" in document["revocation_endpoint_auth_methods_supported"]
