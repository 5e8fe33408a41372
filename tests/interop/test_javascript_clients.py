"""npm oauth4webapi and openid-client complete every flow they support through the gateway, and Authlib signs its own assertions."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from client_keys import certificate, key, public
from harness import Platform, free_port
from person import Person, over_https

PEERS = Path(__file__).parent / "peers"
SECRET = "a secret of at least thirty-two bytes"
BACK = "https://app.example/cb"
RESOURCE = "https://orders.example"
AUTHORITY = certificate("authority", authority=True)
LEAF = certificate("leaf", AUTHORITY)
OWN = certificate("own")
OTHER = certificate("leaf")
METHODS = ("client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt")


def toml(value: Any) -> str:
    return (
        "{"
        + ", ".join(f"{json.dumps(name)} = {toml(item) if isinstance(item, dict) else json.dumps(item)}" for name, item in value.items())
        + "}"
    )


def client(name: str, method: str, **more: Any) -> str:
    lines = [f"[[identity.clients]]\nid = {json.dumps(name)}\ntoken_endpoint_auth_method = {json.dumps(method)}"]
    lines += [
        f"{key_} = {json.dumps(value) if not isinstance(value, bool) else str(value).lower()}"
        for key_, value in more.items()
        if key_ != "jwks"
    ]
    if "jwks" in more:
        lines.append("jwks.keys = [" + ", ".join(toml(item) for item in more["jwks"]["keys"]) + "]")
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("kapi")
    for name, made in {"leaf": LEAF, "own": OWN, "other": OTHER}.items():
        (folder / f"{name}.pem").write_bytes(made.pem)
        (folder / f"{name}.key").write_bytes(made.key_pem)
    (folder / "ca.pem").write_bytes(AUTHORITY.pem)
    port = free_port()
    own = {"keys": [{"kty": "EC", "x5c": [OWN.x5c]}]}
    text = f'[identity]\nissuer = "https://idp.am.wso2.com:{port}"\ndpop_nonce = true\nclient_ca_file = "ca.pem"\n'
    text += (
        client("basic", METHODS[0], secret=SECRET) + client("post", METHODS[1], secret=SECRET) + client("hmac", METHODS[2], secret=SECRET)
    )
    text += client("signs", METHODS[3], jwks=public(key("ES256"), key("RS256")))
    text += client("tls", "tls_client_auth", tls_client_auth_san_dns="leaf.example", tls_client_certificate_bound_access_tokens=True)
    text += client("self", "self_signed_tls_client_auth", jwks=own)
    text += client(
        "app",
        METHODS[3],
        jwks=public(key("ES256"), key("PS256")),
        grants=["authorization_code", "refresh_token"],
        redirect_uris=[BACK],
        require_pushed_authorization_requests=True,
        require_signed_request_object=True,
        dpop_bound_access_tokens=True,
    )
    text += client("cli", METHODS[0], secret=SECRET)
    (folder / "kapi.toml").write_text(text)
    running = Platform(port, folder / "data", ("--config", str(folder / "kapi.toml")))
    running.start()
    yield running
    running.stop()


def run(platform: Platform, script: str, scenario: str, **more: Any) -> dict[str, Any]:
    """One scenario of a client; a person signs in when it asks."""
    settings = {
        "issuer": f"https://idp.am.wso2.com:{platform.port}",
        "ca": str(platform.data_dir / "tls" / "ca.pem"),
        "scenario": scenario,
        "secret": SECRET,
        "redirect": BACK,
        "resource": RESOURCE,
        "algorithm": "ES256",
        "jwk": key(more.get("algorithm", "ES256")).as_dict(private=True),
    }
    settings["jwk"] = {name: value for name, value in settings["jwk"].items() if name not in {"use", "alg"}} | {
        "kid": settings["jwk"]["kid"]
    }
    command = ["node", script, json.dumps(settings | more)]
    process = subprocess.Popen(command, cwd=PEERS, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        for line in process.stdout:
            said = json.loads(line)
            if "open" in said:
                process.stdin.write(signed_in(platform, said["open"]) + "\n")
                process.stdin.flush()
                continue
            assert "done" in said, said.get("failed", said)
            return {**said["done"], "seen": said["seen"]}
        raise AssertionError("the client said nothing")
    finally:
        process.stdin.close()
        process.wait(20)


def signed_in(platform: Platform, url: str) -> str:
    person = Person(over_https(platform.port))
    page = person.sign_in(person.open(url), "org1user")
    if "Allow " in page.text:
        page = person.submit(page, decision="allow")
    assert page.status == 303, page.text
    return page.location


def test_oauth4webapi_does_everything(platform: Platform) -> None:
    for algorithm in ("ES256", "PS256"):
        result = run(platform, "secured-oauth4webapi.mjs", "everything", client="app", algorithm=algorithm)
        assert result["type"] == "dpop"
        assert result["subject"] == result["info"]["sub"] == "org1user"
        assert result["found"]["active"] is True
        assert result["found"]["aud"] == RESOURCE
        assert result["found"]["cnf"]["jkt"]
        assert result["gone"] == {"active": False}
        # The nonce was asked for once, then taken from the answer.
        assert result["seen"].count("POST /oauth2/par 400") == 1
        assert "POST /oauth2/token 400" not in result["seen"]


def test_openid_client_pushes_signs_and_binds(platform: Platform) -> None:
    result = run(platform, "secured-openid-client.mjs", "code", client="app")
    assert (result["type"], result["subject"], result["gone"]) == ("dpop", "org1user", {"active": False})
    assert result["found"]["client_id"] == "app"


@pytest.mark.parametrize("script", ["secured-oauth4webapi.mjs", "secured-openid-client.mjs"])
@pytest.mark.parametrize(("name", "method"), list(zip(("basic", "post", "hmac", "signs"), METHODS, strict=True)))
def test_client_authentication(platform: Platform, script: str, name: str, method: str) -> None:
    result = run(platform, script, "clientCredentials", client=name, method=method)
    assert result["tokens"]["scope"] == "default"
    assert result["found"]["client_id"] == name
    assert result["gone"] == {"active": False}


@pytest.mark.parametrize("script", ["secured-oauth4webapi.mjs", "secured-openid-client.mjs"])
@pytest.mark.parametrize(("name", "method", "file"), [("tls", "tls_client_auth", "leaf"), ("self", "self_signed_tls_client_auth", "own")])
def test_clients_with_certificates(platform: Platform, script: str, name: str, method: str, file: str) -> None:
    folder = platform.data_dir.parent
    pair = {"certificate": str(folder / f"{file}.pem"), "key": str(folder / f"{file}.key")}
    result = run(platform, script, "clientCredentials", client=name, method=method, **pair)
    assert result["found"]["client_id"] == name
    assert result["gone"] == {"active": False}
    if name == "tls":
        # Its tokens are bound to the certificate, and good on connections with it only.
        assert result["found"]["cnf"] == {"x5t#S256": LEAF.x5t}
    with_other = {"certificate": str(folder / "other.pem"), "key": str(folder / "other.key")}
    for wrong in ({}, with_other):
        with pytest.raises(AssertionError, match="WWWAuthenticate"):
            run(platform, script, "clientCredentials", client=name, method=method, **wrong)


def test_a_bound_token_opens_system_apis_with_its_certificate_only(platform: Platform) -> None:
    folder = platform.data_dir.parent

    def pair(name: str) -> tuple[str, ...]:
        return ("--cert", str(folder / f"{name}.pem"), "--key", str(folder / f"{name}.key"))

    form = ("-d", "grant_type=client_credentials&scope=apk:api_create&client_id=tls")
    answer = platform.request("idp.am.wso2.com", "/oauth2/token", *pair("leaf"), *form)
    assert answer.status == 200, answer.body
    token = answer.json()["access_token"]
    path = "/api/deployer/1.2.0/apis"
    assert platform.api(path, *pair("leaf"), token=token).status == 200
    assert platform.api(path, token=token).status == 401
    assert platform.api(path, *pair("other"), token=token).status == 401
    # What a client says of its certificate is not believed.
    claimed = ("-H", f"X-Kapi-Client-Certificate: {LEAF.forwarded}")
    assert platform.api(path, *claimed, token=token).status == 401
    assert platform.request("idp.am.wso2.com", "/oauth2/token", *claimed, *form).status == 401


def test_oauth4webapi_registers_a_client(platform: Platform) -> None:
    token = platform.request(
        "idp.am.wso2.com", "/oauth2/token", "-u", f"cli:{SECRET}", "-d", "grant_type=client_credentials&scope=kapi:clients"
    ).json()["access_token"]
    result = run(platform, "secured-oauth4webapi.mjs", "registration", client="", token=token)
    assert result["client"]["client_name"] == "oauth4webapi"
    assert result["tokens"]["token_type"] == "bearer"


@pytest.mark.parametrize(("name", "method"), [("hmac", "client_secret_jwt"), ("signs", "private_key_jwt")])
def test_authlib_signs_assertions(platform: Platform, monkeypatch: pytest.MonkeyPatch, name: str, method: str) -> None:
    from authlib.integrations.requests_client import OAuth2Session
    from authlib.oauth2.rfc7523 import ClientSecretJWT, PrivateKeyJWT

    issuer = f"https://idp.am.wso2.com:{platform.port}"
    if method == "client_secret_jwt":
        session = OAuth2Session(name, SECRET, token_endpoint_auth_method=ClientSecretJWT(issuer))
    else:
        pem = key("RS256").as_pem(private=True).decode()
        session = OAuth2Session(name, pem, token_endpoint_auth_method=PrivateKeyJWT(issuer, headers={"kid": "RS256-one"}))
    resolve_to_loopback(monkeypatch)
    token = session.fetch_token(f"{issuer}/oauth2/token", grant_type="client_credentials", verify=str(platform.data_dir / "tls" / "ca.pem"))
    assert token["token_type"] == "Bearer"


def resolve_to_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    real = socket.getaddrinfo

    def lookup(host: Any, *more: Any, **options: Any) -> Any:
        return real("127.0.0.1" if str(host).endswith(".wso2.com") else host, *more, **options)

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
