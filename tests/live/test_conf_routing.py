"""What a conf says about endpoints, headers, mirrors, redirects and origins, as callers and
backends see it on the gateway's port.
"""

from __future__ import annotations

import io
import json
import re
import textwrap
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from backends import Wilful, httpbin, wilful
from harness import DEFINITION, Answer, Platform
from waiting import until

HOST = "default.gw.wso2.com"
SANDBOX = "default.sandbox.gw.wso2.com"
Call = Callable[..., Answer]


@pytest.fixture(scope="module")
def first() -> Iterator[Wilful]:
    with wilful("first") as server:
        yield server


@pytest.fixture(scope="module")
def second() -> Iterator[Wilful]:
    with wilful("second") as server:
        yield server


@pytest.fixture(scope="module")
def bin_port() -> Iterator[int]:
    with httpbin() as port:
        yield port


@pytest.fixture(scope="module")
def admin(platform: Platform) -> str:
    return platform.token("apk:api_create")


@pytest.fixture(params=["--http1.1", "--http2"])
def call(request: pytest.FixtureRequest, platform: Platform) -> Call:
    def ask(path: str, *arguments: str, host: str = HOST) -> Answer:
        return platform.request(host, path, request.param, "--path-as-is", *arguments)

    return ask


def deploy(
    platform: Platform,
    admin: str,
    name: str,
    fields: str,
    operations: str = '- {target: "/*", verb: GET, secured: false}',
) -> None:
    text = (
        f'name: "{name}"\nbasePath: "/{name}"\nversion: "1.0.0"\ntype: "REST"\n'
        f"{textwrap.dedent(fields)}\noperations:\n{operations}\n"
    )
    answer = platform.deploy(text, DEFINITION, admin)
    assert answer.status == 200, answer.body.decode()


def production(*endpoints: str) -> str:
    return "endpointConfigurations:\n  production:\n" + "".join(
        f"  - {endpoint}\n" for endpoint in endpoints
    )


def at(server: Wilful | int, path: str = "") -> str:
    return (
        f"http://127.0.0.1:{server if isinstance(server, int) else server.port}{path}"
    )


