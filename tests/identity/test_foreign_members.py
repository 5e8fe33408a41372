"""Every member of JSON that callers send, with every type: an answer of the protocol, never a fault
of ours.

One request for each place that takes a JWT or JSON, member and value.
"""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from client_keys import key, proof, public, signed
from idp import basic, call, identity_app
from kapi.settings import ClientSettings, IdentitySettings, IssuerSettings, Settings
from kapi.settings.identity import AssertionIssuerSettings, RegistrationSettings
from kapi.store import Store

NOW = 1_800_000_000
ISSUER = "https://idp.am.wso2.com/token"
TOKEN_URL = "https://idp.am.wso2.com:9095/oauth2/token"
SECRET = "a secret of at least thirty-two bytes"
TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
VALUES: tuple[Any, ...] = (
    None,
    True,
    -1,
    1.5,
    1e300,
    "",
    "\x00",
    [],
    [[]],
    ["x"],
    {},
    {"x": []},
)
HEADER = (
    "alg",
    "typ",
    "kid",
    "cty",
    "crit",
    "b64",
    "jku",
    "jwk",
    "x5c",
    "x5u",
    "x5t",
    "x5t#S256",
    "enc",
    "zip",
)
CLAIMS = (
    "iss",
    "sub",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    "cnf",
    "scope",
    "scp",
    "client_id",
    "clientId",
    "azp",
    "act",
    "may_act",
    "events",
)
CLAIMS += (
    "auth_time",
    "nonce",
    "sid",
    "acr",
    "htm",
    "htu",
    "ath",
    "claims",
    "redirect_uri",
    "response_type",
    "state",
    "request",
    "prompt",
)
CLAIMS += (
    "max_age",
    "authorization_details",
    "resource",
    "organization",
    "organizations",
    "token_use",
    "typ",
)
KEY_MEMBERS = (
    "kty",
    "crv",
    "x",
    "y",
    "n",
    "e",
    "d",
    "k",
    "kid",
    "alg",
    "use",
    "key_ops",
)
CLIENTS = (
    ClientSettings(
        id="signs",
        token_endpoint_auth_method="private_key_jwt",
        jwks=public(key("ES256")),
        grants=("client_credentials",),
    ),
    ClientSettings(
        id="asks",
        secret=SECRET,
        jwks=public(key("ES256")),
        redirect_uris=("https://a.example/cb",),
        grants=(
            "authorization_code",
            "urn:ietf:params:oauth:grant-type:token-exchange",
            "urn:ietf:params:oauth:grant-type:jwt-bearer",
        ),
        authorization_details_types=("*",),
        exchange_issuers=("*",),
        exchange_from=("*",),
    ),
)
PEM = key("ES256").as_pem(private=False).decode()
OTHER = IssuerSettings(
    "other",
    issuer="https://other.example",
    public_key=PEM,
    audiences=("api",),
    algorithms=("ES256",),
)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("foreign")
    trusted = AssertionIssuerSettings(
        "https://assert.example",
        jwks=public(key("ES256")),
        clients=("*",),
        any_subject=True,
    )
    identity = IdentitySettings(
        clients=CLIENTS,
        registration=RegistrationSettings(open=True),
        assertion_issuers=(trusted,),
        issuers=(OTHER,),
        client_id_metadata_documents=True,
    )
    return identity_app(
        Settings(folder, identity),
        Store.open(folder / "kapi.db"),
        lambda: NOW,
        lambda url, **_: b"{}",
    )


def unsigned(header: dict[str, Any], claims: dict[str, Any]) -> str:
    parts = (
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()
        for part in (header, claims)
    )
    return ".".join((*parts, "AAAA"))


SUBJECT = {"subject_token_type": "urn:ietf:params:oauth:token-type:access_token"}
OWN = {"client_id": "asks", "client_secret": SECRET}


def post(app: Any, path: str, form: dict[str, str], **headers: str) -> None:
    assert (
        call(app, path=path, body=urlencode(form).encode(), **headers).status < 500
    ), (path, form)


def as_assertion(app: Any, token: str) -> None:
    post(
        app,
        "/oauth2/token",
        {
            "grant_type": "client_credentials",
            "client_assertion_type": TYPE,
            "client_assertion": token,
        },
    )


def as_request(app: Any, token: str) -> None:
    post(app, "/oauth2/par", {"request": token, **OWN})
    assert (
        call(
            app, "GET", f"/oauth2/authorize?client_id=asks&request={quote(token)}", b""
        ).status
        < 500
    )


def as_grant(app: Any, token: str) -> None:
    post(
        app,
        "/oauth2/token",
        {
            "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
            "assertion": token,
            **OWN,
        },
    )


