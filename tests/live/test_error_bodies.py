"""Every error in `docs/errors.md`: status, code, body and headers, over HTTP/1.1 and HTTP/2."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from backends import rude, wilful
from harness import DEFINITION, Answer, Platform, free_port
from standin import Key

GW = "default.gw.wso2.com"
ROOT = Path(__file__).parents[2]
STATIC = Key.make("static", "ES256")
ISSUER = "https://static.example"
STATES = ("BLOCKED", "PROD_ONLY_BLOCKED", "ON_HOLD", "REJECTED", "INACTIVE")
SETTINGS = f"""
[gateway]
concurrency = 1

[[identity.issuers]]
name = "static"
issuer = "{ISSUER}"
public_key_file = "static.pem"

[[subscriptions.tiers]]
name = "One"
requests = 1
unit = "Day"

[[subscriptions.applications]]
name = "tier of the application"
tier = "One"
keys = [{{consumer_key = "application"}}]
subscriptions = [{{api = "Subscribed"}}]

[[subscriptions.applications]]
name = "tier of the subscription"
keys = [{{consumer_key = "subscription"}}]
subscriptions = [{{api = "Subscribed", tier = "One"}}]
""" + "".join(
    f'\n[[subscriptions.applications]]\nname = "{state}"\nkeys = [{{consumer_key = "{state}"}}]\n'
    f'subscriptions = [{{api = "Subscribed", status = "{state}"}}]\n'
    for state in STATES
)
INVALID = (
    "Invalid Credentials. Make sure you have provided the correct security credentials"
)
MISSING = (
    "Missing Credentials. Make sure your API invocation call has a header: Authorization: Bearer "
    "ACCESS_TOKEN"
)
FORBIDDEN = "The access token does not allow you to access the requested resource"
BROKEN_OFF = "upstream connect error or disconnect/reset before headers. reset reason: "
BEARER = 'Bearer realm="kapi"'
BAD = BEARER + ', error="invalid_token"'


@dataclass(frozen=True)
class Row:
    """What is asked, and what must come."""

    name: str
    status: int
    code: str
    message: str
    description: str
    """A regular expression for the whole of it."""
    path: str
    token: str = ""
    challenge: str = ""
    arguments: tuple[str, ...] = ()
    calls: int = 1
    """How many at once, or one after the other, until it comes."""
    at_once: bool = False
    host: str = GW


def bearer(**claims: object) -> str:
    now = int(time.time())
    return STATIC.token(
        {
            "iss": ISSUER,
            "sub": "me",
            "azp": "me",
            "iat": now,
            "exp": now + 3600,
            **claims,
        }
    )


def by(consumer: str) -> str:
    return bearer(azp=consumer)


def rows() -> tuple[Row, ...]:
    closed, subscribed, quota = (
        "/rows/1.0.0/closed",
        "/subscribed/1.0.0/x",
        "Message throttled out",
    )
    over = r"You have exceeded your quota\. Try again in \d+ s\."
    reset, refused = re.escape(BROKEN_OFF), "900901"
    return (
        Row(
            "no token",
            401,
            "900902",
            "Missing Credentials",
            re.escape(MISSING),
            closed,
            challenge=BEARER,
        ),
        Row(
            "no JWT",
            401,
            refused,
            "Invalid Credentials",
            re.escape(INVALID),
            closed,
            "nonsense",
            BAD,
        ),
        Row(
            "of a stranger",
            401,
            refused,
            "Invalid Credentials",
            re.escape(INVALID),
            closed,
            bearer(iss="https://other.example"),
            BAD,
        ),
        Row(
            "key type",
            401,
            refused,
            "Invalid Credentials",
            re.escape(INVALID),
            closed,
            bearer(keytype="SANDBOX"),
            BAD,
        ),
        Row(
            "expired",
            401,
            "900903",
            "Access Token Expired",
            r"Access Token Expired\. Renew the access token and try again",
            closed,
            bearer(exp=int(time.time()) - 60),
            BAD,
        ),
        Row(
            "scope",
            403,
            "900910",
            FORBIDDEN,
            re.escape(
                "User is NOT authorized to access the Resource: /rows/1.0.0/scoped. Scope "
                "validation failed."
            ),
            "/rows/1.0.0/scoped",
            bearer(scope="other"),
            BEARER + ', error="insufficient_scope", scope="a b"',
        ),
        Row(
            "no subscription",
            403,
            "900908",
            "Resource forbidden",
            "Resource forbidden",
            subscribed,
            by("stranger"),
        ),
        *(
            Row(
                state,
                401,
                "900907",
                "The requested API is temporarily blocked",
                "API Subscription is blocked",
                subscribed,
                by(state),
                BEARER,
            )
            for state in STATES[:2]
        ),
        *(
            Row(
                state,
                403,
                "900909",
                "The subscription to the API is inactive",
                "The subscription to the API is inactive",
                subscribed,
                by(state),
            )
            for state in STATES[2:]
        ),
        Row(
            "tier of the application",
            429,
            "900803",
            quota,
            over,
            subscribed,
            by("application"),
            calls=3,
        ),
        Row(
            "tier of the subscription",
            429,
            "900804",
            quota,
            over,
            subscribed,
            by("subscription"),
            calls=3,
        ),
        Row(
            "limit of the API", 429, "900800", quota, over, "/limited/1.0.0/x", calls=3
        ),
        Row(
            "limit of the operation",
            429,
            "900802",
            quota,
            over,
            "/rows/1.0.0/limited",
            calls=3,
        ),
        Row(
            "script",
            500,
            "901100",
            "Internal Server Error",
            "A script of this API failed",
            "/rows/1.0.0/script",
        ),
        Row(
            "script, on the way back",
            500,
            "901100",
            "Internal Server Error",
            "Internal Server Error",
            "/rows/1.0.0/back",
        ),
        Row(
            "interceptor away",
            500,
            "103500",
            "Internal Server Error",
            "Internal Server Error",
            "/rows/1.0.0/away",
        ),
        Row(
            "no interceptor",
            500,
            "103501",
            "Internal Server Error",
            "Internal Server Error",
            "/rows/1.0.0/none",
        ),
        Row(
            "no path",
            404,
            "404",
            "Not Found",
            r"The requested resource is not available\.",
            "/rows/1.0.0/nothing",
        ),
        Row(
            "no verb",
            405,
            "405",
            "Method Not Allowed",
            r"The requested resource does not have this method\.",
            closed,
            arguments=("-X", "DELETE"),
        ),
        Row(
            "no host",
            404,
            "404",
            "Not Found",
            r"The requested resource is not available\.",
            closed,
            host="nobody.gw.wso2.com",
        ),
        Row(
            "nobody there",
            503,
            "102503",
            "Upstream connection failed",
            reset + "remote connection failure",
            "/rows/1.0.0/down",
        ),
        Row(
            "nobody there, tried again",
            503,
            "102503",
            "Upstream connection failed",
            ".*remote connection failure",
            "/rows/1.0.0/retried",
        ),
        Row(
            "not TLS",
            503,
            "102503",
            "Upstream connection failed",
            reset + ".*",
            "/rows/1.0.0/tls",
        ),
        Row(
            "slow",
            504,
            "102504",
            "Upstream connection timeout",
            "upstream request timeout",
            "/rows/1.0.0/slow",
        ),
        Row(
            "too much at once",
            503,
            "102505",
            "Upstream overflow",
            reset + "overflow",
            "/rows/1.0.0/narrow",
            calls=6,
            at_once=True,
        ),
        Row(
            "no address",
            503,
            "102508",
            "No healthy upstream",
            "no healthy upstream",
            "/rows/1.0.0/nowhere",
        ),
        Row(
            "broken off",
            503,
            "102510",
            "Upstream connection termination",
            reset + "connection termination",
            "/rows/1.0.0/broken",
        ),
        Row(
            "silent",
            500,
            "102513",
            "Stream idle timeout",
            "stream timeout",
            "/rows/1.0.0/silent",
        ),
        Row(
            "no HTTP",
            500,
            "102515",
            "HTTP protocol error in upstream request",
            reset + "protocol error",
            "/rows/1.0.0/nonsense",
        ),
    )


ROWS = rows()
SHOWN_ELSEWHERE = {
    **dict.fromkeys(("900422", "900820", "900821"), "test_graphql_live.py"),
    "900806": "test_limit_keys_live.py",
    "900805": "test_everyday_policies.py",
    "102500": "test_backend_jwt.py",
}
"""Rows whose making takes a platform of its own, and the test that makes them."""


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("kapi")
    (folder / "static.pem").write_text(STATIC.pem())
    (folder / "kapi.toml").write_text(SETTINGS)
    running = Platform(
        free_port(),
        folder / "data",
        environment={"KAPI_CONFIG": str(folder / "kapi.toml")},
    )
    running.start()
    try:
        yield running
    finally:
        running.stop()
    assert "Traceback" not in "".join(
        path.read_text() for path in (running.data_dir / "logs").glob("*.log")
    )


def conf(name: str, port: int, operations: str, more: str = "") -> str:
    return (
        f'name: {name}\nbasePath: /{name.lower()}\nversion: "1.0.0"\ntype: REST\n'
        f"{more}endpointConfigurations:\n  production:\n"
        f'    endpoint: "http://127.0.0.1:{port}"\noperations:\n{operations}'
    )


def operation(target: str, endpoint: str = "", more: str = "") -> str:
    own = (
        f"  endpointConfigurations: {{production: {{endpoint: {endpoint}}}}}\n"
        if endpoint
        else ""
    )
    return f"- target: {target}\n  verb: GET\n  secured: false\n{own}{more}"


def script(flow: str) -> str:
    direction, entry = (
        ("request", "envoy_on_request")
        if flow == "request"
        else ("response", "envoy_on_response")
    )
    parameters = (
        f"{{name: s, sourceCode: \"function {entry}(handle) error('broken') end\"}}"
    )
    return (
        f"  operationPolicies: {{{direction}: [{{policyName: LuaInterceptor, parameters: "
        f"{parameters}}}]}}\n"
    )


def interceptor(url: str) -> str:
    return (
        f"  operationPolicies: {{request: [{{policyName: Interceptor, parameters: {{backendUrl: "
        f"'{url}'}}}}]}}\n"
    )


@pytest.fixture(scope="module", autouse=True)
def deployed(platform: Platform) -> Iterator[None]:
    limit = "rateLimit: {requestsPerUnit: 1, unit: Day}\n"
    with wilful() as backend, rude() as broken:
        port = backend.port
        there, nobody = f"http://127.0.0.1:{port}", "http://127.0.0.1:1"
        wait = f"'{there}/wait/2', resiliency: "
        operations = "".join(
            (
                "- {target: /closed, verb: GET}\n- {target: /scoped, verb: GET, scopes: [b, a]}\n",
                operation("/limited", more=f"  {limit}"),
                operation("/script", more=script("request")),
                operation("/back", more=script("response")),
                operation("/away", more=interceptor(nobody)),
                operation("/none", more=interceptor(there)),
                operation("/down", f"'{nobody}'"),
                operation(
                    "/retried",
                    (
                        f"'{nobody}', resiliency: {{retryPolicy: {{count: 2, baseIntervalMillis: "
                        "10, "
                        f"statusCodes: [503]}}}}"
                    ),
                ),
                operation("/tls", f"'https://127.0.0.1:{port}'"),
                operation("/slow", wait + "{timeout: {upstreamResponseTimeout: 1}}"),
                operation(
                    "/silent", wait + "{timeout: {downstreamRequestIdleTimeout: 1}}"
                ),
                operation(
                    "/narrow",
                    wait
                    + (
                        "{circuitBreaker: {maxConnections: 1, maxPendingRequests: 1, maxRequests: "
                        "1}}"
                    ),
                ),
                operation("/nowhere", "'http://nowhere.invalid'"),
                operation("/broken", f"'http://127.0.0.1:{broken}'"),
                operation("/nonsense", f"'http://127.0.0.1:{broken}'"),
            )
        )
        token = platform.token("apk:api_create")
        for text in (
            conf("Rows", port, operations),
            conf("Limited", port, operation("/x"), limit),
            conf(
                "Subscribed",
                port,
                "- {target: /x, verb: GET}\n",
                "subscriptionValidation: true\n",
            ),
        ):
            answer = platform.deploy(text, DEFINITION, token)
            assert answer.status == 200, answer.body.decode()
        yield


def ask(platform: Platform, row: Row, protocol: str) -> Answer:
    credentials = ("-H", f"Authorization: Bearer {row.token}") if row.token else ()

    def once(_: int) -> Answer:
        return platform.request(
            row.host, row.path, protocol, *credentials, *row.arguments
        )

    if row.at_once:
        with ThreadPoolExecutor(row.calls) as pool:
            return next(
                answer
                for answer in pool.map(once, range(row.calls))
                if answer.status != 200
            )
    answer = once(0)
    for _ in range(row.calls - 1):
        if answer.status != 200:
            break
        answer = once(0)
    return answer


@pytest.mark.parametrize("protocol", ["--http1.1", "--http2"])
@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_a_refusal_is_as_the_table_has_it(
    platform: Platform, row: Row, protocol: str
) -> None:
    answer = ask(platform, row, protocol)
    body = answer.json()
    by_policy = row.code.startswith(("900", "901", "1035"))
    message, description = (
        ("error_message", "error_description")
        if by_policy
        else ("message", "description")
    )
    assert (answer.status, set(body)) == (row.status, {"code", message, description}), (
        body
    )
    assert (body["code"], body[message]) == (row.code, row.message)
    assert re.fullmatch(row.description, body[description]), body[description]
    assert answer.headers["content-type"] == "application/json; charset=UTF-8"
    where = (
        f"https://default.gw.wso2.com:{platform.port}/.well-known/oauth-protected-resource/"
        f"{'/'.join(row.path.split('/')[1:3])}"
    )
    # No other issuer or token helps against a subscription that is blocked.
    told = (
        f', resource_metadata="{where}"'
        if row.challenge and row.code != "900907"
        else ""
    )
    assert answer.headers.get("www-authenticate", "") == row.challenge + told
    assert ("retry-after" in answer.headers, "x-ratelimit-limit" in answer.headers) == (
        row.status == 429,
    ) * 2
    assert not {"server", "x-envoy-upstream-service-time"} & set(answer.headers)


def test_headers_that_are_too_large_have_their_status_as_the_code(
    platform: Platform,
) -> None:
    answer = platform.request(
        GW, "/rows/1.0.0/closed", "--http1.1", "-H", "X: " + "y" * 40_000
    )
    assert (answer.status, answer.json()["code"], set(answer.json())) == (
        431,
        "431",
        {"code", "message", "description"},
    )


def table(title: str) -> list[list[str]]:
    """The rows of the table below a heading of the page."""
    section = (
        (ROOT / "docs/errors.md")
        .read_text("utf-8")
        .partition(f"## {title}\n")[2]
        .partition("\n## ")[0]
    )
    return [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in section.splitlines()
        if re.match(r"\| \d", line)
    ]


def test_the_page_has_exactly_what_is_shown_here() -> None:
    sections = (
        "Authentication, authorization and limits",
        "Failures of a policy",
        "Routing and backends",
    )
    written = {
        (code, status, message)
        for title in sections
        for code, status, message, _ in table(title)
    }
    shown = {(row.code, str(row.status), row.message) for row in ROWS}
    elsewhere = {item for item in written if item[0] in SHOWN_ELSEWHERE}
    assert written == shown | elsewhere
    assert {code for code, _, _ in elsewhere} == set(SHOWN_ELSEWHERE)
    for code, file in SHOWN_ELSEWHERE.items():
        assert code in Path(__file__).with_name(file).read_text("utf-8")
    never = {
        code
        for cells in table("Codes of APK that are never sent")
        for code in cells[0].split(", ")
    }
    assert not never & {code for code, _, _ in written}
