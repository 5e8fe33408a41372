"""Foreign clients complete the code flow through the gateway, with TLS verified and the issuer discovered without a workaround."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from authlib.integrations.requests_client import OAuth2Session as AuthlibSession
from joserfc import jwt
from joserfc.jwk import KeySet
from proxy import proxy
from requests_oauthlib import OAuth2Session

from flows import allowed
from harness import Platform, free_port
from person import Page, Person, over_https

PEERS = Path(__file__).parent / "peers"
CALLBACK = "https://client.example/cb"
IDP = "idp.am.wso2.com"


@pytest.fixture(scope="module")
def through() -> Iterator[str]:
    with proxy() as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    folder, port = tmp_path_factory.mktemp("kapi"), free_port()
    (folder / "kapi.toml").write_text(
        '[[identity.clients]]\nid = "confidential"\nsecret = "a secret:with %+ signs"\ngrants = ["authorization_code", "refresh_token"]\n'
        f'redirect_uris = ["{CALLBACK}"]\npost_logout_redirect_uris = ["{CALLBACK}"]\nrequire_pkce = true\n'
        '[[identity.clients]]\nid = "public"\ntoken_endpoint_auth_method = "none"\ngrants = ["authorization_code", "refresh_token"]\n'
        f'redirect_uris = ["{CALLBACK}"]\nid_token_signed_response_alg = "ES256"\n'
        '[[identity.clients]]\nid = "television"\nsecret = "of the television"\n'
        'grants = ["urn:ietf:params:oauth:grant-type:device_code", "urn:openid:params:grant-type:ciba"]\n'
    )
    running = Platform(port, folder / "data", ("--config", str(folder / "kapi.toml"), "--issuer", f"https://{IDP}:{port}"))
    running.start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def base(platform: Platform) -> str:
    return f"https://{IDP}:{platform.port}"


@pytest.fixture
def person(platform: Platform) -> Person:
    return Person(over_https(platform.port))


class Peer:
    """A client in Node that tells what to open and is told where that led."""

    def __init__(self, script: str, platform: Platform, through: str, **settings: Any) -> None:
        ca = platform.cli("ca").stdout.strip()
        environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "NODE_EXTRA_CA_CERTS": ca, "KAPI_PROXY": through}
        self.process = subprocess.Popen(
            ["node", str(PEERS / script)], env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self.say(settings)

    def say(self, value: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(value) + "\n")
        self.process.stdin.flush()

    def hear(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError(self.process.communicate(timeout=10)[1])
        value: dict[str, Any] = json.loads(line)
        assert "failed" not in value, value
        return value

    def close(self) -> None:
        self.process.communicate(timeout=20)


def opened(person: Person, url: str) -> Page:
    parts = urlsplit(url)
    return allowed(person, f"{parts.path}?{parts.query}")


def test_openid_client(platform: Platform, through: str, base: str, person: Person) -> None:
    peer = Peer(
        "openid-client.mjs", platform, through, issuer=base, clientId="confidential", secret="a secret:with %+ signs",
        redirectUri=CALLBACK, scope="openid profile",
    )  # fmt: skip
    peer.say({"location": opened(person, peer.hear()["open"]).location})
    told = peer.hear()
    peer.close()
    assert (told["claims"]["iss"], told["claims"]["sub"], told["claims"]["organization"]) == (base, "org1user", "org1")
    assert told["userinfo"]["preferred_username"] == "org1user"
    assert told["introspection"]["active"] is True
    assert told["after"] == {"active": False}
    assert told["rotated"] is True
    parts = urlsplit(told["logout"])
    assert person.open(f"{parts.path}?{parts.query}").location == f"{CALLBACK}?state=bye"


@pytest.mark.parametrize("mode", ["query", "fragment"])
@pytest.mark.parametrize("client", ["confidential", "public"])
def test_oauth4webapi(platform: Platform, through: str, base: str, person: Person, client: str, mode: str) -> None:
    peer = Peer(
        "oauth4webapi.mjs", platform, through, issuer=base, clientId=client, secret="a secret:with %+ signs", publicClient=client == "public",
        redirectUri=CALLBACK, scope="openid email", mode=mode,
    )  # fmt: skip
    peer.say({"location": opened(person, peer.hear()["open"]).location})
    told = peer.hear()
    peer.close()
    assert told["same"] is True
    assert told["claims"]["sub"] == told["userinfo"]["sub"] == "org1user"
    assert told["scope"] == "openid email"


def test_openid_client_where_the_person_is_elsewhere(platform: Platform, through: str, base: str, person: Person) -> None:
    peer = Peer("decoupled.mjs", platform, through, issuer=base, clientId="television", secret="of the television")
    told = peer.hear()
    parts = urlsplit(told["open"])
    page = person.sign_in(person.open(f"{parts.path}?{parts.query}"))
    assert told["code"] in page.text
    assert "is connected" in person.submit(page, decision="allow").text
    peer.say({})
    peer.hear()
    page = person.open("/authenticationEndpoint/approvals")
    assert "W4SCT" in page.text
    person.submit(page, decision="allow")
    peer.say({})
    got = peer.hear()
    peer.close()
    assert (got["device"]["sub"], got["ciba"]["sub"], got["scope"]) == ("org1user", "org1user", "openid a")
    assert got["device"]["aud"] == "television"


def test_authlib(platform: Platform, through: str, base: str, person: Person) -> None:
    ca = platform.cli("ca").stdout.strip()
    # Authlib builds Basic without form-encoding it (RFC 6749 §2.3.1), which this secret would not survive.
    session = AuthlibSession(
        "confidential",
        "a secret:with %+ signs",
        scope="openid profile",
        redirect_uri=CALLBACK,
        code_challenge_method="S256",
        token_endpoint_auth_method="client_secret_post",
        revocation_endpoint_auth_method="client_secret_post",
    )
    session.proxies, session.verify, session.trust_env = {"https": through}, ca, False
    known = session.get(f"{base}/.well-known/openid-configuration", withhold_token=True).json()
    assert known["issuer"] == base
    verifier = "v" * 64
    url, state = session.create_authorization_url(known["authorization_endpoint"], code_verifier=verifier, nonce="n-0S6")
    location = opened(person, url).location
    token = session.fetch_token(known["token_endpoint"], authorization_response=location, code_verifier=verifier, state=state)
    keys = KeySet.import_key_set(session.get(known["jwks_uri"], withhold_token=True).json())
    assert jwt.decode(token["id_token"], keys).claims["nonce"] == "n-0S6"
    assert session.get(known["userinfo_endpoint"]).json()["sub"] == "org1user"
    fresh = session.refresh_token(known["token_endpoint"])
    assert fresh["access_token"] != token["access_token"]
    assert session.revoke_token(known["revocation_endpoint"], token=fresh["refresh_token"]).status_code == 200
    assert session.get(known["userinfo_endpoint"]).status_code == 401


def test_requests_oauthlib(platform: Platform, through: str, base: str, person: Person) -> None:
    ca = platform.cli("ca").stdout.strip()
    session = OAuth2Session("confidential", redirect_uri=CALLBACK, scope=["openid", "email"], pkce="S256")
    session.proxies, session.verify, session.trust_env = {"https": through}, ca, False
    url, _ = session.authorization_url(f"{base}/oauth2/authorize")
    token = session.fetch_token(
        f"{base}/oauth2/token", authorization_response=opened(person, url).location, auth=("confidential", "a secret%3Awith %25%2B signs"), verify=ca,
        proxies={"https": through},
    )  # fmt: skip
    assert session.get(f"{base}/oauth2/userinfo").json() == {"sub": "org1user", "organization": "org1"}
    fresh = session.refresh_token(
        f"{base}/oauth2/token", refresh_token=token["refresh_token"], auth=("confidential", "a secret%3Awith %25%2B signs"), verify=ca,
        proxies={"https": through},
    )  # fmt: skip
    assert fresh["refresh_token"] != token["refresh_token"]