@pytest.fixture(scope="module", autouse=True)
def deployed(
    platform: Platform, admin: str, first: Wilful, second: Wilful, bin_port: int
) -> None:
    one = f'endpoint: "{at(first)}"'
    deploy(
        platform,
        admin,
        "bin",
        production(f'{{endpoint: "{at(bin_port)}"}}'),
        (
            '- {target: "/*", verb: GET, secured: false}\n'
            '- {target: "/anything/{id}/x", verb: POST, secured: false}'
        ),
    )
    deploy(
        platform,
        admin,
        "weighted",
        production(f"{{{one}, weight: 3}}", f'{{endpoint: "{at(second)}", weight: 1}}'),
    )
    deploy(
        platform,
        admin,
        "zero",
        production(f"{{{one}, weight: 0}}", f'{{endpoint: "{at(second)}"}}'),
    )
    deploy(
        platform,
        admin,
        "paths",
        production(
            f'{{endpoint: "{at(first, "/v1")}"}}',
            f'{{endpoint: "{at(second, "/v2/x")}"}}',
        ),
        '- {target: "/orders/{id}", verb: GET, secured: false}',
    )
    deploy(
        platform,
        admin,
        "times",
        production(
            f"{{{one}, resiliency: {{timeout: {{upstreamResponseTimeout: 1}}}}}}"
        ),
    )
    deploy(
        platform,
        admin,
        "idle",
        production(
            f"{{{one}, resiliency: {{timeout: {{downstreamRequestIdleTimeout: 1}}}}}}"
        ),
    )
    retry = "retryPolicy: {count: 2, baseIntervalMillis: 10, statusCodes: [503]}"
    deploy(
        platform, admin, "retries", production(f"{{{one}, resiliency: {{{retry}}}}}")
    )
    breaker = (
        "circuitBreaker: {maxConnections: 1, maxPendingRequests: 1, maxRequests: 1}"
    )
    deploy(
        platform, admin, "breaker", production(f"{{{one}, resiliency: {{{breaker}}}}}")
    )
    deploy(
        platform,
        admin,
        "levels",
        f"""
        endpointConfigurations:
          production: {{{one}}}
          sandbox: {{endpoint: "{at(second)}"}}
        """,
        f"""- {{target: /a, verb: GET, secured: false}}
- target: /b
  verb: GET
  secured: false
  endpointConfigurations:
    production: {{endpoint: "{at(second, "/own")}"}}""",
    )
    deploy(
        platform,
        admin,
        "headers",
        f"""
        endpointConfigurations:
          production: {{{one}}}
        apiPolicies:
          request:
          - {{policyName: AddHeader, parameters: {{headerName: X-Added, headerValue: "100% ours"}}}}
          - {{policyName: SetHeader, parameters: {{headerName: X-Set, headerValue: ours}}}}
          - {{policyName: RemoveHeader, parameters: {{headerName: X-Removed}}}}
          response:
          - {{policyName: AddHeader,
             parameters: {{headerName: X-Answer, headerValue: "%REQ(AUTHORIZATION)%"}}}}
          - {{policyName: SetHeader,
             parameters: {{headerName: Content-Type, headerValue: application/vnd.x+json}}}}
          - {{policyName: RemoveHeader, parameters: {{headerName: X-Powered-By}}}}
        """,
    )
    deploy(
        platform,
        admin,
        "mirror",
        production(f'{{endpoint: "{at(first, "/base")}"}}'),
        f"""- target: "/copied/{{id}}"
  verb: POST
  secured: false
  operationPolicies:
    request:
    - {{policyName: RequestMirror, parameters: {{urls: ["{at(second, "/base")}"]}}}}""",
    )
    deploy(
        platform,
        admin,
        "redirect",
        production(f"{{{one}}}"),
        """- target: /moved
  verb: GET
  secured: false
  operationPolicies:
    request: [{policyName: RequestRedirect,
      parameters: {url: "https://new.example/there", statusCode: 301}}]
- target: /found
  verb: GET
  operationPolicies:
    request: [{policyName: RequestRedirect, parameters: {url: "http://new.example:8080/a?b=c"}}]""",
    )
    deploy(
        platform,
        admin,
        "cors",
        f"""
        endpointConfigurations:
          production: {{{one}}}
        corsConfiguration:
          corsConfigurationEnabled: true
          accessControlAllowOrigins: ["https://app.example", "https://*.shop.example"]
          accessControlAllowCredentials: true
          accessControlAllowHeaders: [Authorization, X-Mine]
          accessControlAllowMethods: [GET, POST, PUT, DELETE]
          accessControlAllowMaxAge: 3600
          accessControlExposeHeaders: [X-Powered-By]
        """,
        (
            "- {target: /open, verb: GET, secured: false}\n- {target: /closed, verb: GET}\n"
            "- {target: /closed, verb: POST}"
        ),
    )


@pytest.mark.parametrize(
    ("path", "url"),
    [
        ("/bin/1.0.0/anything/a%20b", "/anything/a%20b"),
        ("/bin/1.0.0/anything/x/", "/anything/x/"),
        ("/bin/1.0.0/anything?q=1&q=%2F&r=", "/anything?q=1&q=%2F&r="),
    ],
)
def test_httpbin_sees_the_path_and_query_of_the_caller(
    call: Call, path: str, url: str
) -> None:
    seen = call(path).json()
    assert re.sub(r"^https?://[^/]+", "", seen["url"]) in {url, url.replace("%2F", "/")}
    assert seen["method"] == "GET"


def test_httpbin_sees_the_body_and_its_own_host(call: Call, bin_port: int) -> None:
    seen = call("/bin/1.0.0/anything/7/x", "--json", '{"a": [1, "ä"]}').json()
    assert seen["json"] == {"a": [1, "ä"]}
    assert seen["headers"]["Host"] == f"127.0.0.1:{bin_port}"
    assert "Authorization" not in seen["headers"]


@pytest.mark.parametrize(
    "status", [200, 201, 204, 301, 304, 400, 404, 418, 429, 500, 503]
)
def test_a_status_of_the_backend_is_the_callers(call: Call, status: int) -> None:
    assert call(f"/bin/1.0.0/status/{status}").status == status


def test_response_bodies_of_all_kinds_pass(call: Call) -> None:
    assert len(call("/bin/1.0.0/bytes/100000?seed=1").body) == 100_000
    assert call("/bin/1.0.0/stream/5").body.count(b"\n") == 5
    assert call("/bin/1.0.0/gzip", "--compressed").json()["gzipped"]


