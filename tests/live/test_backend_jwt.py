"""The backend JWT through the whole platform: who gets it, what it says, that anybody can verify
it, and that it costs little.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import time
from functools import partial
from typing import Any

import pytest
from joserfc import jws, jwt
from joserfc.jwk import KeySet
from test_interceptors import deploy

from harness import Platform
from interceptor_service import caller, interceptor, policy
from waiting import awaited

JWKS = [
    "/.wellknown/jwks",
    "/.wellknown/1.0.0/jwks",
    "/1.0.0/.wellknown/jwks",
    "/.well-known/jwks.json",
    "/1.0.0/.well-known/jwks.json",
]
DIALECT = "http://wso2.org/claims/"
CLAIMS = [
    {"claim": "http://example.com/level", "value": "3", "type": "int"},
    {"claim": "since", "value": "2026-01-31T12:00:00Z", "type": "date"},
    {"claim": "factor", "value": "1.5", "type": "float"},
    {"claim": "big", "value": "9007199254740993", "type": "long"},
    {"claim": "vip", "value": "true", "type": "bool"},
    {"claim": "place", "value": "Zürich"},
]


def backend_jwt(**parameters: Any) -> dict[str, Any]:
    return {"request": [policy("BackendJwt", **parameters)]}


@pytest.fixture(scope="module")
def base(platform: Platform, echo: int) -> str:
    operations = [
        {"target": "/items/{id}", "verb": "GET"},
        {"target": "/open", "verb": "GET", "secured": False},
    ]
    return deploy(
        platform,
        "jwt",
        echo,
        sandbox=echo,
        operations=operations,
        apiPolicies=backend_jwt(customClaims=CLAIMS),
    )


def keys(platform: Platform, path: str = JWKS[0]) -> KeySet:
    return KeySet.import_key_set(platform.request("api.am.wso2.com", path).json())


@pytest.mark.parametrize("path", JWKS)
def test_the_keys_are_published(platform: Platform, path: str) -> None:
    answer = platform.request("api.am.wso2.com", path)
    assert answer.status == 200
    (key,) = answer.json()["keys"]
    assert set(key) == {"kty", "use", "alg", "kid", "n", "e"}
    assert answer.body == platform.request("api.am.wso2.com", JWKS[0]).body
    assert (
        key["kid"]
        not in platform.request("idp.am.wso2.com", "/oauth2/jwks").body.decode()
    )


@pytest.mark.parametrize("http", ["--http1.1", "--http2"])
def test_the_backend_gets_a_jwt_that_anybody_can_verify(
    platform: Platform, base: str, http: str
) -> None:
    token = platform.token("items:read")
    original = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    for host, kind in (
        ("default.gw.wso2.com", "PRODUCTION"),
        ("default.sandbox.gw.wso2.com", "SANDBOX"),
    ):
        seen = caller(platform, base, http)("/items/1", token=token, host=host).json()[
            "headers"
        ]
        made = jwt.decode(seen["x-jwt-assertion"], keys(platform), algorithms=["RS256"])
        assert made.header == {"alg": "RS256", "typ": "JWT", "kid": made.header["kid"]}
        claims = dict(made.claims)
        assert claims["exp"] - claims["iat"] == 3600
        assert abs(claims["iat"] - time.time()) < 30
        assert claims["jti"] != original["jti"]
        assert (claims["iss"], claims["sub"], claims["organizations"]) == (
            "wso2.org/products/am",
            original["sub"],
            ["default"],
        )
        described = {
            name.removeprefix(DIALECT): value
            for name, value in claims.items()
            if name.startswith(DIALECT)
        }
        assert described == {
            "subscriber": original["sub"],
            "applicationid": original["clientId"],
            "applicationname": original["clientId"],
            "applicationtier": "Unlimited",
            "applicationUUId": original["clientId"],
            "apiname": "jwt",
            "apicontext": "/jwt/1.0.0",
            "version": "1.0.0",
            "tier": "Unlimited",
            "keytype": kind,
            "usertype": "Application_User",
            "enduser": original["sub"],
            "enduserTenantId": "0",
        }
        assert claims["clientId"] == original["clientId"]
        assert (
            claims["http://example.com/level"],
            claims["factor"],
            claims["big"],
            claims["vip"],
        ) == (3, 1.5, 9007199254740993, True)
        assert (claims["since"], claims["place"]) == (1769860800, "Zürich")
        assert "scope" not in claims


def test_what_a_caller_sends_in_that_header_never_passes(
    platform: Platform, base: str
) -> None:
    call = caller(platform, base)
    forged = ["-H", "X-JWT-Assertion: forged", "-H", "x-jwt-assertion: again"]
    seen = call("/items/1", *forged, token=platform.token("a")).json()["headers"]
    assert "forged" not in seen["x-jwt-assertion"]
    assert "again" not in seen["x-jwt-assertion"]
    # Nobody is authenticated here, not even with a good token: there is nothing to say about the
    # caller.
    for token in ("", platform.token("a")):
        assert (
            "x-jwt-assertion"
            not in call("/open", *forged, token=token).json()["headers"]
        )


def test_it_is_kept_for_each_token_and_api(
    platform: Platform, base: str, echo: int
) -> None:
    call, first, second = (
        caller(platform, base),
        platform.token("a"),
        platform.token("a"),
    )
    other = caller(platform, deploy(platform, "jwt2", echo, apiPolicies=backend_jwt()))

    def made(how: Any, token: str) -> str:
        return how("/items/1", token=token).json()["headers"]["x-jwt-assertion"]

    assert made(call, first) == made(call, first)
    assert len({made(call, first), made(call, second), made(other, first)}) == 3
    assert (
        jws.extract_compact(made(other, first).encode()).payload
        != jws.extract_compact(made(call, first).encode()).payload
    )


def test_a_short_life_is_renewed_in_time(platform: Platform, echo: int) -> None:
    call = caller(
        platform,
        deploy(
            platform,
            "short",
            echo,
            apiPolicies=backend_jwt(
                tokenTTL=3, header="X-Caller", encoding="Base64Url"
            ),
        ),
    )
    token, seen = platform.token("a"), {}
    for _ in range(8):
        made = call("/items/1", token=token).json()["headers"]["x-caller"]
        claims = jwt.decode(made, keys(platform)).claims
        assert claims["exp"] > time.time()
        seen[made] = claims["iat"]
        time.sleep(0.5)
    assert len(seen) >= 2
    # One is used until it is nearly over: no two are of one second.
    assert len(set(seen.values())) == len(seen)


def test_the_form_with_padding_is_apks(platform: Platform, echo: int) -> None:
    call = caller(
        platform,
        deploy(
            platform,
            "padded",
            echo,
            apiPolicies=backend_jwt(
                encoding="Base64", customClaims=[{"claim": "x", "value": "~~~???>>>"}]
            ),
        ),
    )
    head, body, signature = (
        call("/items/1", token=platform.token("a"))
        .json()["headers"]["x-jwt-assertion"]
        .split(".")
    )
    assert json.loads(base64.b64decode(head, validate=True))["alg"] == "RS256"
    assert json.loads(base64.b64decode(body, validate=True))["x"] == "~~~???>>>"
    assert len(base64.b64decode(signature, validate=True)) == 256


def test_interceptors_see_it(platform: Platform, echo: int) -> None:
    with interceptor() as service:
        policies = {
            "request": [
                policy(
                    "Interceptor",
                    backendUrl=f"http://127.0.0.1:{service.port}",
                    headersEnabled=True,
                ),
                policy("BackendJwt"),
            ]
        }
        base = deploy(platform, "seen", echo, apiPolicies=policies)
        caller(platform, base)("/items/1", token=platform.token("a"))
        assert service.asked[0][1]["requestHeaders"]["x-jwt-assertion"].count(".") == 2


def test_nobody_outside_can_ask_for_one(platform: Platform) -> None:
    for path in (
        "/enforcer/backend-jwt",
        "/api/../enforcer/backend-jwt",
        "/.wellknown/../enforcer/backend-jwt",
        "/api/%2e%2e/enforcer/backend-jwt",
    ):
        for host in (
            "api.am.wso2.com",
            "idp.am.wso2.com",
            "localhost",
            "default.gw.wso2.com",
        ):
            answer = platform.request(
                host, path, "-X", "POST", "-d", "{}", "--path-as-is", "--http1.1"
            )
            assert answer.status in (401, 404, 307), (host, path, answer)
            assert answer.body.count(b".") != 2 or answer.body.startswith(b"{")


def test_a_bad_question_is_answered_plainly(platform: Platform) -> None:
    import http.client
    import socket

    for question in (
        b"",
        b"[]",
        b"null",
        b'{"api": 1, "jwt": {}, "claims": {}}',
        b"{" * 2000,
        b"\xff",
        b"x" * 200_000,
    ):
        connection = http.client.HTTPConnection("localhost", timeout=5)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(str(platform.data_dir / "run" / "control.sock"))
        connection.request("POST", "/enforcer/backend-jwt", question)
        assert connection.getresponse().status in (400, 413)
        connection.close()


def test_without_the_enforcer_known_callers_go_on_and_new_ones_are_refused(
    platform: Platform, base: str
) -> None:
    call, known, unknown = (
        caller(platform, base),
        platform.token("a"),
        platform.token("a"),
    )
    # Envoy has a thread for each processor, and each keeps what it got.
    for _ in range(40):
        assert call("/items/1", token=known).status == 200
    control = platform.pid("control")
    os.kill(control, signal.SIGSTOP)
    try:
        assert call("/items/1", token=known).status == 200
        answer = call("/items/1", "-H", "X-JWT-Assertion: forged", token=unknown)
        assert (answer.status, answer.json()["code"]) == (500, "102500")
    finally:
        os.kill(control, signal.SIGCONT)
    assert call("/items/1", token=unknown).status == 200


def test_it_survives_a_restart_of_the_control_process(
    platform: Platform, base: str
) -> None:
    before = platform.request("api.am.wso2.com", JWKS[0]).body
    os.kill(platform.pid("control"), signal.SIGKILL)
    call, token = caller(platform, base), platform.token("a")
    # On a busy machine the new process may take longer than a call waits for the enforcer.
    awaited(lambda: call("/items/1", token=token), lambda answer: answer.status == 200)
    assert platform.request("api.am.wso2.com", JWKS[0]).body == before
    assert (
        subprocess.run(
            ["stat", "-c", "%a", platform.data_dir / "kapi.db"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        == "600"
    )


def test_it_names_the_application_of_the_caller(platform: Platform, echo: int) -> None:
    call = caller(platform, deploy(platform, "known", echo, apiPolicies=backend_jwt()))
    token = platform.token("a")
    consumer = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))[
        "clientId"
    ]
    platform.cli("app", "create", "shop")
    platform.cli("app", "add-key", "shop", consumer)
    platform.cli("subscription", "add", "shop", "known", "--version", "1\\..*")
    claims = jwt.decode(
        call("/items/1", token=token).json()["headers"]["x-jwt-assertion"],
        keys(platform),
    ).claims
    assert claims[DIALECT + "applicationname"] == "shop"
    assert (
        claims[DIALECT + "applicationid"]
        == claims[DIALECT + "applicationUUId"]
        != consumer
    )
    platform.cli("app", "remove", "shop")


@pytest.mark.parametrize("kind", [(), ("--opaque",)], ids=["jwt", "opaque"])
def test_a_caller_with_an_api_key_has_one_too(
    platform: Platform, echo: int, kind: tuple[str, ...]
) -> None:
    authentication = [
        {"authType": "OAuth2", "enabled": False},
        {"authType": "APIKey", "required": "mandatory"},
    ]
    call = caller(
        platform,
        deploy(
            platform,
            "keyed",
            echo,
            apiPolicies=backend_jwt(),
            authentication=authentication,
        ),
    )
    seen = {}
    for application in ("first", "second"):
        key = platform.cli(
            "api-key", "create", "keyed:1.0.0", "--application", application, *kind
        ).stdout.strip()
        sent = ("-H", f"apikey: {key}", "-H", "Authorization: Basic same")
        answer = awaited(
            partial(call, "/items/1", *sent), lambda answer: answer.status == 200
        )
        seen[application] = jwt.decode(
            answer.json()["headers"]["x-jwt-assertion"], keys(platform)
        ).claims
    assert {
        name: claims[DIALECT + "applicationname"] for name, claims in seen.items()
    } == {
        "first": "first",
        "second": "second",
    }
    assert all(
        claims[DIALECT + "keytype"] == "PRODUCTION" and "application" not in claims
        for claims in seen.values()
    )
