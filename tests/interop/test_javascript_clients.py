"""npm oauth4webapi and openid-client complete every flow they support through the gateway: TLS
verified, nothing relaxed.
"""

from __future__ import annotations

import time

import pytest
from clients import (
    ASSERTION,
    CALLBACK,
    DIFFICULT,
    EXCHANGE,
    HR,
    IDP,
    LEAF,
    METHODS,
    RESOURCE,
    SECRET,
    path_of,
)
from javascript import run

from client_keys import key, signed
from harness import Platform
from person import Person, claims_of, over_https

STRICT, USUAL = "oauth4webapi.mjs", "openid-client.mjs"
both = pytest.mark.parametrize("script", [STRICT, USUAL])


@pytest.mark.parametrize("mode", ["query", "fragment", "form_post"])
@pytest.mark.parametrize(
    ("name", "method"), [("confidential", "client_secret_basic"), ("public", "none")]
)
def test_oauth4webapi_code(
    platform: Platform, name: str, method: str, mode: str
) -> None:
    metadata = {"id_token_signed_response_alg": "ES256"} if name == "public" else {}
    told = run(
        platform,
        STRICT,
        "code",
        client=name,
        method=method,
        mode=mode,
        secret=DIFFICULT,
        metadata=metadata,
    )
    assert told["same"] is True
    assert told["claims"]["sub"] == told["info"]["sub"] == "org1user"
    assert told["scope"] == "openid email"


@pytest.mark.parametrize("mode", ["query", "form_post"])
def test_openid_client_code(platform: Platform, mode: str) -> None:
    person = Person(over_https(platform.port))
    told = run(
        platform,
        USUAL,
        "code",
        person,
        client="confidential",
        secret=DIFFICULT,
        mode=mode,
    )
    claims = told["claims"]
    assert (claims["iss"], claims["sub"], claims["organization"]) == (
        f"https://{IDP}:{platform.port}",
        "org1user",
        "org1",
    )
    assert told["info"]["preferred_username"] == "org1user"
    assert told["rotated"] is True
    assert told["found"]["active"] is True
    assert told["gone"] == {"active": False}
    assert person.open(path_of(told["logout"])).location == f"{CALLBACK}?state=bye"


def test_openid_client_at_the_localhost_name(platform: Platform) -> None:
    """It insists that the issuer is the one that it was pointed to, in discovery and in tokens."""
    person = Person(over_https(platform.port, "idp.localhost"))
    issuer = f"https://idp.localhost:{platform.port}"
    told = run(
        platform,
        USUAL,
        "code",
        person,
        client="confidential",
        secret=DIFFICULT,
        issuer=issuer,
    )
    assert (told["claims"]["iss"], told["claims"]["sub"]) == (issuer, "org1user")
    assert told["rotated"] is True
    assert (told["found"]["active"], told["gone"]) == (True, {"active": False})


@both
def test_signed_answers(platform: Platform, script: str) -> None:
    names = (
        "id_token_signed_response_alg",
        "userinfo_signed_response_alg",
        "introspection_signed_response_alg",
    )
    told = run(
        platform,
        script,
        "code",
        client="notary",
        metadata=dict(zip(names, ("EdDSA", "ES256", "ES256"), strict=True)),
    )
    if script == USUAL:
        # Its introspection answers are JWTs too, which the client checks.
        assert (told["found"]["active"], told["found"]["username"], told["gone"]) == (
            True,
            "org1user",
            {"active": False},
        )
    assert told["info"]["sub"] == told["claims"]["sub"] == "org1user"
    assert told["info"]["aud"] == "notary", "the answer was not a JWT"


def test_oauth4webapi_pushes_signs_and_binds(platform: Platform) -> None:
    for algorithm in ("ES256", "PS256"):
        told = run(platform, STRICT, "secured", client="app", algorithm=algorithm)
        assert told["type"] == "dpop"
        assert told["subject"] == told["info"]["sub"] == "org1user"
        assert told["found"]["active"] is True
        assert told["found"]["aud"] == RESOURCE
        assert told["found"]["cnf"]["jkt"]
        assert told["gone"] == {"active": False}
        # The nonce was asked for once, then taken from the answer.
        assert told["seen"].count("POST /oauth2/par 400") == 1
        assert "POST /oauth2/token 400" not in told["seen"]


def test_openid_client_pushes_signs_and_binds(platform: Platform) -> None:
    told = run(platform, USUAL, "secured", client="app")
    assert (told["type"], told["subject"], told["gone"]) == (
        "dpop",
        "org1user",
        {"active": False},
    )
    assert told["found"]["client_id"] == "app"


@both
@pytest.mark.parametrize(
    ("name", "method"),
    list(zip(("basic", "post", "hmac", "signs"), METHODS, strict=True)),
)
def test_client_authentication(
    platform: Platform, script: str, name: str, method: str
) -> None:
    told = run(platform, script, "clientCredentials", client=name, method=method)
    assert told["tokens"]["scope"] == "default"
    assert told["found"]["client_id"] == name
    assert told["gone"] == {"active": False}


