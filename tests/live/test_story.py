"""The story of the guide, told to a live platform: token, generate, deploy, call, undeploy."""

from __future__ import annotations

import json
import time
import uuid
from pathlib import Path

from harness import BASIC, DEFINITION, Answer, Platform, conf, curl
from token_parts import header_and_claims

IDP, API, GW = "idp.am.wso2.com", "api.am.wso2.com", "default.gw.wso2.com"


def test_the_token_request_of_the_guide_answers_exactly_as_it_says(
    platform: Platform,
) -> None:
    answer = platform.request(
        IDP,
        "/oauth2/token",
        "--location",
        "--header",
        f"Host: {IDP}",
        "--header",
        f"Authorization: Basic {BASIC}",
        "--header",
        "Content-Type: application/x-www-form-urlencoded",
        "--data-urlencode",
        "grant_type=client_credentials",
    )
    assert answer.status == 200
    body = answer.json()
    assert list(body) == ["access_token", "token_type", "expires_in", "scope"]
    assert (body["token_type"], body["expires_in"], body["scope"]) == (
        "Bearer",
        3600,
        "default",
    )
    assert answer.headers["cache-control"] == "no-store"
    header, claims = header_and_claims(body["access_token"])
    assert header == {"alg": "RS256", "typ": "JWT", "kid": "gateway_certificate_alias"}
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
    assert claims["iss"] == "https://idp.am.wso2.com/token"
    assert claims["sub"] == claims["clientId"] == "45f1c5c8-a92e-11ed-afa1-0242ac120002"
    assert claims["nbf"] == claims["iat"] == claims["exp"] - 3600
    assert abs(claims["iat"] - time.time()) < 60
    assert str(uuid.UUID(claims["jti"])) == claims["jti"]
    assert claims["scope"] == "default"


def test_localhost_with_that_host_header_and_a_scope(platform: Platform) -> None:
    answer = curl(
        f"https://localhost:{platform.port}/oauth2/token",
        "-H",
        f"Host: {IDP}",
        "-H",
        f"Authorization: Basic {BASIC}",
        "--data-urlencode",
        "grant_type=client_credentials",
        "--data-urlencode",
        "scope=apk:api_create",
    )
    assert answer.json()["scope"] == "apk:api_create"
    assert (
        header_and_claims(answer.json()["access_token"])[1]["scope"] == "apk:api_create"
    )


def test_the_keys_are_public_and_sign_the_token(platform: Platform) -> None:
    for path in ("/oauth2/jwks", "/oauth2/keys", "/.well-known/jwks.json"):
        keys = platform.request(IDP, path).json()["keys"]
        assert (keys[0]["kid"], keys[0]["alg"]) == (
            "gateway_certificate_alias",
            "RS256",
        )
        assert not {"d", "p", "q", "dp", "dq", "qi", "k"} & {
            member for key in keys for member in key
        }
    for path in (
        "/.well-known/oauth-authorization-server",
        "/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server/token",
        "/token/.well-known/openid-configuration",
    ):
        assert (
            platform.request(IDP, path).json()["issuer"]
            == "https://idp.am.wso2.com/token"
        )
    assert platform.request(IDP, "/health?verbose=1").status == 200


