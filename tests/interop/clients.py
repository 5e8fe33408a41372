"""The clients that foreign libraries play in these tests, as settings; and what a person does for
them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from client_keys import certificate, key, public
from person import Page, Person

IDP = "idp.am.wso2.com"
CALLBACK = "https://client.example/cb"
SECRET = "a secret of at least thirty-two bytes"
DIFFICULT = "a secret:with %+ signs"
RESOURCE = "https://orders.example"
AUTHORITY = certificate("authority", authority=True)
LEAF = certificate("leaf", AUTHORITY)
OWN = certificate("own")
OTHER = certificate("leaf")
METHODS = (
    "client_secret_basic",
    "client_secret_post",
    "client_secret_jwt",
    "private_key_jwt",
)
CODE = ("authorization_code", "refresh_token")
DEVICE, EXCHANGE, ASSERTION = (
    f"urn:ietf:params:oauth:grant-type:{name}"
    for name in ("device_code", "token-exchange", "jwt-bearer")
)
CIBA = "urn:openid:params:grant-type:ciba"
HR = "https://hr.example"


def toml(value: Any) -> str:
    """As TOML on one line."""
    if isinstance(value, dict):
        return (
            "{"
            + ", ".join(
                f"{json.dumps(name)} = {toml(item)}" for name, item in value.items()
            )
            + "}"
        )
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value)


def table(heading: str, **members: Any) -> str:
    return f"[[{heading}]]\n" + "".join(
        f"{name} = {toml(value)}\n" for name, value in members.items()
    )


def client(name: str, method: str = "client_secret_basic", **more: Any) -> str:
    return table("identity.clients", id=name, token_endpoint_auth_method=method, **more)


def settings(port: int) -> str:
    """Every client there is here, for an issuer whose discovery needs no workaround. Certificates
    are read beside it.
    """
    identity = {
        "issuer": f"https://{IDP}:{port}",
        "dpop_nonce": True,
        "client_ca_file": "ca.pem",
        "password_grant": True,
    }
    return (
        "[identity]\n"
        + "".join(f"{name} = {toml(value)}\n" for name, value in identity.items())
        + "".join(
            (
                table(
                    "identity.assertion_issuers",
                    issuer=HR,
                    jwks=public(key("ES256")),
                    algorithms=["ES256"],
                ),
                client("cli", secret=SECRET),
                client("basic", METHODS[0], secret=SECRET),
                client("post", METHODS[1], secret=SECRET),
                client("hmac", METHODS[2], secret=SECRET),
                client("signs", METHODS[3], jwks=public(key("ES256"), key("RS256"))),
                client(
                    "tls",
                    "tls_client_auth",
                    tls_client_auth_san_dns="leaf.example",
                    tls_client_certificate_bound_access_tokens=True,
                ),
                client(
                    "self",
                    "self_signed_tls_client_auth",
                    jwks={"keys": [{"kty": "EC", "x5c": [OWN.x5c]}]},
                ),
                client(
                    "confidential",
                    "",
                    secret=DIFFICULT,
                    grants=CODE,
                    redirect_uris=[CALLBACK],
                    post_logout_redirect_uris=[CALLBACK],
                    require_pkce=True,
                ),
                client(
                    "public",
                    "none",
                    grants=CODE,
                    redirect_uris=[CALLBACK],
                    id_token_signed_response_alg="ES256",
                ),
                client(
                    "notary",
                    secret=SECRET,
                    grants=CODE,
                    redirect_uris=[CALLBACK],
                    post_logout_redirect_uris=[CALLBACK],
                    id_token_signed_response_alg="EdDSA",
                    userinfo_signed_response_alg="ES256",
                    introspection_signed_response_alg="ES256",
                ),
                client(
                    "app",
                    METHODS[3],
                    jwks=public(key("ES256"), key("PS256")),
                    grants=CODE,
                    redirect_uris=[CALLBACK],
                    require_pushed_authorization_requests=True,
                    require_signed_request_object=True,
                    dpop_bound_access_tokens=True,
                ),
                client("television", secret=SECRET, grants=[DEVICE, CIBA]),
                client("remote", "none", grants=[DEVICE]),
                client(
                    "orders",
                    secret=SECRET,
                    grants=[EXCHANGE],
                    exchange_from=["legacy"],
                    exchange_audiences=["stock"],
                ),
                client("batch", "none", grants=[ASSERTION]),
                client("payroll", secret=SECRET, grants=[ASSERTION]),
                client("legacy", secret=SECRET, grants=["password", "refresh_token"]),
                client("caller", secret=SECRET, access_token_format="at+jwt"),
            )
        )
    )


def write(folder: Path, port: int) -> Path:
    """The settings file, with the certificates that clients use beside it."""
    for name, made in {"leaf": LEAF, "own": OWN, "other": OTHER}.items():
        (folder / f"{name}.pem").write_bytes(made.pem)
        (folder / f"{name}.key").write_bytes(made.key_pem)
    (folder / "ca.pem").write_bytes(AUTHORITY.pem)
    path = folder / "kapi.toml"
    path.write_text(settings(port))
    return path


def path_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}"


def authorized(person: Person, url: str) -> Page:
    """Signs in if asked, allows if asked: the redirect to the client, or the page that posts to
    it.
    """
    page = person.open(path_of(url))
    if 'name="password"' in page.text:
        page = person.sign_in(page)
    if 'value="allow"' in page.text:
        page = person.submit(page, decision="allow")
    return page


def allow_device(person: Person, url: str, code: str) -> None:
    """Opens what the device shows, signs in, finds its code, allows it."""
    page = person.open(path_of(url))
    if 'name="password"' in page.text:
        page = person.sign_in(page)
    assert code in page.text
    assert "is connected" in person.submit(page, decision="allow").text


def approve(person: Person, message: str) -> None:
    """Signs in where requests wait, finds the message, allows."""
    page = person.open("/authenticationEndpoint/approvals")
    if 'name="password"' in page.text:
        page = person.sign_in(page)
    assert message in page.text
    person.submit(page, decision="allow")
