"""The authorization server through the gateway: bound tokens, revocation, registered clients, and
that no kind of token passes for another.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from client_keys import key, proof, public
from harness import BASIC, DEFINITION, Answer, Platform, conf, free_port
from kapi.front.web.openapi.catalogue import CATALOGUE
from kapi.settings import WELL_KNOWN_CLIENT_ID as CLIENT
from person import Person, Pkce, authorize_path, over_https
from token_parts import header_and_claims
from waiting import until

GW = "default.gw.wso2.com"
IDP, API = "idp.am.wso2.com", "api.am.wso2.com"
CALLBACK = "http://httpbin.org"
APIS = "/api/deployer/1.2.0/apis"
JSON = ("-H", "Content-Type: application/json")
ORDERS = "https://orders.example"
SETTINGS = f"""
[[identity.resources]]
resource = "{ORDERS}"
access_token_format = "at+jwt"
access_token_signing_alg = "ES256"
token_lifetime = 120

[[identity.clients]]
id = "{CLIENT}"
secret = "4fbd62ec-a92e-11ed-afa1-0242ac120002"
grants = ["client_credentials", "authorization_code", "refresh_token"]
redirect_uris = ["{CALLBACK}"]

[[identity.clients]]
id = "signed"
secret = "signed"
grants = ["client_credentials", "authorization_code"]
redirect_uris = ["{CALLBACK}"]
userinfo_signed_response_alg = "RS256"
introspection_signed_response_alg = "RS256"
consent = "never"