def test_deploy_call_undeploy(platform: Platform, echo: int, other_echo: int) -> None:
    plain, admin = platform.token(), platform.token("items:admin")
    text = conf(port=echo, extra="defaultVersion: true\n").replace(
        "operations:",
        f'  sandbox:\n    endpoint: "http://127.0.0.1:{other_echo}"\noperations:',
        1,
    )
    deployed = platform.deploy(text, DEFINITION)
    assert deployed.status == 200, deployed.body
    assert deployed.headers["content-type"].startswith("application/yaml")

    def call(path: str, token: str = "", host: str = GW, *more: str):
        return platform.request(
            host,
            path,
            *(["-H", f"Authorization: Bearer {token}"] if token else []),
            *more,
        )

    first = call("/echo/1.0.0/items?a=b%20c", plain)
    assert first.status == 200
    assert first.json()["path"] == "/backend/items?a=b%20c"
    assert "authorization" not in first.json()["headers"]
    assert call("/echo/items", plain).json()["path"] == "/backend/items"
    assert call("/echo/1.0.0/items/", plain).json()["path"] == "/backend/items"
    assert call("/echo/1.0.0/items/42/", admin).json()["path"] == "/backend/items/42"
    assert (
        call("/echo/1.0.0/items/4%202/parts/x", admin, GW, "-X", "DELETE").json()[
            "path"
        ]
        == "/backend/items/4%202/parts/x"
    )
    assert (
        call("/echo/1.0.0/files/a/b.txt", plain, GW, "-X", "POST", "-d", "x").json()[
            "path"
        ]
        == "/backend/files/a/b.txt"
    )
    assert call("/echo/1.0.0/open").status == 200
    sandbox = call("/echo/1.0.0/items", plain, "default.sandbox.gw.wso2.com")
    assert (sandbox.json()["path"], sandbox.json()["port"]) == ("/items", other_echo)

    missing = call("/echo/1.0.0/items")
    assert (missing.status, missing.json()["code"]) == (401, "900902")
    assert set(missing.json()) == {"error_message", "code", "error_description"}
    assert missing.headers["www-authenticate"].startswith("Bearer")
    broken = call("/echo/1.0.0/items", plain[:-4] + "AAAA")
    assert (broken.status, broken.json()["code"]) == (401, "900901")
    forbidden = call("/echo/1.0.0/items/42", plain)
    assert (forbidden.status, forbidden.json()["code"]) == (403, "900910")
    unknown = call("/echo/1.0.0/nothing", plain)
    assert (unknown.status, unknown.json()["code"]) == (404, "404")
    assert (
        call("/nowhere/at/all", plain).json()["description"]
        == "The requested resource is not available."
    )

    api_id = next(
        line for line in deployed.body.decode().splitlines() if line.startswith("id:")
    ).split('"')[1]
    token = platform.token("apk:api_create")
    gone = platform.api(
        f"/api/deployer/1.2.0/apis/undeploy?apiId={api_id}+", "-X", "POST", token=token
    )
    assert (gone.status, gone.json()["status"]) == (
        202,
        f"API with id {api_id} undeployed successfully",
    )
    assert call("/echo/1.0.0/items", plain).status == 404
    again = platform.api(
        f"/api/deployer/1.2.0/apis/undeploy?apiId={api_id}", "-X", "POST", token=token
    )
    assert (again.status, again.json()["code"]) == (404, 909001)


def test_deploying_needs_a_token_and_the_scope(platform: Platform, echo: int) -> None:
    assert platform.deploy(conf(port=echo), DEFINITION, token="").status == 401
    assert platform.deploy(conf(port=echo), DEFINITION, token="a.b.c").status == 401
    refused = platform.deploy(conf(port=echo), DEFINITION, token=platform.token())
    assert refused.status == 403
    assert platform.request(GW, "/echo/1.0.0/items").status == 404


def test_all_path_versions_are_served(platform: Platform) -> None:
    for version in ("/1.0.0", "/1.1.0", "/1.2.0", ""):
        answer = platform.api(
            f"/api/deployer{version}/apis", token=platform.token("apk:api_create")
        )
        assert (answer.status, answer.json()) == (200, {"apis": []})
        assert (
            platform.api(
                f"/api/configurator{version}/apis/generate-configuration",
                "--form",
                "definition=@/dev/null",
            ).status
            == 400
        )


def test_a_conf_with_mistakes_gets_all_of_them_with_places(
    platform: Platform, echo: int
) -> None:
    text = conf(port=echo).replace(
        'type: "REST"',
        'type: "REST"\ndefaultVersion: "yes"\nrateLimit: {requestsPerUnit: 5, unit: Second}',
    )
    answer = platform.deploy(text, DEFINITION)
    assert (answer.status, answer.json()["code"]) == (400, 909029)
    pointers = {item["pointer"] for item in answer.json()["diagnostics"]}
    assert any("defaultVersion" in pointer for pointer in pointers)
    assert any("rateLimit" in pointer for pointer in pointers)
    assert all(
        item["line"] > 0 and item["hint"] for item in answer.json()["diagnostics"]
    )


def test_http_1_1_and_http_2_by_alpn(platform: Platform) -> None:
    for flag, version in (("--http1.1", b"HTTP/1.1"), ("--http2", b"HTTP/2")):
        import subprocess

        done = subprocess.run(
            [
                "curl",
                "-sk",
                "-o",
                "/dev/null",
                "-w",
                "%{http_version}",
                flag,
                "--resolve",
                f"{IDP}:{platform.port}:127.0.0.1",
                f"https://{IDP}:{platform.port}/health",
            ],
            capture_output=True,
            check=True,
        )
        assert done.stdout == version.removeprefix(b"HTTP/")


