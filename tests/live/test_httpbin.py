"""What a conf says of endpoints, callers and versions, with httpbin as the backend, over HTTP/1.1
and HTTP/2 alike.

Other behaviours are shown over both by the tests of their policies: `test_conf_routing.py`,
`test_error_bodies.py`, `test_interceptors.py`, `test_lua.py`, `test_wasm.py`,
`test_backend_jwt.py`, `test_dpop_live.py`, `test_authentication_live.py` (mutual TLS).
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator

import pytest

from backends import httpbin
from harness import DEFINITION, Answer, Platform, free_port
from standin import Key
from waiting import until

GW, SANDBOX = "default.gw.wso2.com", "default.sandbox.gw.wso2.com"
STATIC = Key.make("static", "ES256")
ISSUER = "https://static.example"
NOTIFICATION_KEY = "a-key-of-the-test"
SETTINGS = """
[gateway]
concurrency = 1
version_routing = true
hosts = {{"bin.tools.svc.cluster.local" = "127.0.0.1:{port}"}}

[apis]
notification_key = "{key}"

[[identity.issuers]]
name = "static"
issuer = "{issuer}"
public_key_file = "static.pem"

[[subscriptions.tiers]]
name = "Many"
requests = 1000
unit = "Hour"

[[subscriptions.applications]]
name = "shop"
tier = "Many"
keys = [{{consumer_key = "shop"}}, {{consumer_key = "shop-test", type = "SANDBOX"}}]
subscriptions = [{{api = "Subscribed", version = "1[.].*"}}]
"""
Call = Callable[..., Answer]


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with httpbin() as it:
        yield it


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory, port: int) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("kapi")
    (folder / "static.pem").write_text(STATIC.pem())
    (folder / "kapi.toml").write_text(
        SETTINGS.format(port=port, key=NOTIFICATION_KEY, issuer=ISSUER)
    )
    running = Platform(
        free_port(),
        folder / "data",
        environment={"KAPI_CONFIG": str(folder / "kapi.toml")},
    )
    running.start()
    yield running
    running.stop()
    assert "Traceback" not in "".join(
        path.read_text() for path in (running.data_dir / "logs").glob("*.log")
    )


@pytest.fixture(scope="module")
def admin(platform: Platform) -> str:
    return platform.token("apk:api_create")


@pytest.fixture(params=["--http1.1", "--http2"], ids=["1", "2"])
def call(request: pytest.FixtureRequest, platform: Platform) -> Call:
    def ask(path: str, *arguments: str, host: str = GW, token: str = "") -> Answer:
        credentials = ("-H", f"Authorization: Bearer {token}") if token else ()
        return platform.request(host, path, request.param, *credentials, *arguments)

    return ask


Deploy = Callable[..., str]


@pytest.fixture(scope="module")
def deploy(platform: Platform, admin: str, port: int) -> Deploy:
    def do(
        name: str,
        more: str = "",
        *,
        version: str = "1.0.0",
        endpoint: str = "",
        operations: str = "",
        endpoints: str = "",
    ) -> str:
        endpoints = (
            endpoints
            or f"production: {{endpoint: {endpoint or f'http://127.0.0.1:{port}'}}}"
        )
        operations = operations or '- {target: "/*", verb: GET}'
        text = (
            f"name: {name}\nbasePath: /{name.lower()}\nversion: {version!r}\ntype: REST\n{more}"
            f"endpointConfigurations: {{{endpoints}}}\noperations:\n{operations}\n"
        )
        answer = platform.deploy(text, DEFINITION, admin)
        assert answer.status == 200, answer.body.decode()
        found = re.search(r'^id: "?([0-9a-f]+)', answer.body.decode(), re.MULTILINE)
        assert found
        return found[1]

    return do


OPEN = '- {target: "/*", verb: GET, secured: false}'


def bearer(**claims: object) -> str:
    return STATIC.token(
        {"iss": ISSUER, "sub": "me", "azp": "me", "jti": str(time.time_ns()), **claims}
    )


def test_a_service_of_a_cluster_is_found_by_its_name(
    deploy: Deploy, call: Call
) -> None:
    deploy(
        "Service",
        endpoints="production: {endpoint: {name: bin, namespace: tools, port: 80, protocol: http}}",
        operations=OPEN,
    )
    seen = call("/service/1.0.0/anything/a?x=1").json()
    assert (seen["method"], seen["headers"]["Host"]) == (
        "GET",
        "bin.tools.svc.cluster.local",
    )


def test_production_and_sandbox_are_two_backends(
    deploy: Deploy, call: Call, port: int
) -> None:
    address = f"http://127.0.0.1:{port}/anything"
    deploy(
        "Two",
        endpoints=(
            f"production: {{endpoint: {address}/live}}, sandbox: {{endpoint: {address}/test}}"
        ),
        operations=OPEN,
    )
    assert call("/two/1.0.0/x").json()["url"].endswith("/anything/live/x")
    assert call("/two/1.0.0/x", host=SANDBOX).json()["url"].endswith("/anything/test/x")


def test_an_https_backend_is_checked_by_certificate_and_name(
    platform: Platform, deploy: Deploy, call: Call
) -> None:
    tls = platform.data_dir / "tls"
    platform.cli("secret", "set", "bin-ca", "ca.crt", "--file", str(tls / "ca.pem"))
    with httpbin(tls / "edge.pem") as secure:
        named = "certificate: {secretName: bin-ca, secretKey: ca.crt}"
        deploy(
            "Secure",
            endpoints=f"production: {{endpoint: 'https://localhost:{secure}', {named}}}",
            operations=OPEN,
        )
        assert call("/secure/1.0.0/get").status == 200
        # The system's authorities do not know it.
        deploy(
            "Stranger",
            endpoints=f"production: {{endpoint: 'https://localhost:{secure}'}}",
            operations=OPEN,
        )
        assert (
            call("/stranger/1.0.0/get").status,
            call("/stranger/1.0.0/get").json()["code"],
        ) == (
            503,
            "102503",
        )


def test_the_backend_gets_the_gateways_credentials(
    platform: Platform, deploy: Deploy, call: Call, port: int
) -> None:
    for name, key, value in (
        ("login", "user", "gateway"),
        ("login", "password", "pa:ss"),
        ("key", "value", "a&b"),
    ):
        platform.cli("secret", "set", name, key, stdin=value)
    address = f"endpoint: http://127.0.0.1:{port}"
    for name, kind in (
        ("Basic", "{secretName: login, userNameKey: user, passwordKey: password}"),
        (
            "Header",
            "{secretName: key, in: Header, apiKeyNameKey: X-Key, apiKeyValueKey: value}",
        ),
        (
            "Query",
            "{secretName: key, in: Query, apiKeyNameKey: key, apiKeyValueKey: value}",
        ),
    ):
        security = f"endpointSecurity: {{enabled: true, securityType: {kind}}}"
        deploy(
            name, endpoints=f"production: {{{address}, {security}}}", operations=OPEN
        )
    assert call("/basic/1.0.0/basic-auth/gateway/pa:ss", "-u", "caller:x").json() == {
        "authenticated": True,
        "user": "gateway",
    }
    assert (
        call("/header/1.0.0/headers", "-H", "X-Key: forged").json()["headers"]["X-Key"]
        == "a&b"
    )
    assert call("/query/1.0.0/get?key=forged&a=b").json()["args"] == {
        "a": "b",
        "key": "a&b",
    }


def test_a_token_reaches_the_backend_only_where_the_conf_says_so(
    deploy: Deploy, call: Call
) -> None:
    deploy("Stripped")
    deploy("Sent", "authentication: [{authType: OAuth2, sendTokenToUpstream: true}]\n")
    token = bearer()
    assert call("/stripped/1.0.0/bearer", token=token).status == 401
    assert call("/sent/1.0.0/bearer", token=token).json() == {
        "authenticated": True,
        "token": token,
    }


def test_a_raw_jwt_in_its_own_header_for_one_of_the_audiences(
    deploy: Deploy, call: Call
) -> None:
    deploy(
        "Raw",
        (
            "authentication: [{authType: OAuth2, enabled: false}, {authType: JWT, headerName: "
            "X-JWT, "
            "audience: [a, b]}]\n"
        ),
    )
    assert (
        call("/raw/1.0.0/get", "-H", f"X-JWT: {bearer(aud=['x', 'b'])}").status == 200
    )
    assert (
        call("/raw/1.0.0/get", "-H", f"X-JWT: {bearer(aud='x')}").json()["code"]
        == "900901"
    )
    assert call("/raw/1.0.0/get", token=bearer(aud="a")).json()["code"] == "900902"


def test_all_scopes_are_needed_and_an_open_operation_needs_none(
    deploy: Deploy, call: Call
) -> None:
    deploy(
        "Scoped",
        operations=(
            "- {target: /get, verb: GET, scopes: [a, b]}\n"
            "- {target: /uuid, verb: GET, secured: false}"
        ),
    )
    statuses = [
        call("/scoped/1.0.0/get", token=bearer(scope=scope)).status
        for scope in ("b a", "a x b", "a", "x b", "c")
    ]
    assert statuses == [200, 200, 403, 403, 403]
    assert call("/scoped/1.0.0/uuid").status == 200


@pytest.mark.parametrize("kind", [(), ("--opaque",)], ids=["jwt", "opaque"])
def test_an_api_key_opens_until_it_is_revoked(
    platform: Platform, deploy: Deploy, call: Call, kind: tuple[str, ...]
) -> None:
    deploy(
        "Keyed",
        (
            "authentication: [{authType: OAuth2, enabled: false}, {authType: APIKey, required: "
            "mandatory}]\n"
        ),
    )
    made = json.loads(
        platform.cli("api-key", "create", "Keyed:1.0.0", *kind, "-o", "json").stdout
    )
    key = made["apiKey"]
    until(lambda: call("/keyed/1.0.0/get", "-H", f"apikey: {key}").status == 200)
    seen = call(f"/keyed/1.0.0/get?apikey={key}&a=b").json()
    assert (seen["args"], "Apikey" in seen["headers"]) == ({"a": "b"}, False)
    assert (
        call("/keyed/1.0.0/get", "-H", f"apikey: {key[:-4]}xxxx").json()["code"]
        == "900901"
    )
    platform.cli("api-key", "revoke", made["id"])
    until(lambda: call("/keyed/1.0.0/get", "-H", f"apikey: {key}").status == 401)


def test_a_revoked_token_is_refused_within_a_second(
    platform: Platform, deploy: Deploy, call: Call
) -> None:
    deploy("Revoked")
    token = bearer()
    assert call("/revoked/1.0.0/get", token=token).status == 200
    path = "/api/notification/1.0.0/notify?type=TOKEN_REVOCATION"
    headers = (
        "-H",
        f"stsAuthKey: {NOTIFICATION_KEY}",
        "-H",
        "Content-Type: application/json",
    )
    assert (
        platform.api(path, *headers, "-d", json.dumps({"token": token})).status == 200
    )
    until(lambda: call("/revoked/1.0.0/get", token=token).status == 401)
    assert call("/revoked/1.0.0/get", token=bearer()).status == 200


def test_a_subscription_by_pattern_of_the_version_and_type_of_the_key(
    deploy: Deploy, call: Call, port: int
) -> None:
    both = (
        f"production: {{endpoint: http://127.0.0.1:{port}}}, sandbox: {{endpoint: "
        f"http://127.0.0.1:{port}}}"
    )
    for version in ("1.4.0", "2.0.0"):
        deploy(
            "Subscribed",
            "subscriptionValidation: true\n",
            version=version,
            endpoints=both,
        )
    shop, test = bearer(azp="shop"), bearer(azp="shop-test")
    assert call("/subscribed/1.4.0/get", token=shop).status == 200
    for path, host, token in (
        ("/subscribed/2.0.0/get", GW, shop),
        ("/subscribed/1.4.0/get", SANDBOX, shop),
        ("/subscribed/1.4.0/get", GW, test),
        ("/subscribed/1.4.0/get", GW, bearer()),
    ):
        assert call(path, token=token, host=host).json()["code"] == "900908"
    assert call("/subscribed/1.4.0/get", token=test, host=SANDBOX).status == 200


def test_a_limited_answer_says_how_much_is_left(deploy: Deploy, call: Call) -> None:
    deploy(
        "Limited", "rateLimit: {requestsPerUnit: 1000, unit: Day}\n", operations=OPEN
    )
    first, second = (
        int(call("/limited/1.0.0/get").headers["x-ratelimit-remaining"])
        for _ in range(2)
    )
    # A new day may begin between the two.
    assert second == first - 1 or second == 999


def test_versions_default_and_newest(
    platform: Platform, deploy: Deploy, call: Call, port: int, admin: str
) -> None:
    address = f"http://127.0.0.1:{port}/anything"
    deploy(
        "Default",
        "defaultVersion: true\n",
        version="2.1",
        endpoint=f"{address}/default",
        operations=OPEN,
    )
    for path in ("/default/2.1/x", "/default/x"):
        assert call(path).json()["url"].endswith("/anything/default/x")
    deploy("Newest", version="v1.2", endpoint=f"{address}/old", operations=OPEN)
    newer = deploy(
        "Newest", version="v1.10", endpoint=f"{address}/new", operations=OPEN
    )
    assert call("/newest/v1/x").json()["url"].endswith("/anything/new/x")
    undeployed = platform.api(
        f"/api/deployer/1.2.0/apis/undeploy?apiId={newer}", "-X", "POST", token=admin
    )
    assert undeployed.status == 202, undeployed.body
    assert call("/newest/v1/x").json()["url"].endswith("/anything/old/x")


def test_an_environment_has_a_host_of_its_own(deploy: Deploy, call: Call) -> None:
    deploy("Development", "environment: dev\n", operations=OPEN)
    assert call("/development/1.0.0/get", host="default-dev.gw.wso2.com").status == 200
    assert call("/development/1.0.0/get").status == 404


def test_caching_and_other_headers_of_the_backend_pass(
    deploy: Deploy, call: Call
) -> None:
    deploy("Cached", operations=OPEN)
    answer = call("/cached/1.0.0/cache/60")
    assert (answer.status, answer.headers["cache-control"]) == (
        200,
        "public, max-age=60",
    )
    tagged = call("/cached/1.0.0/etag/abc", "-H", "If-None-Match: abc")
    assert (tagged.status, tagged.body, tagged.headers["etag"]) == (304, b"", "abc")
    assert (
        call("/cached/1.0.0/response-headers?X-Mine=a%20b").headers["x-mine"] == "a b"
    )