def test_requests_are_shared_by_weight(platform: Platform) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = pool.map(
            lambda _: platform.request(HOST, "/weighted/1.0.0/x").json()["backend"],
            range(120),
        )
    counts = Counter(answers)
    # Three of four on average; twenty-five of 120 are more than five standard deviations away from
    # that.
    assert 65 <= counts["first"] <= 115
    assert counts["first"] + counts["second"] == 120


def test_an_endpoint_of_weight_zero_gets_nothing(call: Call) -> None:
    assert {call("/zero/1.0.0/x").json()["backend"] for _ in range(10)} == {"second"}


def test_weighted_endpoints_keep_their_own_paths(platform: Platform) -> None:
    with ThreadPoolExecutor(8) as pool:
        seen = list(
            pool.map(
                lambda _: platform.request(HOST, "/paths/1.0.0/orders/7?x=1").json(),
                range(60),
            )
        )
    assert {(item["backend"], item["path"]) for item in seen} == {
        ("first", "/v1/orders/7?x=1"),
        ("second", "/v2/x/orders/7?x=1"),
    }


def test_an_operation_has_its_own_endpoints_of_one_kind_and_the_apis_of_the_other(
    call: Call,
) -> None:
    assert call("/levels/1.0.0/a").json()["backend"] == "first"
    assert (
        call("/levels/1.0.0/b").json()["backend"],
        call("/levels/1.0.0/b").json()["path"],
    ) == (
        "second",
        "/own/b",
    )
    assert call("/levels/1.0.0/b", host=SANDBOX).json()["path"] == "/b"


def test_a_backend_that_is_too_slow_is_not_waited_for(call: Call) -> None:
    assert call("/times/1.0.0/wait/0.1").status == 200
    answer = call("/times/1.0.0/wait/3")
    assert (answer.status, answer.json()["code"]) == (504, "102504")
    assert "timeout" in answer.body.decode().lower()


def test_a_silent_exchange_is_ended(call: Call) -> None:
    answer = call("/idle/1.0.0/wait/4")
    assert (answer.status, answer.json()["code"]) == (500, "102513")


def test_what_fails_for_a_moment_is_tried_again(call: Call, first: Wilful) -> None:
    name = str(time.time_ns())
    assert call(f"/retries/1.0.0/fails/2/503?{name}").status == 200
    assert first.counts[f"/fails/2/503?{name}"] == 3
    assert call(f"/retries/1.0.0/fails/3/503?{name}").status == 503
    assert first.counts[f"/fails/3/503?{name}"] == 3
    assert call(f"/retries/1.0.0/fails/1/500?{name}").status == 500
    assert first.counts[f"/fails/1/500?{name}"] == 1


def test_a_circuit_breaker_refuses_what_is_too_much(call: Call) -> None:
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: call("/breaker/1.0.0/wait/1"), range(6)))
    refused = [answer for answer in answers if answer.status == 503]
    assert refused
    assert any(answer.status == 200 for answer in answers)
    assert {answer.json()["code"] for answer in refused} == {"102505"}
    assert call("/breaker/1.0.0/x").status == 200


def test_headers_are_added_set_and_removed_on_both_ways(call: Call) -> None:
    answer = call(
        "/headers/1.0.0/x",
        "-H",
        "X-Added: theirs",
        "-H",
        "X-Set: theirs",
        "-H",
        "X-Removed: theirs",
        "-H",
        "Authorization: secret",
    )
    seen = answer.json()["headers"]
    assert (seen["x-added"], seen["x-set"], "x-removed" in seen) == (
        "theirs, 100% ours",
        "ours",
        False,
    )
    assert answer.headers["x-answer"] == "%REQ(AUTHORIZATION)%"
    assert answer.headers["content-type"] == "application/vnd.x+json"
    assert "x-powered-by" not in answer.headers


def test_caching_headers_of_the_backend_pass_unchanged(call: Call) -> None:
    answer = call("/weighted/1.0.0/cached")
    assert (answer.headers["cache-control"], answer.headers["etag"]) == (
        "public, max-age=60",
        '"abc"',
    )