def test_the_development_ca_verifies_every_host(platform: Platform) -> None:
    import subprocess

    ca = platform.cli("ca").stdout.strip()
    for host in (IDP, API, GW, "default.sandbox.gw.wso2.com", "localhost"):
        done = subprocess.run(
            [
                "curl",
                "-s",
                "--cacert",
                ca,
                "-o",
                "/dev/null",
                "--resolve",
                f"{host}:{platform.port}:127.0.0.1",
                f"https://{host}:{platform.port}/health",
            ],
            check=False,
        )
        assert done.returncode == 0, host


def test_the_answer_to_a_deployment_contains_its_warnings(
    platform: Platform, echo: int
) -> None:
    operations = (
        '- {target: "/{name}", verb: GET, secured: false}\n'
        '- {target: "/admin", verb: GET, scopes: ["admin"]}\n'
    )
    text = conf("Looks", "/looks", port=echo, operations=operations)
    answer = platform.deploy(text, DEFINITION)
    assert (answer.status, answer.headers["kapi-deployment"]) == (200, "created")
    warnings = json.loads(answer.headers["kapi-warnings"])
    assert {item["severity"] for item in warnings} == {"warning"}
    lines = {item["line"] for item in warnings if item["code"] == "KAPI1305"}
    assert lines <= {
        text[: text.index(target)].count("\n") + 1 for target in ("/{name}", "/admin")
    }
    assert lines
    plain = conf(
        "Plain", "/plain", port=echo, operations='- {target: "/items", verb: GET}\n'
    )
    answer = platform.deploy(plain, DEFINITION)
    assert "kapi-warnings" not in answer.headers
    urls = f"https://default.gw.wso2.com:{platform.port}/plain/1.0.0"
    assert answer.headers["kapi-urls"] == urls


def deploy_alone(platform: Platform, definition: Path, *fields: str) -> Answer:
    form = [part for field in fields for part in ("-F", field)]
    return platform.api(
        "/api/deployer/apis/deploy",
        *("-F", f"definitionFile=@{definition}", *form),
        token=platform.token("apk:api_create"),
    )


def test_a_definition_is_deployed_without_a_conf(
    platform: Platform, echo: int, tmp_path: Path
) -> None:
    document = tmp_path / "own.yaml"
    document.write_text(DEFINITION + "  /traced: {trace: {}}\n")
    endpoint = f"endpoint=http://127.0.0.1:{echo}"
    wanted = ("apiType=REST", endpoint, "basePath=/generated", "name=Of its own")
    answer = deploy_alone(platform, document, *wanted)
    assert (answer.status, answer.headers["kapi-deployment"]) == (200, "created")
    assert b'name: "Of its own"\n' in answer.body
    (warning,) = json.loads(answer.headers["kapi-warnings"])
    assert warning["message"] == "TRACE /traced is left out"
    place = (warning["source"], warning["pointer"])
    assert place == ("definitionFile", "#/paths/~1traced/trace")
    headers = ("-H", f"Authorization: Bearer {platform.token()}")
    path = answer.headers["kapi-urls"].partition(f":{platform.port}")[2]
    found = platform.request("default.gw.wso2.com", f"{path}/items", *headers)
    assert found.status == 200
    # Of many warnings, those that do not fit are counted.
    many = "".join(f"  /{'a' * 80}{n}: {{trace: {{}}}}\n" for n in range(60))
    document.write_text(DEFINITION + many)
    answer = deploy_alone(platform, document, *wanted)
    shown = json.loads(answer.headers["kapi-warnings"])
    assert len(shown) + int(answer.headers["kapi-warnings-left-out"]) == 60


def test_a_definition_without_a_conf_is_refused_with_its_mistakes(
    platform: Platform, tmp_path: Path
) -> None:
    document = tmp_path / "own.yaml"
    document.write_text(DEFINITION)
    refused = deploy_alone(platform, document, "apiType=REST", "endpoint=nowhere")
    assert (refused.status, refused.json()["code"]) == (400, 909029)
    assert refused.json()["diagnostics"][0]["source"] == "apkConfiguration"
    refused = deploy_alone(platform, document, "apiType=COBOL")
    assert (refused.status, refused.json()["code"]) == (400, 90091)
    assert deploy_alone(platform, document).status == 406