@both
@pytest.mark.parametrize(
    ("name", "method", "file"),
    [
        ("tls", "tls_client_auth", "leaf"),
        ("self", "self_signed_tls_client_auth", "own"),
    ],
)
def test_clients_with_certificates(
    platform: Platform, script: str, name: str, method: str, file: str
) -> None:
    folder = platform.data_dir.parent
    pair = {
        "certificate": str(folder / f"{file}.pem"),
        "key": str(folder / f"{file}.key"),
    }
    told = run(
        platform, script, "clientCredentials", client=name, method=method, **pair
    )
    assert told["found"]["client_id"] == name
    assert told["gone"] == {"active": False}
    if name == "tls":
        # Its tokens are bound to the certificate, and good on connections with it only.
        assert told["found"]["cnf"] == {"x5t#S256": LEAF.x5t}
    with_other = {
        "certificate": str(folder / "other.pem"),
        "key": str(folder / "other.key"),
    }
    for wrong in ({}, with_other):
        with pytest.raises(AssertionError, match="WWWAuthenticate"):
            run(
                platform,
                script,
                "clientCredentials",
                client=name,
                method=method,
                **wrong,
            )


def test_a_bound_token_opens_system_apis_with_its_certificate_only(
    platform: Platform,
) -> None:
    folder = platform.data_dir.parent

    def pair(name: str) -> tuple[str, ...]:
        return (
            "--cert",
            str(folder / f"{name}.pem"),
            "--key",
            str(folder / f"{name}.key"),
        )

    form = ("-d", "grant_type=client_credentials&scope=apk:api_create&client_id=tls")
    answer = platform.request(IDP, "/oauth2/token", *pair("leaf"), *form)
    assert answer.status == 200, answer.body
    token = answer.json()["access_token"]
    path = "/api/deployer/1.2.0/apis"
    assert platform.api(path, *pair("leaf"), token=token).status == 200
    assert platform.api(path, token=token).status == 401
    assert platform.api(path, *pair("other"), token=token).status == 401
    # What a client says of its certificate is not believed.
    claimed = ("-H", f"X-Kapi-Client-Certificate: {LEAF.forwarded}")
    assert platform.api(path, *claimed, token=token).status == 401
    assert platform.request(IDP, "/oauth2/token", *claimed, *form).status == 401


@both
@pytest.mark.parametrize(
    ("name", "method"), [("television", "client_secret_basic"), ("remote", "none")]
)
def test_a_device(platform: Platform, script: str, name: str, method: str) -> None:
    told = run(platform, script, "device", client=name, method=method)
    assert (told["claims"]["sub"], told["claims"]["aud"], told["scope"]) == (
        "org1user",
        name,
        "openid a",
    )


@both
def test_a_person_approves_elsewhere(platform: Platform, script: str) -> None:
    told = run(
        platform, script, "ciba", client="television", message=f"W4SCT-{script[:6]}"
    )
    assert (told["claims"]["sub"], told["claims"]["aud"], told["scope"]) == (
        "org1user",
        "television",
        "openid a",
    )


@both
def test_token_exchange(platform: Platform, script: str) -> None:
    form = "grant_type=password&username=org1user&password=org1user&organization=org1&scope=a%20b"
    token = platform.request(
        IDP, "/oauth2/token", "-u", f"legacy:{SECRET}", "-d", form
    ).json()["access_token"]
    kind = "urn:ietf:params:oauth:token-type:access_token"
    parameters = {
        "subject_token": token,
        "subject_token_type": kind,
        "audience": "stock",
        "scope": "a",
    }
    told = run(
        platform,
        script,
        "generic",
        client="orders",
        grant=EXCHANGE,
        parameters=parameters,
    )
    assert (told["issued_token_type"], told["scope"]) == (kind, "a")
    claims = claims_of(told["access_token"])
    assert (claims["sub"], claims["aud"], claims["act"]) == (
        "org1user",
        "stock",
        {"sub": "orders"},
    )


@both
def test_jwt_assertion(platform: Platform, script: str) -> None:
    now = int(time.time())
    told = {
        "iss": HR,
        "sub": "org1user",
        "aud": f"https://{IDP}:{platform.port}",
        "iat": now,
        "exp": now + 60,
        "jti": script,
    }
    parameters = {"assertion": signed(told, key("ES256")), "scope": "pay"}
    answer = run(
        platform,
        script,
        "generic",
        client="payroll",
        grant=ASSERTION,
        parameters=parameters,
    )
    claims = claims_of(answer["access_token"])
    assert (claims["sub"], claims["clientId"], claims["scope"]) == (
        "org1user",
        "payroll",
        "pay",
    )


@both
def test_registration(platform: Platform, script: str) -> None:
    form = "grant_type=client_credentials&scope=kapi:clients"
    token = platform.request(
        IDP, "/oauth2/token", "-u", f"cli:{SECRET}", "-d", form
    ).json()["access_token"]
    told = run(platform, script, "registration", client="", token=token)
    assert told["client"]["client_name"] == script.removesuffix(".mjs")
    assert told["tokens"]["token_type"] == "bearer"


def test_oauth4webapi_needs_no_more_than_the_address_of_an_api(
    platform: Platform,
) -> None:
    told = run(platform, STRICT, "resource", client="caller")
    assert "apk:api_create" in told["described"]["scopes_supported"]
    assert told["called"]["status"] == 200
    # The checks of RFC 9068 and RFC 9449 that an API would do, in the library's own words.
    assert (told["claims"]["client_id"], told["claims"]["aud"]) == (
        "caller",
        f"https://api.am.wso2.com:{platform.port}/api",
    )
    assert told["claims"]["cnf"]["jkt"]


def test_openid_client_calls_a_resource(platform: Platform) -> None:
    told = run(platform, USUAL, "resource", client="caller")
    assert (told["type"], told["called"]["status"]) == ("dpop", 200)
