"""Emulated providers: their tokens pass the trust that the same preset declares."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from kapi.identity.issuers.presets import PRESETS
from kapi.jose.jwt import parse_jwt
from kapi.testing import Issuer, Server
from kapi.testing.vendors.vendor import emulated_presets
from person import Person, Pkce, over_asgi

TENANT = "8eaef023-2b34-4da1-9baa-8bc8c9d6a490"
PARAMETERS: dict[str, dict[str, str]] = {
    "asgardeo": {"organization": "acme"},
    "wso2is": {"domain": "is.acme.example:9443"},
    "auth0": {"domain": "acme.eu.auth0.com"},
    "okta": {"domain": "acme.okta.com"},
    "entra": {"tenant": TENANT},
    "entra-v1": {"tenant": TENANT},
    "keycloak": {"url": "https://sso.acme.example", "realm": "acme"},
    "cognito": {"region": "eu-central-1", "pool": "eu-central-1_AbCdEfGhI"},
    "google": {},
    "pingone": {"environment": TENANT},
    "firebase": {"project": "acme-prod"},
    "clerk": {"domain": "clerk.acme.example"},
    "supabase": {"project": "abcdefghijklmnopqrst"},
    "zitadel": {"domain": "acme-1234.zitadel.cloud"},
}
SEED = {
    "clients": [
        {
            "id": "shop",
            "secret": "s",
            "grants": ["client_credentials", "authorization_code", "refresh_token"],
            "redirect_uris": ["https://shop.example/cb"],
            "consent": "never",
        }
    ]
}
PAGE = Path(__file__).parents[2] / "docs" / "testing" / "vendors.md"
vendors = pytest.mark.parametrize("name", list(PARAMETERS))


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server() as server:
        for name, parameters in PARAMETERS.items():
            server.emulate(name, seed=SEED, **parameters)
        yield server


def path_of(issuer: Issuer, member: str) -> str:
    assert issuer.vendor is not None
    return urlsplit(issuer.vendor.addresses[member]).path


def asked(issuer: Issuer, secret: str = "s", **form: str) -> Any:
    return issuer.request(
        "POST",
        path_of(issuer, "token_endpoint"),
        form={"grant_type": "client_credentials", **form},
        auth=("shop", secret),
    )


def test_every_provider_that_can_be_emulated_is_here() -> None:
    assert emulated_presets() == list(PARAMETERS)


@vendors
@pytest.mark.parametrize("user", ["", "org1user"])
def test_its_tokens_are_accepted_and_wrong_ones_refused(
    server: Server, name: str, user: str
) -> None:
    issuer = server.issuer(name)
    told = issuer.explain(issuer.token(user=user, scope="read"))
    assert told["accepted"], told["checks"]
    assert told["claims"]["iss"] == issuer.url
    for recipe in (
        "expired",
        "alg-none",
        "wrong-key",
        "issuer-slash",
        "hs256-public-key",
    ):
        assert not issuer.explain(issuer.mint(recipe, user=user))["accepted"], recipe


@vendors
def test_its_documents_are_at_its_paths(server: Server, name: str) -> None:
    issuer = server.issuer(name)
    assert issuer.vendor is not None
    document = server.request("GET", urlsplit(issuer.discovery_url).path).json()
    assert document["issuer"] == issuer.url
    keys = server.request("GET", urlsplit(document["jwks_uri"]).path)
    assert document["jwks_uri"].startswith(issuer.base_url)
    assert parse_jwt(issuer.token()).header["kid"] in {
        key["kid"] for key in keys.json()["keys"]
    }
    # Under its own host it says its own addresses.
    there = urlsplit(issuer.vendor.trusted.discovery)
    own = server.request("GET", there.path, headers={"host": there.netloc}).json()
    assert own["jwks_uri"] == issuer.vendor.trusted.jwks_uri
    assert own["token_endpoint"] == issuer.vendor.addresses["token_endpoint"]


@vendors
def test_its_errors_have_its_form(server: Server, name: str) -> None:
    answer = asked(server.issuer(name), secret="wrong")
    assert answer.status in {400, 401}
    assert answer.members
    assert "likely_mistake" not in answer.members


def test_access_tokens_are_opaque_where_the_vendors_are(server: Server) -> None:
    opaque = {
        name
        for name in PARAMETERS
        if "." not in asked(server.issuer(name)).json()["access_token"]
    }
    assert opaque == {"auth0", "firebase", "zitadel"}
    google = asked(server.issuer("google")).json()["access_token"]
    assert google.startswith("ya29.")
    issuer = server.issuer("auth0")
    token = asked(issuer, audience="https://orders.example").json()["access_token"]
    assert parse_jwt(token).claims["aud"] == "https://orders.example"
    jwt = server.emulate("zitadel", "z2", opaque=False, **PARAMETERS["zitadel"])
    answer = jwt.request(
        "POST", "/oauth/v2/token", form={"grant_type": "client_credentials"}
    )
    assert answer.status == 401
    form = {"grant_type": "client_credentials"}
    answer = jwt.request("POST", "/oauth/v2/token", form=form, auth=jwt.client)
    assert answer.json()["access_token"].count(".") == 2


def test_the_provider_knows_its_tokens_again(server: Server) -> None:
    for name in ("zitadel", "asgardeo"):
        issuer = server.issuer(name)
        token = asked(issuer, scope="read").json()["access_token"]
        path = path_of(issuer, "introspection_endpoint")
        told = issuer.request(
            "POST", path, form={"token": token}, auth=("shop", "s")
        ).json()
        assert (told["active"], told["scope"]) == (True, "read")
        revoke = path_of(issuer, "revocation_endpoint")
        issuer.request("POST", revoke, form={"token": token}, auth=("shop", "s"))
        told = issuer.request(
            "POST", path, form={"token": token}, auth=("shop", "s")
        ).json()
        assert told == {"active": False}


def test_entra_takes_the_api_from_the_scope(server: Server) -> None:
    answer = asked(server.issuer("entra"), scope=f"api://{TENANT}/.default")
    assert parse_jwt(answer.json()["access_token"]).claims["aud"] == TENANT
    answer = asked(server.issuer("entra-v1"), scope="api://orders/read")
    claims = parse_jwt(answer.json()["access_token"]).claims
    assert (claims["aud"], claims["roles"]) == ("api://orders", ["read"])


def test_keys_are_published_as_the_vendor_does(server: Server) -> None:
    def keys(name: str) -> list[dict[str, Any]]:
        issuer = server.issuer(name)
        answer: list[dict[str, Any]] = issuer.request(
            "GET", path_of(issuer, "jwks_uri")
        ).json()["keys"]
        return answer

    assert len(keys("auth0")) == 2
    assert "x5c" in keys("auth0")[0]
    assert [key["use"] for key in keys("keycloak")] == ["sig", "enc"]
    assert {key["alg"] for key in keys("supabase")} == {"ES256"}
    headers = {"host": "www.googleapis.com"}
    for path in (
        "/oauth2/v1/certs",
        "/robot/v1/metadata/x509/securetoken@system.gserviceaccount.com",
    ):
        certificates = server.request("GET", path, headers=headers).json()
        assert all("BEGIN CERTIFICATE" in pem for pem in certificates.values())
    google, firebase = server.issuer("google"), server.issuer("firebase")
    assert parse_jwt(firebase.token()).header["kid"] in certificates
    assert parse_jwt(google.token()).header["kid"] not in certificates


def test_a_rotation_follows_the_habit_of_the_vendor(server: Server) -> None:
    def kids(issuer: Issuer) -> list[str]:
        answer = issuer.request("GET", path_of(issuer, "jwks_uri")).json()
        return [key["kid"] for key in answer["keys"] if key["use"] == "sig"]

    auth0 = server.issuer("auth0")
    before = auth0.token()
    (following,) = set(kids(auth0)) - {parse_jwt(before).header["kid"]}
    assert auth0.keys.rotate() == following, "a client that cached the JWKS has the key"
    assert parse_jwt(auth0.token()).header["kid"] == following
    assert len(kids(auth0)) == 3, "previous, current and next"
    assert auth0.explain(before)["accepted"]
    wso2 = server.issuer("wso2is")
    before = wso2.token()
    assert kids(wso2) == [parse_jwt(before).header["kid"]]
    wso2.keys.rotate()
    assert len(kids(wso2)) == 1
    assert not wso2.explain(before)["accepted"]


@pytest.mark.parametrize("name", ["auth0", "okta", "keycloak", "entra"])
def test_a_person_signs_in_at_its_paths(server: Server, name: str) -> None:
    issuer = server.issuer(name)
    person = Person(over_asgi(server.app))
    pkce = Pkce()
    query = {
        "client_id": "shop",
        "response_type": "code",
        "scope": "openid",
        "redirect_uri": "https://shop.example/cb",
        "state": "s",
        "nonce": "n",
        "code_challenge": pkce.challenge,
        "code_challenge_method": "S256",
    }
    start = (
        f"/issuers/{name}{path_of(issuer, 'authorization_endpoint')}?{urlencode(query)}"
    )
    code = person.sign_in(person.open(start)).parameters["code"]
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": "https://shop.example/cb",
        "code_verifier": pkce.verifier,
    }
    tokens = asked(issuer, **form).json()
    claims = parse_jwt(tokens["id_token"]).claims
    assert (claims["iss"], claims["aud"], claims["nonce"]) == (issuer.url, "shop", "n")
    headers = {"authorization": f"Bearer {tokens['access_token']}"}
    info = issuer.request(
        "GET", path_of(issuer, "userinfo_endpoint"), headers=headers
    ).json()
    assert info["sub"] == claims["sub"]


def test_mistakes_of_parameters_are_told_at_once(server: Server) -> None:
    with pytest.raises(ValueError, match="domain is missing") as caught:
        server.emulate("auth0", "wrong", realm="x")
    assert "no parameter 'realm'" in str(caught.value)
    with pytest.raises(ValueError, match="cannot be emulated"):
        server.emulate("dex", url="https://dex.example")
    with pytest.raises(ValueError, match="already"):
        server.emulate("google")
    answer = server.request("POST", "/testing/issuers", json={"emulate": "nonsense"})
    assert answer.status == 400
    wish = {"emulate": "okta", "name": "o2", "parameters": {"domain": "b.okta.com"}}
    made = server.request("POST", "/testing/issuers", json=wish).json()
    assert (made["vendor"], made["issuer"]) == (
        "okta",
        "https://b.okta.com/oauth2/default",
    )


def test_the_page_has_the_facts_of_each_vendor() -> None:
    text = " ".join(PAGE.read_text("utf-8").split())
    for preset in PRESETS:
        if preset.emulation is None:
            continue
        facts = (preset.title, preset.emulation.keys.habit, preset.emulation.verifier)
        assert [
            fact for fact in (*facts, *preset.emulation.unchecked) if fact not in text
        ] == []