def test_a_mirror_gets_a_copy_and_the_caller_the_endpoints_answer(
    call: Call, second: Wilful
) -> None:
    name = str(time.time_ns())
    seen = call(f"/mirror/1.0.0/copied/{name}?q=1", "--data", "body").json()
    assert (seen["backend"], seen["path"]) == ("first", f"/base/copied/{name}?q=1")
    until(lambda: any(name in item["path"] for item in second.seen))
    copies = [item for item in second.seen if name in item["path"]]
    assert [
        (item["path"], item["body"], item["headers"]["host"]) for item in copies
    ] == [(f"/base/copied/{name}?q=1", "body", f"127.0.0.1:{second.port}")]


def test_redirects_name_the_place_and_ask_for_a_token_first(
    call: Call, platform: Platform
) -> None:
    moved = call("/redirect/1.0.0/moved?a=b")
    assert (moved.status, moved.headers["location"]) == (
        301,
        "https://new.example/there",
    )
    assert call("/redirect/1.0.0/found").status == 401
    found = call(
        "/redirect/1.0.0/found", "-H", f"Authorization: Bearer {platform.token()}"
    )
    assert (found.status, found.headers["location"]) == (
        302,
        "http://new.example:8080/a?b=c",
    )


def preflight(origin: str, *more: str) -> tuple[str, ...]:
    return (
        "-X",
        "OPTIONS",
        "-H",
        f"Origin: {origin}",
        "-H",
        "Access-Control-Request-Method: POST",
        *more,
    )


@pytest.mark.parametrize("origin", ["https://app.example", "https://a.b.shop.example"])
def test_a_preflight_request_needs_no_token(call: Call, origin: str) -> None:
    answer = call("/cors/1.0.0/closed", *preflight(origin))
    assert answer.status == 200
    assert answer.headers["access-control-allow-origin"] == origin
    assert answer.headers["access-control-allow-methods"] == "GET, POST, PUT, DELETE"
    assert answer.headers["access-control-allow-headers"] == "Authorization, X-Mine"
    assert answer.headers["access-control-max-age"] == "3600"
    assert answer.headers["access-control-allow-credentials"] == "true"


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "https://shop.example",
        "https://a.shop.example.evil",
        "http://app.example",
    ],
)
def test_an_origin_that_is_not_allowed_gets_no_permission(
    call: Call, origin: str
) -> None:
    for arguments in (preflight(origin), ("-H", f"Origin: {origin}")):
        answer = call("/cors/1.0.0/open", *arguments)
        assert answer.status in {200, 204}
        assert not [
            name for name in answer.headers if name.startswith("access-control-")
        ]


def test_a_plain_options_request_says_what_is_allowed(call: Call) -> None:
    answer = call("/cors/1.0.0/closed", "-X", "OPTIONS")
    assert (answer.status, answer.headers["allow"]) == (204, "GET, HEAD, OPTIONS, POST")
    assert "access-control-allow-origin" not in answer.headers
    with_origin = call(
        "/cors/1.0.0/closed", "-X", "OPTIONS", "-H", "Origin: https://app.example"
    )
    assert (with_origin.status, with_origin.headers["access-control-allow-origin"]) == (
        204,
        "https://app.example",
    )


def test_a_browser_may_read_answers_and_refusals(call: Call) -> None:
    for path, status in (("/cors/1.0.0/open", 200), ("/cors/1.0.0/closed", 401)):
        answer = call(path, "-H", "Origin: https://app.example")
        assert (answer.status, answer.headers["access-control-allow-origin"]) == (
            status,
            "https://app.example",
        )
    assert (
        call("/cors/1.0.0/open", "-H", "Origin: https://app.example").headers[
            "access-control-expose-headers"
        ]
        == "X-Powered-By"
    )
    assert call("/cors/1.0.0/open").headers["vary"] == "Origin"


