"""Authlib and requests-oauthlib complete every flow they support through the gateway: TLS verified,
the issuer discovered.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import AssertionSession, OAuth2Session
from authlib.oauth2.rfc7523 import ClientSecretJWT, PrivateKeyJWT
from clients import (
    ASSERTION,
    CALLBACK,
    CIBA,
    DEVICE,
    DIFFICULT,
    EXCHANGE,
    HR,
    IDP,
    LEAF,
    SECRET,
    allow_device,
    approve,
    authorized,
    path_of,
)
from joserfc import jwt
from joserfc.jwk import KeySet
from oauthlib.oauth2 import (
    BackendApplicationClient,
    DeviceClient,
    LegacyApplicationClient,
    OAuth2Error,
    ServiceApplicationClient,
)
from proxy import proxy
from requests_oauthlib import OAuth2Session as OauthlibSession

from client_keys import key, signed
from harness import Platform
from person import Person, claims_of, over_https

ACCESS = "urn:ietf:params:oauth:token-type:access_token"


@pytest.fixture(scope="module")
def through() -> Iterator[str]:
    with proxy() as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def base(platform: Platform) -> str:
    return f"https://{IDP}:{platform.port}"


@pytest.fixture
def person(platform: Platform) -> Person:
    return Person(over_https(platform.port))


class Ways:
    """Sessions that reach the platform, and what its discovery document says."""

    def __init__(self, platform: Platform, through: str) -> None:
        self.wire: dict[str, Any] = {
            "proxies": {"https": through},
            "verify": str(platform.data_dir / "tls" / "ca.pem"),
        }
        self.folder = platform.data_dir.parent
        self.api = f"https://api.am.wso2.com:{platform.port}/api/deployer/1.2.0/apis"
        with self.placed(OAuth2Session()) as session:
            self.known = session.get(
                f"https://{IDP}:{platform.port}/.well-known/openid-configuration",
                withhold_token=True,
            ).json()
            self.keys = KeySet.import_key_set(
                session.get(self.known["jwks_uri"], withhold_token=True).json()
            )

    def placed(self, session: Any) -> Any:
        session.proxies, session.verify, session.trust_env = (
            self.wire["proxies"],
            self.wire["verify"],
            False,
        )
        return session

    def authlib(
        self,
        name: str,
        secret: str = SECRET,
        method: Any = "client_secret_basic",
        **more: Any,
    ) -> OAuth2Session:
        more.setdefault("revocation_endpoint_auth_method", method)
        return self.placed(
            OAuth2Session(name, secret, token_endpoint_auth_method=method, **more)
        )

    def oauthlib(self, name: str = "", **more: Any) -> OauthlibSession:
        return self.placed(OauthlibSession(name or None, **more))

    def pair(self, name: str) -> tuple[str, str]:
        return str(self.folder / f"{name}.pem"), str(self.folder / f"{name}.key")


@pytest.fixture
def ways(platform: Platform, through: str) -> Ways:
    return Ways(platform, through)


# Authlib builds Basic without form-encoding it (RFC 6749 §2.3.1), which the difficult secret would
# not survive.
@pytest.mark.parametrize(
    ("name", "secret", "method"),
    [
        ("confidential", DIFFICULT, "client_secret_post"),
        ("public", "", "none"),
        ("notary", SECRET, "client_secret_basic"),
    ],
)
def test_authlib_code(
    ways: Ways, base: str, person: Person, name: str, secret: str, method: str
) -> None:
    session = ways.authlib(
        name,
        secret,
        method,
        scope="openid profile",
        redirect_uri=CALLBACK,
        code_challenge_method="S256",
    )
    assert ways.known["issuer"] == base
    verifier = "v" * 64
    url, state = session.create_authorization_url(
        ways.known["authorization_endpoint"], code_verifier=verifier, nonce="n-0S6"
    )
    location = authorized(person, url).location
    token = session.fetch_token(
        ways.known["token_endpoint"],
        authorization_response=location,
        code_verifier=verifier,
        state=state,
    )
    claims = jwt.decode(
        token["id_token"], ways.keys, algorithms=["RS256", "ES256", "EdDSA"]
    ).claims
    assert (claims["nonce"], claims["aud"], claims["iss"]) == ("n-0S6", name, base)
    shown = session.get(ways.known["userinfo_endpoint"])
    if name == "notary":
        assert (
            jwt.decode(shown.text, ways.keys, algorithms=["ES256"]).claims["sub"]
            == "org1user"
        )
    else:
        assert shown.json()["sub"] == "org1user"
    fresh = session.refresh_token(ways.known["token_endpoint"])
    assert fresh["access_token"] != token["access_token"]
    assert session.introspect_token(
        ways.known["introspection_endpoint"], token=fresh["access_token"]
    ).status_code == (401 if name == "public" else 200)
    assert (
        session.revoke_token(
            ways.known["revocation_endpoint"], token=fresh["refresh_token"]
        ).status_code
        == 200
    )
    assert session.get(ways.known["userinfo_endpoint"]).status_code == 401


@pytest.mark.parametrize(
    ("name", "method"),
    [
        ("basic", "client_secret_basic"),
        ("post", "client_secret_post"),
        ("hmac", "HS256"),
        ("signs", "RS256"),
        ("tls", "none"),
    ],
)
def test_authlib_client_credentials(
    ways: Ways, base: str, name: str, method: Any
) -> None:
    secret = SECRET
    if method == "HS256":
        method = ClientSecretJWT(base)
    elif method == "RS256":
        secret, method = (
            key("RS256").as_pem(private=True).decode(),
            PrivateKeyJWT(base, headers={"kid": "RS256-one"}),
        )
    session = ways.authlib(name, secret, method)
    if name == "tls":
        session.cert = ways.pair("leaf")
    token = session.fetch_token(
        ways.known["token_endpoint"], grant_type="client_credentials", scope="default"
    )
    assert token["token_type"] == "Bearer"
    found = session.introspect_token(
        ways.known["introspection_endpoint"], token=token["access_token"]
    ).json()
    assert (found["active"], found["client_id"]) == (True, name)
    assert found.get("cnf") == ({"x5t#S256": LEAF.x5t} if name == "tls" else None)
    assert (
        session.revoke_token(
            ways.known["revocation_endpoint"], token=token["access_token"]
        ).status_code
        == 200
    )
    assert session.introspect_token(
        ways.known["introspection_endpoint"], token=token["access_token"]
    ).json() == {"active": False}


@pytest.mark.parametrize(
    ("name", "method"), [("television", "client_secret_basic"), ("remote", "none")]
)
def test_authlib_device(ways: Ways, person: Person, name: str, method: str) -> None:
    session = ways.authlib(name, method=method)
    auth = session.client_auth(method)
    asked = session.post(
        ways.known["device_authorization_endpoint"],
        {"scope": "openid a"},
        withhold_token=True,
        auth=auth,
    ).json()
    wanted = {"grant_type": DEVICE, "device_code": asked["device_code"]}
    with pytest.raises(OAuthError, match="authorization_pending"):
        session.fetch_token(ways.known["token_endpoint"], **wanted)
    allow_device(person, asked["verification_uri_complete"], asked["user_code"])
    time.sleep(asked.get("interval", 5) + 0.1)
    token = session.fetch_token(ways.known["token_endpoint"], **wanted)
    assert jwt.decode(token["id_token"], ways.keys).claims["sub"] == "org1user"
    assert token["scope"] == "openid a"


def test_authlib_ciba(ways: Ways, person: Person) -> None:
    session = ways.authlib("television")
    form = {
        "scope": "openid",
        "login_hint": "org1user",
        "binding_message": "W4SCT-Authlib",
    }
    auth = session.client_auth("client_secret_basic")
    asked = session.post(
        ways.known["backchannel_authentication_endpoint"],
        form,
        withhold_token=True,
        auth=auth,
    ).json()
    approve(person, "W4SCT-Authlib")
    token = session.fetch_token(
        ways.known["token_endpoint"], grant_type=CIBA, auth_req_id=asked["auth_req_id"]
    )
    assert jwt.decode(token["id_token"], ways.keys).claims["aud"] == "television"


def test_authlib_password_and_exchange(ways: Ways) -> None:
    legacy = ways.authlib("legacy", scope="a b")
    token = legacy.fetch_token(
        ways.known["token_endpoint"],
        username="org1user",
        password="org1user",
        organization="org1",
    )
    session = ways.authlib("orders")
    got = session.fetch_token(
        ways.known["token_endpoint"],
        grant_type=EXCHANGE,
        subject_token=token["access_token"],
        subject_token_type=ACCESS,
        audience="stock",
        scope="a",
    )
    claims = claims_of(got["access_token"])
    assert (claims["sub"], claims["aud"], claims["scope"], claims["act"]) == (
        "org1user",
        "stock",
        "a",
        {"sub": "orders"},
    )


def test_authlib_assertion(ways: Ways, base: str) -> None:
    session = AssertionSession(
        ways.known["token_endpoint"],
        HR,
        "org1user",
        base,
        scope="apk:api_create",
        client_id="batch",
        alg="ES256",
        header={"kid": "ES256-one"},
        key=key("ES256").as_pem(private=True).decode(),
    )
    ways.placed(session)
    # The session gets its token at the first call that needs one.
    assert session.get(ways.api).status_code == 200
    claims = claims_of(session.token["access_token"])
    assert (claims["clientId"], claims["sub"]) == ("batch", "org1user")


def test_authlib_pushes_what_it_signed(ways: Ways, base: str, person: Person) -> None:
    """PAR and JAR with what Authlib has: its signature of assertions makes the request object,
    `request_uri` is a parameter to it.
    """
    session = ways.authlib(
        "signs",
        key("RS256").as_pem(private=True).decode(),
        PrivateKeyJWT(base, headers={"kid": "RS256-one"}),
    )
    session.fetch_token(
        ways.known["token_endpoint"],
        grant_type="client_credentials",
        scope="kapi:clients",
    )
    metadata = {
        "redirect_uris": [CALLBACK],
        "token_endpoint_auth_method": "private_key_jwt",
        "jwks": {"keys": [key("RS256").as_dict(private=False)]},
        "require_pushed_authorization_requests": True,
        "require_signed_request_object": True,
    }
    made = session.post(ways.known["registration_endpoint"], json=metadata).json()
    client = ways.authlib(
        made["client_id"],
        session.client_secret,
        PrivateKeyJWT(base, headers={"kid": "RS256-one"}),
        redirect_uri=CALLBACK,
    )
    parameters = {
        "client_id": made["client_id"],
        "response_type": "code",
        "redirect_uri": CALLBACK,
        "scope": "openid",
        "state": "s",
    }
    now = int(time.time())
    challenge = {
        "code_challenge": "qjrzSW9gMiUgpUvqgEPE4_-8swvyCtfOVvg55o5S_es",
        "code_challenge_method": "S256",
    }
    claims = (
        {
            "iss": made["client_id"],
            "aud": base,
            "iat": now,
            "nbf": now,
            "exp": now + 60,
            "jti": "authlib",
        }
        | parameters
        | challenge
    )
    form = {
        "client_id": made["client_id"],
        "request": signed(claims, key("RS256"), {"typ": "oauth-authz-req+jwt"}),
    }
    auth = client.client_auth(client.token_endpoint_auth_method)
    pushed = client.post(
        ways.known["pushed_authorization_request_endpoint"],
        form,
        withhold_token=True,
        auth=auth,
    ).json()
    url, _ = client.create_authorization_url(
        ways.known["authorization_endpoint"],
        request_uri=pushed["request_uri"],
        state="s",
    )
    page = authorized(person, url)
    got = client.fetch_token(
        ways.known["token_endpoint"],
        authorization_response=page.location,
        state="s",
        code_verifier="M25iVXpKU3puUjFaYWg3T1NDTDQtcW1ROUY5YXlwalNoc0hhakxifmZHag",
    )
    assert jwt.decode(got["id_token"], ways.keys).claims["sub"] == "org1user"
    kept = {
        "headers": {"authorization": f"Bearer {made['registration_access_token']}"},
        "withhold_token": True,
    }
    assert client.delete(made["registration_client_uri"], **kept).status_code == 204


@pytest.mark.parametrize("name", ["confidential", "public"])
def test_requests_oauthlib_code(ways: Ways, person: Person, name: str) -> None:
    session = ways.oauthlib(
        name, redirect_uri=CALLBACK, scope=["openid", "email"], pkce="S256"
    )
    url, _ = session.authorization_url(ways.known["authorization_endpoint"])
    encoded = (
        {"auth": ("confidential", "a secret%3Awith %25%2B signs")}
        if name == "confidential"
        else {"include_client_id": True}
    )
    location = authorized(person, url).location
    token = session.fetch_token(
        ways.known["token_endpoint"],
        authorization_response=location,
        **encoded,
        **ways.wire,
    )
    assert session.get(ways.known["userinfo_endpoint"]).json() == {
        "sub": "org1user",
        "organization": "org1",
    }
    again = {"auth": encoded["auth"]} if "auth" in encoded else {"client_id": name}
    fresh = session.refresh_token(
        ways.known["token_endpoint"],
        refresh_token=token["refresh_token"],
        **again,
        **ways.wire,
    )
    assert fresh["refresh_token"] != token["refresh_token"]
    revocation, headers, body = session._client.prepare_token_revocation_request(
        ways.known["revocation_endpoint"],
        fresh["refresh_token"],
        "refresh_token",
        client_id=name,
        client_secret=DIFFICULT if "auth" in again else "",
    )
    assert (
        session.post(revocation, body, headers=headers, withhold_token=True).status_code
        == 200
    )
    assert session.get(ways.known["userinfo_endpoint"]).status_code == 401


@pytest.mark.parametrize("name", ["basic", "post", "tls"])
def test_requests_oauthlib_client_credentials(ways: Ways, name: str) -> None:
    session = ways.oauthlib(client=BackendApplicationClient(name, scope=["default"]))
    own: dict[str, Any] = {
        "basic": {"auth": (name, SECRET.replace(" ", "+"))},
        "post": {"client_secret": SECRET, "include_client_id": True},
        "tls": {"cert": ways.pair("leaf"), "include_client_id": True},
    }[name]
    token = session.fetch_token(ways.known["token_endpoint"], **own, **ways.wire)
    assert claims_of(token["access_token"])["clientId"] == name
    assert ("cnf" in claims_of(token["access_token"])) is (name == "tls")


def test_requests_oauthlib_password(ways: Ways) -> None:
    session = ways.oauthlib(client=LegacyApplicationClient("legacy", scope=["a"]))
    own = {
        "username": "org1user",
        "password": "org1user",
        "organization": "org1",
        "auth": ("legacy", SECRET.replace(" ", "+")),
    }
    token = session.fetch_token(ways.known["token_endpoint"], **own, **ways.wire)
    assert claims_of(token["access_token"])["sub"] == "org1user"


def test_requests_oauthlib_device(ways: Ways, person: Person) -> None:
    client = DeviceClient("remote", scope=["openid", "a"])
    session = ways.oauthlib(client=client)
    request = client.prepare_request_uri(
        ways.known["device_authorization_endpoint"], scope=["openid", "a"]
    )
    address, _, form = request.partition("?")
    asked = session.post(
        address,
        form,
        headers={"content-type": "application/x-www-form-urlencoded"},
        withhold_token=True,
    ).json()
    own = {"device_code": asked["device_code"], "include_client_id": True}
    with pytest.raises(OAuth2Error, match="authorization_pending"):
        session.fetch_token(ways.known["token_endpoint"], **own, **ways.wire)
    allow_device(person, asked["verification_uri_complete"], asked["user_code"])
    time.sleep(asked.get("interval", 5) + 0.1)
    token = session.fetch_token(ways.known["token_endpoint"], **own, **ways.wire)
    assert claims_of(token["access_token"])["sub"] == "org1user"


def test_requests_oauthlib_assertion(ways: Ways, base: str) -> None:
    """oauthlib's own assertions are RS256 by a library that is not here, so this one is handed to
    it.
    """
    now = int(time.time())
    made = signed(
        {
            "iss": HR,
            "sub": "org1user",
            "aud": base,
            "iat": now,
            "exp": now + 60,
            "jti": "oauthlib",
        },
        key("ES256"),
    )
    session = ways.oauthlib(client=ServiceApplicationClient("payroll"))
    session._client.prepare_request_body = lambda **_: (
        f"grant_type={ASSERTION}&assertion={made}&scope=pay"
    )
    token = session.fetch_token(
        ways.known["token_endpoint"],
        auth=("payroll", SECRET.replace(" ", "+")),
        **ways.wire,
    )
    assert claims_of(token["access_token"])["clientId"] == "payroll"


def test_requests_oauthlib_sign_out(ways: Ways, person: Person) -> None:
    session = ways.oauthlib(
        "confidential", redirect_uri=CALLBACK, scope=["openid"], pkce="S256"
    )
    url, _ = session.authorization_url(
        ways.known["authorization_endpoint"], prompt="consent"
    )
    page = authorized(person, url)
    auth = ("confidential", "a secret%3Awith %25%2B signs")
    token = session.fetch_token(
        ways.known["token_endpoint"],
        authorization_response=page.location,
        auth=auth,
        **ways.wire,
    )
    query = f"id_token_hint={token['id_token']}&post_logout_redirect_uri={CALLBACK}&state=bye"
    assert (
        person.open(path_of(f"{ways.known['end_session_endpoint']}?{query}")).location
        == f"{CALLBACK}?state=bye"
    )
