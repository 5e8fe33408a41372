"""The token endpoint and its documents, driven as the identity worker is, without a socket: hostile
requests and exact answers.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp import CC, FORM, basic, call, identity_app
from kapi.front.web.identity.app import LARGEST_FORM
from kapi.settings import (
    WELL_KNOWN_CLIENT_ID,
    ClientSettings,
    IdentitySettings,
    Settings,
)
from kapi.store import Store

NOW = 1_800_000_000


CLIENTS = (
    *IdentitySettings().clients,
    ClientSettings(id="limited", secret="l", scopes=("a", "b")),
    ClientSettings(id="nothing", secret="n", grants=()),
    ClientSettings(id="odd one", secret="p:ä+%", scopes=("*",)),
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store.open(tmp_path_factory.mktemp("keys") / "kapi.db")


@pytest.fixture(scope="module")
def app(store: Store) -> Any:
    return identity_app(
        Settings(Path("/nowhere"), IdentitySettings(clients=CLIENTS)),
        store,
        lambda: NOW + 0.7,
    )


def test_the_answer_of_the_guide(app: Any) -> None:
    answer = call(app, authorization=basic())
    assert answer.status == 200
    assert list(answer.json()) == ["access_token", "token_type", "expires_in", "scope"]
    header, payload, _ = (answer.json()["access_token"] + "===").split(".")
    assert json.loads(base64.urlsafe_b64decode(header + "==")) == {
        "alg": "RS256",
        "typ": "JWT",
        "kid": "gateway_certificate_alias",
    }
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    assert list(claims) == [
        "iss",
        "sub",
        "exp",
        "nbf",
        "iat",
        "jti",
        "clientId",
        "scope",
    ]
    assert (claims["exp"], claims["nbf"], claims["iat"]) == (NOW + 3600, NOW, NOW)
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["pragma"] == "no-cache"


B = {"authorization": basic()}
REFUSED: dict[str, tuple[bytes, dict[str, Any], int, str]] = {
    "wrong secret": (CC, {"authorization": basic(secret="no")}, 401, "invalid_client"),
    "unknown client": (CC, {"authorization": basic("nobody")}, 401, "invalid_client"),
    "empty secret": (CC, {"authorization": basic(secret="")}, 401, "invalid_client"),
    "no credentials": (CC, {}, 401, "invalid_client"),
    "id alone in the body": (CC + b"&client_id=x", {}, 401, "invalid_client"),
    "bearer instead of basic": (
        CC,
        {"authorization": "Bearer x"},
        401,
        "invalid_client",
    ),
    "not base64": (CC, {"authorization": "Basic ###"}, 401, "invalid_client"),
    "base64 without padding": (
        CC,
        {"authorization": basic().rstrip("=")},
        401,
        "invalid_client",
    ),
    "no colon": (
        CC,
        {"authorization": "Basic " + base64.b64encode(b"abc").decode()},
        401,
        "invalid_client",
    ),
    "credentials not UTF-8": (
        CC,
        {"authorization": "Basic " + base64.b64encode(b"\xff:\xfe").decode()},
        401,
        "invalid_client",
    ),
    "two methods": (
        CC + b"&client_id=limited&client_secret=l",
        B,
        400,
        "invalid_request",
    ),
    "another client_id in the body": (
        CC + b"&client_id=limited",
        B,
        400,
        "invalid_request",
    ),
    "two Authorization headers": (
        CC,
        {"authorization": [basic(), basic()]},
        400,
        "invalid_request",
    ),
    "missing grant_type": (b"scope=a", B, 400, "invalid_request"),
    "empty grant_type": (b"grant_type=", B, 400, "invalid_request"),
    "empty body": (b"", B, 400, "invalid_request"),
    "unknown grant": (b"grant_type=magic", B, 400, "unsupported_grant_type"),
    "grant the client may not use": (
        CC,
        {"authorization": basic("nothing", "n")},
        400,
        "unauthorized_client",
    ),
    "grant_type twice": (CC + b"&" + CC, B, 400, "invalid_request"),
    "scope twice": (CC + b"&scope=a&scope=b", B, 400, "invalid_request"),
    "scope twice, once empty": (CC + b"&scope=&scope=b", B, 400, "invalid_request"),
    "unknown parameter twice": (CC + b"&x=1&x=2", B, 400, "invalid_request"),
    "scope out of limits": (
        CC + b"&scope=a+c",
        {"authorization": basic("limited", "l")},
        400,
        "invalid_scope",
    ),
    "two spaces in scope": (CC + b"&scope=a++b", B, 400, "invalid_scope"),
    "quote in scope": (CC + b"&scope=a%22b", B, 400, "invalid_scope"),
    "newline in scope": (CC + b"&scope=a%0Ab", B, 400, "invalid_scope"),
    "JSON body": (
        b'{"grant_type":"client_credentials"}',
        B | {"content_type": "application/json"},
        400,
        "invalid_request",
    ),
    "no content type": (CC, B | {"content_type": []}, 400, "invalid_request"),
    "multipart": (
        CC,
        B | {"content_type": "multipart/form-data; boundary=x"},
        400,
        "invalid_request",
    ),
    "other charset": (
        CC,
        B | {"content_type": FORM + "; charset=utf-16"},
        400,
        "invalid_request",
    ),
    "bad UTF-8 in a value": (CC + b"&scope=%ff", B, 400, "invalid_request"),
    "raw bytes": (CC + b"&scope=\xc3\xa4", B, 400, "invalid_request"),
    "no equals sign": (b"nonsense", B, 400, "invalid_request"),
    "too many parameters": (
        b"&".join(b"p%d=1" % n for n in range(200)),
        B,
        400,
        "invalid_request",
    ),
    "too large": (b"a=" + b"x" * LARGEST_FORM, B, 413, "invalid_request"),
    "declared too large": (
        CC,
        B | {"content_length": "999999"},
        413,
        "invalid_request",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(app: Any, case: str) -> None:
    body, headers, status, error = REFUSED[case]
    answer = call(app, body=body, pieces=3, **headers)
    assert (answer.status, answer.json()["error"]) == (status, error)
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json()["error_description"].isascii()
    assert not set('"\\') & set(answer.json()["error_description"])
    assert answer.headers.get("www-authenticate", "").startswith("Basic ") is (
        status == 401
    )


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (CC + b"&client_id=limited&client_secret=l", {}),
        (CC + b"&client_id=" + WELL_KNOWN_CLIENT_ID.encode(), B),
        (CC + b"&scope=", B),
        (CC + b"&unknown=1", B),
        (CC + b"&resource=urn:a&resource=urn:b", B),
        (CC, {"authorization": basic().replace("Basic", "bAsIc")}),
        (CC, {"authorization": basic("odd+one", "p%3A%C3%A4%2B%25")}),
        (CC, B | {"content_type": FORM + "; charset=UTF-8"}),
        (CC, B | {"content_type": FORM.upper()}),
    ],
)
def test_what_is_accepted(app: Any, body: bytes, headers: dict[str, Any]) -> None:
    assert call(app, body=body, pieces=2, **headers).status == 200


@pytest.mark.parametrize(
    ("sent", "granted"),
    [
        ("scope1+", "scope1"),
        ("+scope1%20", "scope1"),
        ("+a+b++", "a b"),
        ("+", "default"),
    ],
)
def test_blanks_around_scopes_do_not_count(app: Any, sent: str, granted: str) -> None:
    assert (
        call(app, body=CC + b"&scope=" + sent.encode(), **B).json()["scope"] == granted
    )


def test_scopes_come_back_in_order_each_once(app: Any) -> None:
    assert call(app, body=CC + b"&scope=b+a+b", **B).json()["scope"] == "b a"


def test_other_methods_and_paths(app: Any) -> None:
    for method in ("GET", "PUT", "DELETE"):
        answer = call(app, method, **B)
        assert (answer.status, answer.headers["allow"]) == (405, "POST")
    assert call(app, "OPTIONS").status == 204
    assert call(app, "GET", "/nothing").status == 404
    assert call(app, "POST", "/oauth2/jwks").status == 405
    assert call(app, path="/oauth2/1.0.0/token", **B).status == 200


def test_keys_are_public_only_and_cacheable(app: Any) -> None:
    answer = call(app, "GET", "/oauth2/jwks")
    assert set(answer.json()["keys"][0]) == {"kty", "kid", "use", "alg", "n", "e"}
    assert "max-age" in answer.headers["cache-control"]
    again = call(
        app, "GET", "/.well-known/jwks.json", if_none_match=answer.headers["etag"]
    )
    assert (again.status, again.body) == (304, b"")
    assert call(app, "HEAD", "/oauth2/keys").body == b""


def test_discovery_is_at_every_path_of_the_issuer(app: Any) -> None:
    paths = (
        "/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server/token",
        "/token/.well-known/openid-configuration",
    )
    for path in paths:
        document = call(app, "GET", path).json()
        assert document["issuer"] == "https://idp.am.wso2.com/token"
        assert document["grant_types_supported"][:3] == [
            "client_credentials",
            "authorization_code",
            "refresh_token",
        ]
        assert "password" not in document["grant_types_supported"]
        assert document["token_endpoint"] == "https://idp.am.wso2.com:9095/oauth2/token"


def test_a_default_audience_stands_behind_the_subject(store: Store) -> None:
    app = identity_app(
        Settings(Path("/nowhere"), IdentitySettings(default_audience="aud1")),
        store,
        lambda: NOW,
    )
    payload = call(app, **B).json()["access_token"].split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    assert list(claims)[:3] == ["iss", "sub", "aud"]
    assert claims["aud"] == "aud1"


def test_an_unexpected_fault_is_a_plain_500(store: Store) -> None:
    def broken() -> float:
        raise RuntimeError("secret detail")

    answer = call(identity_app(Settings(Path("/nowhere")), store, broken), **B)
    assert (answer.status, answer.json()["error"]) == (500, "server_error")
    assert b"secret" not in answer.body


@given(
    body=st.binary(max_size=200),
    authorization=st.text(st.characters(max_codepoint=255), max_size=80),
)
def test_arbitrary_requests_never_fail(
    app: Any, body: bytes, authorization: str
) -> None:
    for sent in (body, CC + b"&" + body):
        assert call(app, body=sent, authorization=authorization).status < 500
        assert call(app, body=sent, authorization=basic()).status < 500