@pytest.mark.parametrize(
    ("fields", "path", "status", "code"),
    [
        ("", "/broken/1.0.0/x", 503, "102503"),
        ("", "/broken/1.0.0/none", 404, "404"),
        (
            ", resiliency: {timeout: {upstreamResponseTimeout: 1}}",
            "/broken/1.0.0/x",
            504,
            "102504",
        ),
    ],
)
def test_refusals_of_the_router_have_apks_bodies(
    platform: Platform,
    admin: str,
    call: Call,
    first: Wilful,
    fields: str,
    path: str,
    status: int,
    code: str,
) -> None:
    endpoint = at(first, "/wait/3") if fields else "http://127.0.0.1:1"
    deploy(
        platform,
        admin,
        "broken",
        production(f'{{endpoint: "{endpoint}"{fields}}}'),
        "- {target: /x, verb: GET, secured: false}",
    )
    answer = call(path)
    assert (answer.status, answer.json()["code"], set(answer.json())) == (
        status,
        code,
        {"code", "message", "description"},
    )
    assert answer.headers["content-type"] == "application/json; charset=UTF-8"


LARGE = DEFINITION.replace("title: Echo", f"title: Echo, description: {'x' * 20_000}")


@pytest.mark.parametrize(
    "definition",
    [
        DEFINITION,
        LARGE,
        json.dumps(
            {"openapi": "3.0.3", "info": {"title": "ä", "version": "1"}, "paths": {}}
        ),
    ],
)
def test_callers_get_the_definition_without_a_token(
    platform: Platform, admin: str, call: Call, first: Wilful, definition: str
) -> None:
    text = (
        'name: d\nbasePath: /defined\nversion: "2"\ntype: REST\ndefaultVersion: true\n'
        "endpointConfigurations:\n  production:\n"
        f'    endpoint: "{at(first)}"\noperations:\n- {{target: "/*", verb: GET}}\n'
    )
    deployed = platform.deploy(text, definition, admin)
    assert deployed.status == 200, deployed.body
    for path in (
        "/defined/2/api-definition",
        "/defined/api-definition",
        "/defined/api-definition/",
    ):
        answer = call(path, "-H", "Authorization: nonsense")
        assert (answer.status, answer.body.decode()) == (200, definition)
        assert (
            answer.headers["content-type"]
            == f"application/{'json' if definition.startswith('{') else 'yaml'}"
        )
        head = call(path, "--head")
        assert (head.status, head.body, head.headers["content-type"]) == (
            200,
            b"",
            answer.headers["content-type"],
        )
        assert head.headers["content-length"] == str(len(definition.encode()))
    assert call("/defined/api-definition", "-X", "POST").status == 405
    assert (
        call("/defined/api-definition", "-X", "OPTIONS").headers["allow"]
        == "GET, HEAD, OPTIONS"
    )
    assert call("/defined/api-definition", host=SANDBOX).status == 404
    assert call("/definitions/x", host="api.am.wso2.com").status == 404
    moved = text.replace(
        "defaultVersion", "definitionPath: /docs\ndefaultVersion"
    ).replace("production", "sandbox")
    assert platform.deploy(moved, definition, admin).status == 200
    assert call("/defined/2/docs", host=SANDBOX).body.decode() == definition
    assert call("/defined/2/api-definition", host=SANDBOX).status == 401
    assert call("/defined/2/docs").status == 404


EXPORTED = """name: Exported
basePath: /exported
version: 1.0.0
type: REST
endpointConfigurations: {production: {endpoint: "http://backend:8080"}}
operations:
- {target: "/x", verb: GET}
"""


def test_resources_for_kubernetes_come_as_a_zip(
    platform: Platform, tmp_path: Path
) -> None:
    """Without a token, one file for each object, as APK answers."""
    made, definition = tmp_path / "api.apk-conf", tmp_path / "definition.yaml"
    made.write_text(EXPORTED, "utf-8")
    definition.write_text(DEFINITION, "utf-8")
    answer = platform.api(
        "/api/configurator/1.2.0/apis/generate-k8s-resources?organization=acme",
        *("-F", f"apkConfiguration=@{made}", "-F", f"definitionFile=@{definition}"),
    )
    assert answer.status == 200
    assert 'filename="Exported-1.0.0.zip"' in answer.headers["content-disposition"]
    with zipfile.ZipFile(io.BytesIO(answer.body)) as archive:
        objects = [yaml.safe_load(archive.read(name)) for name in archive.namelist()]
        names = [f"{item['metadata']['name']}.yaml" for item in objects]
        assert names == archive.namelist()
    (route,) = [item for item in objects if item["kind"] == "HTTPRoute"]
    assert route["spec"]["hostnames"] == ["acme.gw.wso2.com"]
