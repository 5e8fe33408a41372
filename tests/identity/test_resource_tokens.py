"""Services that declare which access tokens they take: format, algorithm and lifetime by `resource`
(RFC 8707), in every grant.
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

from flows import Clock, allowed, client, person_at, provider_app, public
from idp import Answer, basic, call
from kapi.errors import SettingsError
from kapi.identity.grants import token_exchange as token_exchange_grant
from kapi.identity.settings import read_settings
from kapi.settings import ResourceSettings
from person import authorize_path, claims_of

exchange = token_exchange_grant.facts.grant_type

ORDERS, STOCK, LEDGER, SECRET, SHORT = (
    f"https://{name}.example"
    for name in ("orders", "stock", "ledger", "secret", "short")
)
RESOURCES = (
    ResourceSettings(ORDERS, "at+jwt", "ES256", 600),
    ResourceSettings(STOCK, "at+jwt"),
    ResourceSettings(LEDGER, "jwt", token_lifetime=7200),
    ResourceSettings(SECRET, "opaque"),
    ResourceSettings(SHORT, token_lifetime=30),
)
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
BACK = "https://shop.example/cb"
CLIENTS = (
    client("machine", grants=("client_credentials",)),
    client(
        "mine",
        grants=("client_credentials",),
        audience=(ORDERS,),
        access_token_format="opaque",
        token_lifetime=60,
    ),
    client("shop", consent="never"),
    client("old", grants=("password", "refresh_token")),
    client("swap", grants=(exchange, "client_credentials"), exchange_audiences=("*",)),
    public("tv", grants=(DEVICE,)),
)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return provider_app(
        tmp_path_factory.mktemp("resources"),
        Clock(),
        *CLIENTS,
        resources=RESOURCES,
        password_grant=True,
        algorithms=(),
    )


def ask(
    app: Any, name: str, *resources: str, grant: str = "client_credentials", **more: str
) -> Answer:
    body = urlencode(
        [
            ("grant_type", grant),
            *(("resource", item) for item in resources),
            *more.items(),
        ]
    )
    return call(app, body=body.encode(), authorization=basic(name, "s"))


def header_of(token: str) -> dict[str, Any]:
    return json.loads(base64.urlsafe_b64decode(token.partition(".")[0] + "=="))


def is_for_orders(
    app: Any, answer: Answer | Any, lifetime: int = 600
) -> dict[str, Any]:
    """An RFC 9068 token signed with ES256 by a key of the JWKS; its claims."""
    token = answer.json()["access_token"]
    header = header_of(token)
    assert (header["typ"], header["alg"]) == ("at+jwt", "ES256")
    keys = KeySet.import_key_set(call(app, "GET", "/oauth2/jwks").json())
    claims = jwt.decode(token, keys, algorithms=["ES256"]).claims
    assert {"iss", "exp", "aud", "sub", "client_id", "iat", "jti"} <= set(claims)
    assert claims["aud"] == ORDERS
    assert claims["exp"] - claims["iat"] == answer.json()["expires_in"] == lifetime
    return claims


def test_a_resource_gets_the_tokens_it_declared_and_nobody_else_does(app: Any) -> None:
    is_for_orders(app, ask(app, "machine", ORDERS))
    for resources in ((), ("https://other.example",), (ORDERS + "/",)):
        answer = ask(app, "machine", *resources).json()
        assert header_of(answer["access_token"]) == {
            "alg": "RS256",
            "typ": "JWT",
            "kid": "gateway_certificate_alias",
        }
        assert answer["expires_in"] == 3600


def test_what_a_resource_leaves_open_is_the_clients(app: Any) -> None:
    answer = ask(app, "machine", STOCK).json()
    assert (header_of(answer["access_token"])["alg"], answer["expires_in"]) == (
        "RS256",
        3600,
    )
    assert ask(app, "mine", SHORT).json()["expires_in"] == 30
    assert "." not in ask(app, "mine", SHORT).json()["access_token"], (
        "the client's tokens are opaque"
    )
    assert ask(app, "mine", LEDGER).json()["expires_in"] == 60, (
        "a resource limits, it prolongs nothing"
    )
    # The audience that a client always has counts as well, and the resource wins over the client.
    is_for_orders(app, ask(app, "mine"), 60)


def test_one_token_for_several_resources_has_what_all_of_them_take(app: Any) -> None:
    answer = ask(app, "machine", ORDERS, STOCK, SHORT, "https://other.example").json()
    assert (header_of(answer["access_token"])["alg"], answer["expires_in"]) == (
        "ES256",
        30,
    )
    for others in ((ORDERS, LEDGER), (SECRET, STOCK)):
        refused = ask(app, "machine", *others)
        assert (refused.status, refused.json()["error"]) == (400, "invalid_target")
        assert "one resource at a time" in refused.json()["error_description"]


def test_an_opaque_token_for_one_resource_only(app: Any) -> None:
    token = ask(app, "machine", SECRET).json()["access_token"]
    assert "." not in token
    asked = call(
        app,
        path="/oauth2/introspect",
        body=urlencode({"token": token}).encode(),
        authorization=basic("machine", "s"),
    )
    assert (asked.json()["active"], asked.json()["aud"]) == (True, SECRET)


def test_a_person_s_tokens_code_and_refresh(app: Any) -> None:
    person = person_at(app)
    code = allowed(
        person,
        authorize_path("shop", BACK, resource=ORDERS)
        + "&"
        + urlencode({"resource": LEDGER}),
    ).parameters["code"]
    redeem = {"grant": "authorization_code", "code": code, "redirect_uri": BACK}
    refused = ask(app, "shop", **redeem)
    assert refused.json()["error"] == "invalid_target", "no one token can be for both"
    answer = ask(app, "shop", ORDERS, **redeem)
    claims = is_for_orders(app, answer)
    assert (claims["sub"], claims["client_id"]) == ("org1user", "shop")
    token = answer.json()["refresh_token"]
    assert (
        ask(app, "shop", grant="refresh_token", refresh_token=token).json()["error"]
        == "invalid_target"
    )
    again = ask(app, "shop", LEDGER, grant="refresh_token", refresh_token=token)
    assert again.status == 200, "what was refused took nothing"
    assert (
        header_of(again.json()["access_token"])["typ"],
        again.json()["expires_in"],
    ) == (
        "JWT",
        3600,
    )


def test_a_device_a_password_and_an_exchange(app: Any) -> None:
    is_for_orders(
        app,
        ask(
            app,
            "old",
            ORDERS,
            grant="password",
            username="org1user",
            password="org1user",
        ),
    )
    own = ask(app, "swap").json()["access_token"]
    kind = "urn:ietf:params:oauth:token-type:"
    swapped = {
        "grant": exchange,
        "subject_token": own,
        "subject_token_type": f"{kind}access_token",
    }
    is_for_orders(app, ask(app, "swap", ORDERS, **swapped))
    assert "." not in ask(app, "swap", SECRET, **swapped).json()["access_token"]
    wanted = ask(
        app, "swap", SECRET, **swapped, requested_token_type=f"{kind}jwt"
    ).json()["access_token"]
    assert claims_of(wanted)["aud"] == SECRET
    started = call(
        app, path="/oauth2/device_authorization", body=b"client_id=tv"
    ).json()
    person = person_at(app)
    page = person.sign_in(person.open("/device?user_code=" + started["user_code"]))
    person.submit(page, decision="allow")
    body = urlencode(
        {
            "grant_type": DEVICE,
            "device_code": started["device_code"],
            "client_id": "tv",
            "resource": ORDERS,
        }
    )
    is_for_orders(app, call(app, body=body.encode()))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('resource = "orders"', "absolute URI"),
        ('resource = "https://a.example/#x"', "absolute URI"),
        ('resource = ""', "must not be empty"),
        ('access_token_format = "jwt"', "resource is missing"),
        (
            'resource = "https://a.example"\naccess_token_format = "saml"',
            "'saml' is not known",
        ),
        (
            'resource = "https://a.example"\naccess_token_signing_alg = "HS256"',
            "'HS256' is not known",
        ),
        ('resource = "https://a.example"\ntoken_lifetime = -1', "between"),
        (
            (
                'resource = "https://a.example"\n[[identity.resources]]\n'
                'resource = "https://a.example"'
            ),
            "occurs twice",
        ),
    ],
)
def test_a_faulty_declaration_is_refused_at_start(
    tmp_path: Path, text: str, message: str
) -> None:
    (tmp_path / "kapi.toml").write_text(f"[[identity.resources]]\n{text}\n")
    with pytest.raises(SettingsError) as refused:
        read_settings({}, {}, tmp_path)
    assert message in refused.value.diagnostics[0].message
