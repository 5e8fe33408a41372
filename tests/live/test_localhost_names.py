"""A client that knows only a name below `.localhost` finds, uses and verifies everything there."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from harness import BASIC, DEFINITION, Platform, conf
from kapi.settings import WELL_KNOWN_CLIENT_ID as CLIENT
from person import Page, Person, Pkce, authorize_path, over_https
from waiting import until

GUIDE, IDP, API, GW = (
    "idp.am.wso2.com",
    "idp.localhost",
    "api.localhost",
    "default.gw.localhost",
)
CONFIGURED = "default.gw.wso2.com"
CALLBACK = "http://httpbin.org"


@pytest.fixture
def person(platform: Platform) -> Person:
    return Person(over_https(platform.port, IDP))


def token_request(person: Person, **fields: str) -> Page:
    body = urlencode(fields).encode()
    return Person(person.send).ask(
        "POST", "/oauth2/token", body, authorization=f"Basic {BASIC}"
    )


def signed_in(person: Person) -> dict[str, str]:
    pkce = Pkce()
    path = authorize_path(CLIENT, CALLBACK, pkce, scope="openid default apk:api_create")
    page = person.sign_in(person.open(path), "superAdmin", organization="")
    if page.status == 200:
        page = person.submit(page, decision="allow")
    told = token_request(
        person,
        grant_type="authorization_code",
        code=page.parameters["code"],
        redirect_uri=CALLBACK,
        code_verifier=pkce.verifier,
    ).json()
    return {**told, "iss": page.parameters["iss"]}


def called(platform: Platform, token: str, host: str = GW) -> int:
    return platform.request(
        host, "/echo/1.0.0/items", "-H", f"Authorization: Bearer {token}"
    ).status


def test_each_host_name_has_an_issuer_of_its_own(platform: Platform) -> None:
    """OpenID Connect Discovery §4.3, RFC 8414 §3.3: the issuer is the one that was asked."""
    base = f"https://{IDP}:{platform.port}"
    for path in (
        "/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server",
    ):
        told = platform.request(IDP, path).json()
        assert told["issuer"] == base
        elsewhere = []
        for name, value in told.items():
            if name.endswith(("_endpoint", "_uri")) and not value.startswith(
                f"{base}/"
            ):
                elsewhere.append(name)
        assert elsewhere == []
    guide = platform.request(GUIDE, "/.well-known/openid-configuration").json()
    assert guide["issuer"] == "https://idp.am.wso2.com/token"
    assert guide["token_endpoint"] == f"https://{GUIDE}:{platform.port}/oauth2/token"


def test_a_person_signs_in_and_the_tokens_are_accepted_everywhere(
    platform: Platform, person: Person, echo: int
) -> None:
    issuer = f"https://{IDP}:{platform.port}"
    told = signed_in(person)
    keys = KeySet.import_key_set(platform.request(IDP, "/oauth2/jwks").json())
    claims = jwt.decode(told["id_token"], keys).claims
    assert (told["iss"], claims["iss"], claims["aud"]) == (issuer, issuer, CLIENT)
    access = told["access_token"]
    assert jwt.decode(access, keys).claims["iss"] == issuer
    # The system APIs, by both names, and a deployed API, by both names.
    assert platform.deploy(conf(port=echo), DEFINITION, access).status == 200
    for host in (API, "api.am.wso2.com"):
        listed = platform.request(
            host, "/api/deployer/1.2.0/apis", "-H", f"Authorization: Bearer {access}"
        )
        assert listed.status == 200
    assert {called(platform, access, host) for host in (GW, CONFIGURED)} == {200}
    guides = platform.token()
    assert {called(platform, guides, host) for host in (GW, CONFIGURED)} == {200}
    # A backend is told the name that the caller used.
    answer = platform.request(
        GW, "/echo/1.0.0/items", "-H", f"Authorization: Bearer {access}"
    )
    assert answer.json()["headers"]["x-forwarded-host"] == f"{GW}:{platform.port}"
    info = person.ask(
        "GET", "/oauth2/userinfo", authorization=f"Bearer {access}"
    ).json()
    assert info["sub"] == claims["sub"]
    # A refresh token that was used twice ends all of it, under each name.
    first = {"grant_type": "refresh_token", "refresh_token": told["refresh_token"]}
    fresh = token_request(person, **first).json()["access_token"]
    assert called(platform, fresh) == 200
    again = platform.request(
        GUIDE,
        "/oauth2/token",
        "-H",
        f"Authorization: Basic {BASIC}",
        "-d",
        urlencode(first),
    )
    assert again.json()["error"] == "invalid_grant"
    until(
        lambda: (
            (called(platform, access), called(platform, fresh, CONFIGURED))
            == (401, 401)
        )
    )


def test_a_token_is_revoked_under_either_name(platform: Platform, echo: int) -> None:
    platform.deploy(conf(port=echo), DEFINITION)
    basic = ("-H", f"Authorization: Basic {BASIC}")
    for asked, revoked_at in ((IDP, GUIDE), (GUIDE, IDP)):
        grant = ("-d", "grant_type=client_credentials")
        token = platform.request(asked, "/oauth2/token", *basic, *grant).json()[
            "access_token"
        ]
        fields = ("-d", f"token={token}")
        assert platform.request(IDP, "/oauth2/introspect", *basic, *fields).json()[
            "active"
        ]
        assert (
            platform.request(revoked_at, "/oauth2/revoke", *basic, *fields).status
            == 200
        )
        told = platform.request(GUIDE, "/oauth2/introspect", *basic, *fields).json()
        assert told == {"active": False}
        until(lambda token=token: called(platform, token) == 401)
        listed = platform.api("/api/deployer/1.2.0/apis", token=token)
        assert listed.status == 401


def test_a_client_without_a_token_is_led_to_the_provider_by_the_same_names(
    platform: Platform, echo: int
) -> None:
    """RFC 9728: from the 401 to the metadata of the resource, and from there to the issuer."""
    platform.deploy(conf(port=echo), DEFINITION)
    path = "/.well-known/oauth-protected-resource"
    refused = platform.request(API, "/api/deployer/1.2.0/apis")
    assert (
        f'"https://{API}:{platform.port}{path}"' in refused.headers["www-authenticate"]
    )
    refused = platform.request(GW, "/echo/1.0.0/items")
    place = f"https://{GW}:{platform.port}{path}/echo/1.0.0"
    assert (
        refused.headers["www-authenticate"]
        == f'Bearer realm="kapi", resource_metadata="{place}"'
    )
    for host, resource in ((API, ""), (GW, "/echo/1.0.0")):
        told = platform.request(host, f"{path}{resource}").json()
        assert told["resource"] == f"https://{host}:{platform.port}{resource}"
        assert told["authorization_servers"] == [f"https://{IDP}:{platform.port}"]
    guide = platform.request(CONFIGURED, f"{path}/echo/1.0.0").json()
    assert guide["authorization_servers"] == ["https://idp.am.wso2.com/token"]


def test_the_names_open_nothing_that_the_others_keep_shut(
    platform: Platform, echo: int
) -> None:
    """A caller on the network may send any Host: it meets the same checks."""
    platform.deploy(conf(port=echo), DEFINITION)
    assert platform.request(API, "/api/deployer/1.2.0/apis").status == 401
    assert platform.request(GW, "/echo/1.0.0/items").status == 401
    assert (
        platform.request(
            IDP, "/oauth2/token", "-d", "grant_type=client_credentials"
        ).status
        == 401
    )
    assert platform.request("gw.localhost", "/echo/1.0.0/items").status == 404
    assert platform.request("other.gw.localhost", "/echo/1.0.0/items").status == 404
    assert platform.request("anything.localhost", "/oauth2/token").status == 404