def as_subject(app: Any, token: str) -> None:
    kind = "urn:ietf:params:oauth:grant-type:token-exchange"
    post(
        app,
        "/oauth2/token",
        {"grant_type": kind, "subject_token": token, **SUBJECT, **OWN},
    )


def as_own_token(app: Any, token: str) -> None:
    post(app, "/oauth2/introspect", {"token": token}, authorization=basic())
    post(app, "/oauth2/revoke", {"token": token, **OWN})
    for scheme in ("Bearer", "DPoP"):
        for method, path in (
            ("GET", "/oauth2/userinfo"),
            ("POST", "/dcr/register"),
            ("GET", "/dcr/register/x"),
        ):
            answer = call(
                app,
                method,
                path,
                b"{}",
                content_type="application/json",
                authorization=f"{scheme} {token}",
                dpop=token,
            )
            assert answer.status < 500, (scheme, path)
    for path in (
        "/oauth2/logout?id_token_hint=",
        "/oauth2/authorize?response_type=code&client_id=asks&id_token_hint=",
    ):
        assert call(app, "GET", path + quote(token), b"").status < 500


PLACES = {
    "signs": as_assertion,
    "asks": as_request,
    "https://assert.example": as_grant,
    "https://other.example": as_subject,
    ISSUER: as_own_token,
}
"""Where a JWT of this issuer is taken."""


@pytest.mark.parametrize("name", HEADER)
def test_headers_of_jwts(app: Any, name: str) -> None:
    for value in VALUES:
        token = unsigned(
            {
                "alg": "RS256",
                "typ": "JWT",
                "kid": "gateway_certificate_alias",
                name: value,
            },
            {"iss": ISSUER},
        )
        for place in PLACES.values():
            place(app, token)


@pytest.mark.parametrize("name", CLAIMS)
def test_claims_of_jwts(app: Any, name: str) -> None:
    """Signed by a key that is known at the place, as far as there is one."""
    for number, value in enumerate(VALUES):
        for issuer, place in PLACES.items():
            jti = f"{name} {number} {issuer}"
            claims = {
                "iss": issuer,
                "sub": issuer,
                "aud": ISSUER,
                "exp": NOW + 60,
                "iat": NOW,
                "jti": jti,
                "client_id": issuer,
            }
            place(app, signed({**claims, name: value}, key("ES256")))


@pytest.mark.parametrize("name", (*HEADER, *CLAIMS))
def test_proofs(app: Any, name: str) -> None:
    body = urlencode(
        {
            "grant_type": "client_credentials",
            "client_id": "asks",
            "client_secret": SECRET,
        }
    ).encode()
    for value in VALUES:
        made = proof(
            key("ES256"),
            "POST",
            TOKEN_URL,
            NOW,
            **({name: value} if name in CLAIMS else {}),
        )
        if name in HEADER and name != "alg":
            made = proof(key("ES256"), "POST", TOKEN_URL, NOW, header={name: value})
        assert call(app, body=body, dpop=made).status < 500


@pytest.mark.parametrize("name", KEY_MEMBERS)
def test_keys(app: Any, name: str) -> None:
    """Keys in proofs, and keys that clients register."""
    body = urlencode(
        {
            "grant_type": "client_credentials",
            "client_id": "asks",
            "client_secret": SECRET,
        }
    ).encode()
    for algorithm in ("ES256", "RS256", "EdDSA"):
        own = key(algorithm).as_dict(private=False)
        for value in VALUES:
            made = proof(
                key(algorithm),
                "POST",
                TOKEN_URL,
                NOW,
                header={"jwk": {**own, name: value}},
            )
            assert call(app, body=body, dpop=made).status < 500
            metadata = {
                "jwks": {"keys": [{**own, name: value}]},
                "token_endpoint_auth_method": "private_key_jwt",
            }
            registered = call(
                app,
                "POST",
                "/dcr/register",
                json.dumps(
                    {**metadata, "grant_types": ["client_credentials"]}
                ).encode(),
                content_type="application/json",
            )
            assert registered.status < 500
            if registered.status == 201:
                client = registered.json()["client_id"]
                token = signed(
                    {
                        "iss": client,
                        "sub": client,
                        "aud": ISSUER,
                        "exp": NOW + 60,
                        "jti": "x",
                    },
                    key(algorithm),
                )
                as_assertion(app, token)


def test_a_name_that_cannot_be_written_is_refused_and_not_kept(app: Any) -> None:
    for body in (
        b'{"client_name": "\\ud800"}',
        b'{"client_name": "a", "client_name": "b"}',
        b'{"default_max_age": 123456789012345678901}',
    ):
        answer = call(
            app, "POST", "/dcr/register", body, content_type="application/json"
        )
        assert (answer.status, answer.json()["error"]) == (
            400,
            "invalid_client_metadata",
        )
        assert answer.json()["error_description"].startswith(
            "The body is not a JSON object: "
        )