[[identity.clients]]
id = "workers"
token_endpoint_auth_method = "private_key_jwt"
[[identity.clients.jwks.keys]]
"""


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory, echo: int) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("kapi")
    jwk = "\n".join(
        f"{name} = {json.dumps(value)}"
        for name, value in public(key())["keys"][0].items()
    )
    (folder / "kapi.toml").write_text(SETTINGS + jwk + "\n")
    running = Platform(
        free_port(),
        folder / "data",
        ("--config", str(folder / "kapi.toml")),
        environment={"KAPI_IDENTITY__WORKERS": "2"},
    )
    running.start()
    assert running.deploy(conf(port=echo), DEFINITION).status == 200
    yield running
    running.stop()
    logs = "".join(
        path.read_text() for path in (running.data_dir / "logs").glob("*.log")
    )
    assert "Traceback" not in logs


@pytest.fixture
def person(platform: Platform) -> Person:
    return Person(over_https(platform.port))


def form(
    platform: Platform, path: str, *more: str, basic: str = BASIC, **fields: str
) -> Answer:
    credentials = ("-H", f"Authorization: Basic {basic}") if basic else ()
    return platform.request(IDP, path, *credentials, "-d", urlencode(fields), *more)


def to_api(platform: Platform, token: str, scheme: str = "Bearer") -> int:
    return platform.request(
        GW, "/echo/1.0.0/items", "-H", f"Authorization: {scheme} {token}"
    ).status


def bound_token(platform: Platform, **more: str) -> str:
    url = f"https://{IDP}:{platform.port}/oauth2/token"
    sent = proof(key(), "POST", url, int(time.time()), jti=str(time.time_ns()))
    answer = form(
        platform,
        "/oauth2/token",
        "-H",
        f"DPoP: {sent}",
        grant_type="client_credentials",
        scope="apk:api_create",
        **more,
    )
    assert answer.json()["token_type"] == "DPoP", answer.body
    return answer.json()["access_token"]


def test_a_system_api_takes_a_bound_token_with_its_proof_only(
    platform: Platform,
) -> None:
    token = bound_token(platform)
    url = f"https://{API}:{platform.port}{APIS}"

    def ask(scheme: str, *proofs: str) -> Answer:
        headers = [item for sent in proofs for item in ("-H", f"DPoP: {sent}")]
        return platform.api(APIS, "-H", f"Authorization: {scheme} {token}", *headers)

    def fresh(by: Any = None, **changed: Any) -> str:
        made = {"method": "GET", "at": url, "token": token} | changed
        return proof(
            by or key(),
            made["method"],
            made["at"],
            int(time.time()),
            made["token"],
            jti=str(time.time_ns()),
        )

    once = fresh()
    assert ask("DPoP", once).status == 200
    for scheme, proofs in (
        ("DPoP", (once,)),
        ("DPoP", ()),
        ("Bearer", ()),
        ("Bearer", (fresh(),)),
        ("DPoP", (fresh(), fresh())),
        ("DPoP", (fresh(key("ES256", "two")),)),
        ("DPoP", (fresh(method="POST"),)),
        ("DPoP", (fresh(at=url.replace(API, IDP)),)),
        ("DPoP", (fresh(token="other"),)),
        ("DPoP", (fresh(token=""),)),
    ):
        answer = ask(scheme, *proofs)
        assert (answer.status, answer.json()["code"]) == (401, 900901), (scheme, proofs)
    # A token that is bound to nothing does not become one by its scheme.
    plain = platform.token("apk:api_create")
    sent = fresh(token=plain)
    assert (
        platform.api(
            APIS, "-H", f"Authorization: DPoP {plain}", "-H", f"DPoP: {sent}"
        ).status
        == 401
    )
    # What a client says of its certificate is not believed.
    assert (
        platform.api(
            APIS,
            "-H",
            f"Authorization: DPoP {token}",
            "-H",
            "X-Kapi-Client-Certificate: x",
        ).status
        == 401
    )


def test_a_bound_token_does_not_pass_as_a_bearer_token_at_an_api(
    platform: Platform,
) -> None:
    assert to_api(platform, bound_token(platform)) == 401


def test_a_revoked_token_is_soon_refused_everywhere(platform: Platform) -> None:
    token = platform.token("apk:api_create")
    assert to_api(platform, token) == 200
    assert form(platform, "/oauth2/revoke", token=token).status == 200
    assert form(platform, "/oauth2/introspect", token=token).json() == {"active": False}
    assert platform.api(APIS, token=token).status == 401
    until(lambda: to_api(platform, token) == 401)


def test_a_resource_gets_its_own_kind_of_token_and_the_gateway_takes_it(
    platform: Platform,
) -> None:
    fields = {"grant_type": "client_credentials", "scope": "apk:api_create"}
    answer = form(platform, "/oauth2/token", **fields, resource=ORDERS).json()
    token = answer["access_token"]
    header, claims = header_and_claims(token)
    assert (header["typ"], header["alg"], answer["expires_in"]) == (
        "at+jwt",
        "ES256",
        120,
    )
    assert (claims["aud"], claims["client_id"], claims["sub"]) == (
        ORDERS,
        CLIENT,
        CLIENT,
    )
    assert to_api(platform, token) == 200
    assert platform.api(APIS, token=token).status == 200
    assert form(platform, "/oauth2/introspect", token=token).json()["aud"] == ORDERS
    plain = form(platform, "/oauth2/token", **fields).json()["access_token"]
    assert header_and_claims(plain)[0]["typ"] == "JWT"


def test_a_client_made_by_command_gets_tokens_at_once_and_none_when_removed(
    platform: Platform,
) -> None:
    made = json.loads(
        platform.cli(
            "client", "create", "reports", "--scope", "items:read", "-o", "json"
        ).stdout
    )
    basic = ("-u", f"{made['client_id']}:{made['client_secret']}")

    def ask() -> int:
        return platform.request(
            IDP,
            "/oauth2/token",
            *basic,
            "-d",
            "grant_type=client_credentials&scope=items:read",
        ).status

    time.sleep(0.3)
    # Both workers know it.
    assert {ask() for _ in range(20)} == {200}
    assert made["client_id"] in platform.cli("client", "list").stdout
    shown = json.loads(platform.cli("client", "show", made["client_id"]).stdout)
    assert "client_secret" not in shown
    assert (
        made["client_secret"] not in platform.cli("client", "list", "-o", "json").stdout
    )
    platform.cli("client", "remove", made["client_id"])
    time.sleep(0.3)
    assert {ask() for _ in range(20)} == {401}
    assert (
        platform.cli("client", "remove", made["client_id"], check=False).returncode == 5
    )
    assert platform.cli("client", "remove", CLIENT, check=False).returncode != 0
    wrong = platform.cli("client", "create", "x", "--grant", "magic", check=False)
    assert (wrong.returncode, "magic grant type not supported" in wrong.stderr) == (
        3,
        True,
    )


def test_how_a_client_proves_who_it_is_may_be_in_the_metadata(
    platform: Platform, tmp_path: Path
) -> None:
    file = tmp_path / "metadata.json"
    file.write_text(json.dumps({"token_endpoint_auth_method": "none"}))
    grant = ("--grant", "urn:ietf:params:oauth:grant-type:device_code")
    create = ("client", "create", "tv", *grant, "--metadata", str(file), "-o", "json")
    made = json.loads(platform.cli(*create).stdout)
    assert (made["token_endpoint_auth_method"], "client_secret" in made) == (
        "none",
        False,
    )
    other = json.loads(platform.cli(*create, "--method", "client_secret_post").stdout)
    assert other["token_endpoint_auth_method"] == "client_secret_post"
    for item in (made, other):
        platform.cli("client", "remove", item["client_id"])


def token_statuses(platform: Platform, client_id: str, secret: str) -> set[int]:
    """How token requests with a secret end; enough of them for every worker."""
    basic = ("-u", f"{client_id}:{secret}")
    grant = ("-d", "grant_type=client_credentials")
    return {
        platform.request(IDP, "/oauth2/token", *basic, *grant).status for _ in range(8)
    }


def test_a_rotated_secret_replaces_the_one_before(platform: Platform) -> None:
    made = json.loads(platform.cli("client", "create", "leaky", "-o", "json").stdout)
    name, old = made["client_id"], made["client_secret"]
    until(lambda: token_statuses(platform, name, old) == {200})
    new = json.loads(platform.cli("client", "rotate-secret", name, "-o", "json").stdout)
    assert new["client_id"] == name
    until(lambda: token_statuses(platform, name, new["client_secret"]) == {200})
    assert token_statuses(platform, name, old) == {401}


def test_only_a_registered_client_with_a_secret_can_rotate_it(
    platform: Platform,
) -> None:
    sent = {"client_name": "x", "grant_types": ["authorization_code"]}
    sent |= {
        "redirect_uris": ["https://x.example/back"],
        "token_endpoint_auth_method": "none",
    }
    token = platform.token("kapi:clients")
    made = platform.api(
        "/api/clients", *JSON, "-d", json.dumps(sent), token=token
    ).json()
    path = f"/api/clients/{made['client_id']}/secret"
    refused = platform.api(path, "-X", "POST", token=token)
    assert refused.status == 400
    assert refused.json() == CATALOGUE.refusals["client_without_secret"].example
    for client, code in ((CLIENT, 1), ("nothing", 5)):
        assert (
            platform.cli("client", "rotate-secret", client, check=False).returncode
            == code
        )


def kinds(platform: Platform, person: Person) -> dict[str, str]:
    """One of everything that the provider gives out and that is no access token."""
    pkce = Pkce()
    page = person.open(
        authorize_path("signed", CALLBACK, pkce, scope="openid default", nonce="n")
    )
    page = person.sign_in(page, "superAdmin", organization="")
    made = {
        "code": page.parameters["code"],
        **{f"cookie {name}": value for name, value in person.cookies.items()},
    }
    fields = {
        "grant_type": "authorization_code",
        "code": made["code"],
        "redirect_uri": CALLBACK,
        "code_verifier": pkce.verifier,
    }
    signed = "c2lnbmVkOnNpZ25lZA=="
    tokens = form(platform, "/oauth2/token", basic=signed, **fields).json()
    access = tokens["access_token"]
    assert to_api(platform, access) == 200
    made["id token"] = tokens["id_token"]
    made["signed userinfo"] = platform.request(
        IDP, "/oauth2/userinfo", "-H", f"Authorization: Bearer {access}"
    ).body.decode()
    made["signed introspection"] = form(
        platform, "/oauth2/introspect", basic=signed, token=access
    ).body.decode()
    answered = person.open(
        authorize_path("signed", CALLBACK, Pkce(), response_mode="jwt")
    )
    made["signed response"] = answered.parameters["response"]
    pushed = form(
        platform, "/oauth2/par", response_type="code", redirect_uri=CALLBACK
    ).json()["request_uri"]
    made |= {"request uri": pushed, "request uri secret": pushed.rpartition(":")[2]}
    with_refresh = person.open(
        authorize_path(CLIENT, CALLBACK, pkce, scope="openid default")
    )
    with_refresh = person.submit(with_refresh, decision="allow")
    fields["code"] = with_refresh.parameters["code"]
    made["refresh token"] = form(platform, "/oauth2/token", **fields).json()[
        "refresh_token"
    ]
    token = platform.token("kapi:clients")
    sent = json.dumps({"client_name": "x", "grant_types": ["client_credentials"]})
    client = platform.request(
        IDP, "/dcr/register", "-H", f"Authorization: Bearer {token}", *JSON, "-d", sent
    ).json()
    made |= {
        "registration token": client["registration_access_token"],
        "client secret": client["client_secret"],
    }
    made["bound token"] = bound_token(platform)
    made["DPoP proof"] = proof(
        key(), "GET", f"https://{GW}:{platform.port}/echo/1.0.0/items", int(time.time())
    )
    return made


def test_nothing_passes_for_an_access_token(platform: Platform, person: Person) -> None:
    passed = []
    for name, text in kinds(platform, person).items():
        answers = {
            "an API": to_api(platform, text),
            "a system API": platform.api(APIS, token=text).status,
            "userinfo": platform.request(
                IDP, "/oauth2/userinfo", "-H", f"Authorization: Bearer {text}"
            ).status,
            "registration": platform.request(
                IDP,
                "/dcr/register",
                "-H",
                f"Authorization: Bearer {text}",
                *JSON,
                "-d",
                "{}",
            ).status,
        }
        passed += [
            f"{name} at {place}: {status}"
            for place, status in answers.items()
            if status != 401
        ]
        if not name.startswith(("refresh", "bound")):
            found = form(platform, "/oauth2/introspect", token=text)
            passed += [f"{name} is active"] if found.json() != {"active": False} else []
    assert passed == []


def test_clients_find_out_whom_to_ask(platform: Platform) -> None:
    refused = platform.api(APIS)
    found = refused.headers["www-authenticate"]
    assert found.startswith('Bearer realm="kapi"')
    assert (
        f'resource_metadata="https://{API}:{platform.port}/.well-known/oauth-protected-resource"'
        in found
    )
    system = platform.request(API, "/.well-known/oauth-protected-resource").json()
    assert system["resource"] == f"https://{API}:{platform.port}"
    assert system["authorization_servers"] == ["https://idp.am.wso2.com/token"]
    assert "apk:api_create" in system["scopes_supported"]
    below = platform.request(
        API, "/.well-known/oauth-protected-resource/api/deployer/1.2.0"
    ).json()
    assert below["resource"] == f"https://{API}:{platform.port}/api/deployer/1.2.0"
    for path in ("/echo/1.0.0", "/echo/1.0.0/"):
        api = platform.request(
            GW, f"/.well-known/oauth-protected-resource{path}"
        ).json()
        assert api["resource"] == f"https://{GW}:{platform.port}/echo/1.0.0"
        assert (api["authorization_servers"], api["resource_name"]) == (
            ["https://idp.am.wso2.com/token"],
            "Echo",
        )
        assert api["scopes_supported"] == ["items:read", "items:admin"]
    for host, path in (
        (GW, "/nothing"),
        (GW, ""),
        ("other.gw.wso2.com", "/echo/1.0.0"),
        (API, "/other"),
    ):
        assert (
            platform.request(
                host, f"/.well-known/oauth-protected-resource{path}"
            ).status
            == 404
        )
    assert platform.request(GW, "/.well-known/other").status == 404


@pytest.mark.parametrize(
    "path", ["/testing", "/testing/mint", "/issuers/a/oauth2/jwks"]
)
def test_the_powers_of_a_test_are_absent_unless_they_are_switched_on(
    platform: Platform, path: str
) -> None:
    assert platform.request(IDP, path).status == 404
    assert platform.request(IDP, path, "-X", "POST").status == 404
