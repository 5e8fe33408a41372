"""Client authentication by every method: what is accepted, and every hostile request with its exact
answer.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from client_keys import certificate, key, public, signed
from idp import basic, call, identity_app
from kapi.identity.client_authentication import METHODS
from kapi.identity.client_facts import client_mistakes
from kapi.settings import ClientSettings, IdentitySettings, Settings
from kapi.store import Store

NOW = 1_800_000_000
ISSUER = "https://idp.am.wso2.com/token"
TOKEN_URL = "https://idp.am.wso2.com:9095/oauth2/token"
SECRET = "a secret of at least thirty-two bytes"
TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
CA = certificate("authority", authority=True)
LEAF = certificate("leaf", CA)
OWN = certificate("own")

CLIENTS = (
    ClientSettings(
        id="basic", secret=SECRET, token_endpoint_auth_method="client_secret_basic"
    ),
    ClientSettings(
        id="post", secret=SECRET, token_endpoint_auth_method="client_secret_post"
    ),
    ClientSettings(
        id="hmac", secret=SECRET, token_endpoint_auth_method="client_secret_jwt"
    ),
    ClientSettings(
        id="signs",
        token_endpoint_auth_method="private_key_jwt",
        jwks=public(key("ES256"), key("RS256"), key("PS256"), key("EdDSA")),
    ),
    ClientSettings(
        id="strict",
        token_endpoint_auth_method="private_key_jwt",
        jwks=public(key("ES256")),
        client_assertion_audience="issuer",
    ),
    ClientSettings(
        id="only-ps256",
        token_endpoint_auth_method="private_key_jwt",
        jwks=public(key("ES256"), key("PS256")),
        token_endpoint_auth_signing_alg="PS256",
    ),
    ClientSettings(
        id="tls",
        token_endpoint_auth_method="tls_client_auth",
        tls_client_auth_subject_dn="CN=leaf,O=Test\\, Inc.",
    ),
    ClientSettings(
        id="tls-dns",
        token_endpoint_auth_method="tls_client_auth",
        tls_client_auth_san_dns="LEAF.example",
    ),
    ClientSettings(
        id="tls-uri",
        token_endpoint_auth_method="tls_client_auth",
        tls_client_auth_san_uri="spiffe://test/other",
    ),
    ClientSettings(
        id="self",
        token_endpoint_auth_method="self_signed_tls_client_auth",
        jwks={"keys": [{"kty": "EC", "x5c": [OWN.x5c]}]},
    ),
    ClientSettings(
        id="self-x5t",
        token_endpoint_auth_method="self_signed_tls_client_auth",
        jwks={"keys": [{"kty": "EC", "x5t#S256": OWN.x5t}]},
    ),
    ClientSettings(
        id="public",
        token_endpoint_auth_method="none",
        grants=("client_credentials", "authorization_code"),
    ),
)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("clients")
    (folder / "ca.pem").write_bytes(CA.pem)
    settings = IdentitySettings(clients=CLIENTS, client_ca_file=str(folder / "ca.pem"))
    return identity_app(
        Settings(folder, settings), Store.open(folder / "kapi.db"), lambda: NOW
    )


def ask(app: Any, form: dict[str, str], **headers: Any) -> tuple[int, str]:
    answer = call(
        app,
        body=urlencode({"grant_type": "client_credentials"} | form).encode(),
        **headers,
    )
    return answer.status, answer.json().get("error", "")


COUNT = iter(range(10**6))


def claims(client: str = "signs", **changed: Any) -> dict[str, Any]:
    made = {
        "iss": client,
        "sub": client,
        "aud": ISSUER,
        "exp": NOW + 60,
        "iat": NOW,
        "jti": f"j{next(COUNT)}",
    } | changed
    return {name: value for name, value in made.items() if value is not None}


def assertion(
    client: str = "signs",
    by: Any = None,
    header: dict[str, Any] | None = None,
    **changed: Any,
) -> dict[str, str]:
    return {
        "client_assertion_type": TYPE,
        "client_assertion": signed(
            claims(client, **changed), by or key("ES256"), header
        ),
    }


@pytest.mark.parametrize("algorithm", ["ES256", "RS256", "PS256", "EdDSA"])
def test_private_key_jwt(app: Any, algorithm: str) -> None:
    assert ask(app, assertion(by=key(algorithm))) == (200, "")
    assert ask(
        app,
        assertion(by=key(algorithm), header={"typ": "client-authentication+jwt"})
        | {"client_id": "signs"},
    ) == (200, "")


def test_client_secret_jwt(app: Any) -> None:
    assert ask(app, assertion("hmac", SECRET.encode())) == (200, "")
    assert ask(app, assertion("hmac", b"another secret of thirty-two bytes")) == (
        401,
        "invalid_client",
    )


@pytest.mark.parametrize(
    "changed", [{"exp": NOW - 60}, {"aud": "https://other.example"}, {"jti": None}]
)
def test_the_claims_of_client_secret_jwt_are_checked(
    app: Any, changed: dict[str, Any]
) -> None:
    sent = assertion("hmac", SECRET.encode(), **changed)
    assert ask(app, sent) == (401, "invalid_client")


@pytest.mark.parametrize(
    "credentials",
    [
        "no base64!",
        "YmFzaWM6cw",
        "YmFzaWM6cw===",
        "\u00e9\u00e9\u00e9\u00e9",
        "YmFzaWM=",
    ],
)
def test_basic_credentials_that_cannot_be_read(app: Any, credentials: str) -> None:
    assert ask(app, {}, authorization=f"Basic {credentials}") == (401, "invalid_client")


REFUSED: dict[str, Any] = {
    "aud is a list with another server": lambda: assertion(
        aud=[ISSUER, "https://other.example"]
    ),
    "aud is another server": lambda: assertion(aud="https://other.example"),
    "no aud": lambda: assertion(aud=None),
    "expired": lambda: assertion(exp=NOW - 60),
    "no exp": lambda: assertion(exp=None),
    "exp far away": lambda: assertion(exp=NOW + 999_999),
    "exp is text": lambda: assertion(exp="soon"),
    "issued in the future": lambda: assertion(iat=NOW + 600),
    "not yet valid": lambda: assertion(nbf=NOW + 600),
    "no jti": lambda: assertion(jti=None),
    "jti is a number": lambda: assertion(jti=7),
    "jti is long": lambda: assertion(jti="j" * 256),
    "iss and sub differ": lambda: assertion(sub="basic"),
    "no sub": lambda: assertion(sub=None),
    "unknown client": lambda: assertion("nobody"),
    "key of nobody": lambda: assertion(by=key("ES256", "two")),
    "key of nobody under a known kid": lambda: assertion(
        by=key("ES256", "two"), header={"kid": "ES256-one"}
    ),
    "typ of an access token": lambda: assertion(header={"typ": "at+jwt"}),
    "typ of a DPoP proof": lambda: assertion(header={"typ": "dpop+jwt"}),
    "typ is a number": lambda: assertion(header={"typ": 1}),
    "crit": lambda: assertion(header={"crit": ["exp"], "exp": 1}),
    "own key in the header": lambda: assertion(
        by=key("ES256", "two"),
        header={"jwk": key("ES256", "two").as_dict(private=False), "kid": None},
    ),
    "jku": lambda: assertion(header={"jku": "https://evil.example/keys"}),
    "x5c": lambda: assertion(header={"x5c": [OWN.x5c]}),
    "an algorithm that is not registered": lambda: assertion(
        "only-ps256", key("ES256")
    ),
    "HMAC with the public key": lambda: assertion(
        by=str(public(key("RS256"))).encode(), header={"kid": "RS256-one"}
    ),
    "client_secret_jwt of a client registered for Basic": lambda: assertion(
        "basic", SECRET.encode()
    ),
    "alg none": lambda: {
        "client_assertion_type": TYPE,
        "client_assertion": "eyJhbGciOiJub25lIn0.e30.",
    },
    "two segments": lambda: {
        "client_assertion_type": TYPE,
        "client_assertion": "e30.e30",
    },
    "ten thousand dots": lambda: {
        "client_assertion_type": TYPE,
        "client_assertion": "." * 10_000,
    },
    "not a JWT": lambda: {"client_assertion_type": TYPE, "client_assertion": "hello"},
    "the secret of a client that signs": lambda: {
        "client_id": "hmac",
        "client_secret": SECRET,
    },
    "post for a client registered for Basic": lambda: {
        "client_id": "basic",
        "client_secret": SECRET,
    },
    "a confidential client without any proof": lambda: {"client_id": "basic"},
    "a client with a certificate without it": lambda: {"client_id": "tls"},
    "a public client with a secret": lambda: {
        "client_id": "public",
        "client_secret": "x",
    },
    "a public client with an empty assertion": lambda: {
        "client_id": "public",
        "client_assertion_type": TYPE,
        "client_assertion": ".",
    },
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(app: Any, case: str) -> None:
    assert ask(app, REFUSED[case]()) == (401, "invalid_client")


MALFORMED: dict[str, Any] = {
    "another assertion type": {
        "client_assertion_type": "urn:other",
        "client_assertion": "a.b.c",
    },
    "no assertion type": {"client_assertion": "a.b.c"},
    "an assertion type alone": {"client_assertion_type": TYPE},
    "another client_id beside it": assertion() | {"client_id": "basic"},
    "an assertion and a secret": assertion()
    | {"client_id": "post", "client_secret": SECRET},
}


@pytest.mark.parametrize("case", MALFORMED)
def test_malformed(app: Any, case: str) -> None:
    assert ask(app, MALFORMED[case]) == (400, "invalid_request")


def test_an_assertion_and_basic_are_two_methods(app: Any) -> None:
    assert ask(app, assertion(), authorization=basic("basic", SECRET)) == (
        400,
        "invalid_request",
    )


def test_a_jti_holds_once_for_a_client(app: Any) -> None:
    assert ask(app, assertion(jti="once")) == (200, "")
    assert ask(app, assertion(jti="once")) == (401, "invalid_client")
    assert ask(app, assertion("hmac", SECRET.encode(), jti="once")) == (200, "")
    assert ask(app, assertion("hmac", SECRET.encode(), jti="once")) == (
        401,
        "invalid_client",
    )
    assert ask(app, assertion(jti="j" * 255)) == (200, "")


def test_a_refused_assertion_does_not_use_up_its_jti(app: Any) -> None:
    assert ask(app, assertion(jti="kept", by=key("ES256", "two")))[0] == 401
    assert ask(app, assertion(jti="kept")) == (200, "")


@pytest.mark.parametrize(
    "audience", [ISSUER, TOKEN_URL, [TOKEN_URL], [ISSUER, TOKEN_URL]]
)
def test_an_assertion_for_the_issuer_or_an_endpoint(app: Any, audience: Any) -> None:
    assert ask(app, assertion(aud=audience)) == (200, "")


@pytest.mark.parametrize(
    "audience",
    [
        "https://idp.am.wso2.com:9095.evil.example/",
        ["https://other.example", ISSUER],
        ["https://other.example"],
        [],
        7,
        None,
        [[ISSUER]],
    ],
)
def test_an_assertion_for_another_server(app: Any, audience: Any) -> None:
    assert ask(app, assertion(aud=audience)) == (401, "invalid_client")


def test_a_client_whose_assertions_name_the_issuer_only(app: Any) -> None:
    assert ask(app, assertion("strict", aud=ISSUER)) == (200, "")
    for audience in (TOKEN_URL, [ISSUER], [TOKEN_URL]):
        assert ask(app, assertion("strict", aud=audience)) == (401, "invalid_client")


def test_one_method_for_each_client(app: Any) -> None:
    assert ask(app, {}, authorization=basic("basic", SECRET)) == (200, "")
    assert ask(app, {"client_id": "post", "client_secret": SECRET}) == (200, "")
    assert ask(app, {}, authorization=basic("post", SECRET)) == (401, "invalid_client")
    assert ask(app, {}, authorization=basic("tls", "")) == (401, "invalid_client")
    assert ask(app, {}, authorization=basic("public", "")) == (401, "invalid_client")


def test_a_public_client_may_not_act_for_itself(app: Any) -> None:
    assert ask(app, {"client_id": "public"}) == (400, "unauthorized_client")


@pytest.mark.parametrize("client", ["tls", "tls-dns"])
def test_tls_client_auth(app: Any, client: str) -> None:
    assert ask(
        app, {"client_id": client}, x_kapi_client_certificate=LEAF.forwarded
    ) == (200, "")


def test_self_signed_tls_client_auth(app: Any) -> None:
    for client in ("self", "self-x5t"):
        assert ask(
            app, {"client_id": client}, x_kapi_client_certificate=OWN.forwarded
        ) == (200, "")


ELSEWHERE = certificate("elsewhere", authority=True)
CERTIFICATES: dict[str, tuple[str, str]] = {
    "name of another certificate": ("tls-uri", LEAF.forwarded),
    "right name, other authority": ("tls", certificate("leaf", ELSEWHERE).forwarded),
    "right name, signed by itself": ("tls", certificate("leaf").forwarded),
    "right name, expired": (
        "tls",
        certificate("leaf", CA, end=dt.datetime(2021, 1, 1, tzinfo=dt.UTC)).forwarded,
    ),
    "right name, for servers": (
        "tls",
        certificate("leaf", CA, for_servers=True).forwarded,
    ),
    "issued by a leaf": ("tls", certificate("leaf", LEAF).forwarded),
    "another certificate signed by itself": ("self", certificate("own").forwarded),
    "no certificate in the header": ("tls", "-"),
    "broken header": ("tls", "%2"),
    "two certificates": ("tls", LEAF.forwarded * 2),
    "a key in place of a certificate": ("tls", quote(LEAF.key_pem.decode())),
    "garbage in place of a certificate": ("tls", "-----BEGIN%20CERTIFICATE-----"),
    "Envoy's other header": ("tls", f'Hash=1;Cert="{LEAF.forwarded}"'),
    "large": ("tls", LEAF.forwarded * 20),
}


@pytest.mark.parametrize("case", CERTIFICATES)
def test_certificates_that_do_not_do(app: Any, case: str) -> None:
    client, header = CERTIFICATES[case]
    assert ask(app, {"client_id": client}, x_kapi_client_certificate=header) == (
        401,
        "invalid_client",
    )


def test_without_authorities_nobody_vouches(tmp_path: Path) -> None:
    app = identity_app(
        Settings(tmp_path, IdentitySettings(clients=CLIENTS)),
        Store.open(tmp_path / "kapi.db"),
        lambda: NOW,
    )
    assert ask(app, {"client_id": "tls"}, x_kapi_client_certificate=LEAF.forwarded) == (
        401,
        "invalid_client",
    )
    assert (
        "tls_client_auth"
        not in call(app, "GET", "/.well-known/openid-configuration").json()[
            "token_endpoint_auth_methods_supported"
        ]
    )


@pytest.mark.parametrize("method", [method.name for method in METHODS])
def test_a_client_of_fapi_proves_itself_by_a_key(method: str) -> None:
    """FAPI 2.0 Security Profile §5.3.2.1: mutual TLS or private_key_jwt."""
    client = ClientSettings(
        "bank",
        profile="fapi2",
        grants=("client_credentials",),
        token_endpoint_auth_method=method,
    )
    refused = [text for text in client_mistakes(client) if "profile fapi2" in text]
    allowed = {"private_key_jwt", "tls_client_auth", "self_signed_tls_client_auth"}
    assert (refused == []) == (method in allowed), refused
