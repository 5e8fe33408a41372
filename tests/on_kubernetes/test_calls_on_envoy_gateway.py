"""Who may call, how often, and what the backend gets, through Envoy Gateway's Envoy."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import grpc
import pytest
from websockets.exceptions import InvalidStatus

from backends import Wilful, wilful
from grpc_backend import PROTO, SERVICE, Backend, name_of, student
from harness import BASIC, DEFINITION, Answer, conf, echo_backend
from kapi.settings.secrets import SecretSettings
from live.test_grpc import HOST, Caller, operation, path_of
from live.test_grpc import conf as grpc_conf
from on_kubernetes.cluster import certificate
from on_kubernetes.live_platform import OWN_HOSTS, OnEnvoyGateway, serves
from waiting import until
from ws_backend import PROTOCOL, web_socket, websocket_backend

pytestmark = pytest.mark.long
OPEN = '- {target: "/items", verb: GET, secured: false}\n'


@pytest.fixture(scope="module")
def echo() -> Iterator[int]:
    with echo_backend() as port:
        yield port


def deployed(platform: OnEnvoyGateway, text: str, definition: str = DEFINITION) -> None:
    before = dict(platform.not_possible)
    answer = platform.deploy(text, definition)
    assert answer.status == 200, answer.body
    assert platform.not_possible == before


def bearer(token: str) -> tuple[str, str]:
    return ("-H", f"Authorization: Bearer {token}")


def get(platform: OnEnvoyGateway, path: str, *more: str) -> Answer:
    return platform.request(HOST, path, *more)


def test_tokens_and_scopes(platform: OnEnvoyGateway, echo: int) -> None:
    deployed(platform, conf("Tokens", "/tokens", port=echo))
    serves(platform, "/tokens/1.0.0/open")
    assert get(platform, "/tokens/1.0.0/items").status == 401
    assert get(platform, "/tokens/1.0.0/items", *bearer("a.b.c")).status == 401
    seen = get(platform, "/tokens/1.0.0/items?a=b", *bearer(platform.token()))
    assert (seen.status, seen.json()["path"]) == (200, "/backend/items?a=b")
    assert "authorization" not in seen.json()["headers"]
    for scope, status in (
        ("items:read", 200),
        ("items:admin", 200),
        ("other", 403),
        ("", 403),
    ):
        answer = get(platform, "/tokens/1.0.0/items/7", *bearer(platform.token(scope)))
        assert answer.status == status, scope
    deleted = ("-X", "DELETE", *bearer(platform.token("items:admin")))
    assert get(platform, "/tokens/1.0.0/items/7/parts/2", *deleted).status == 200


def test_a_wrong_audience_is_403(platform: OnEnvoyGateway, echo: int) -> None:
    asked = (
        "-d",
        "grant_type=client_credentials",
        "-d",
        "resource=https://orders.example",
    )
    authorized = ("-H", f"Authorization: Basic {BASIC}")
    token = platform.request(OWN_HOSTS[0], "/oauth2/token", *authorized, *asked).json()[
        "access_token"
    ]
    audiences = (
        ("Right", "https://orders.example", 200),
        ("Wrong", "https://other.example", 403),
    )
    for name, audience, status in audiences:
        extra = f'authentication:\n- {{authType: OAuth2, audience: ["{audience}"]}}\n'
        deployed(platform, conf(name, f"/{name.lower()}", port=echo, extra=extra))
        serves(platform, f"/{name.lower()}/1.0.0/open")
        answer = get(platform, f"/{name.lower()}/1.0.0/items", *bearer(token))
        assert answer.status == status, answer


def test_a_token_in_another_header_and_in_the_query(
    platform: OnEnvoyGateway, echo: int
) -> None:
    extra = (
        "authentication:\n- {authType: OAuth2, headerName: X-Token, queryParamName: t,"
        " queryParamEnable: true}\n"
    )
    deployed(platform, conf("Elsewhere", "/elsewhere", port=echo, extra=extra))
    serves(platform, "/elsewhere/1.0.0/open")
    token = platform.token()
    seen = get(platform, "/elsewhere/1.0.0/items", "-H", f"X-Token: Bearer {token}")
    assert (seen.status, "x-token" in seen.json()["headers"]) == (200, False)
    # The difference: the backend gets the query as it is.
    path = get(platform, f"/elsewhere/1.0.0/items?t={token}").json()["path"]
    assert path == f"/backend/items?t={token}"
    assert get(platform, "/elsewhere/1.0.0/items", *bearer(token)).status == 401


def test_api_keys_are_those_of_the_secret(platform: OnEnvoyGateway, echo: int) -> None:
    extra = (
        "authentication:\n- {authType: OAuth2, enabled: false}\n"
        "- {authType: APIKey, required: mandatory}\n"
    )
    operations = '- {target: "/items", verb: GET}\n- {target: "/open", verb: GET, secured: false}\n'
    deployed(
        platform, conf("Keys", "/keys", port=echo, extra=extra, operations=operations)
    )
    serves(platform, "/keys/1.0.0/open")
    assert get(platform, "/keys/1.0.0/items").status == 401
    assert get(platform, "/keys/1.0.0/items", "-H", "ApiKey: another").status == 401
    seen = get(platform, "/keys/1.0.0/items", "-H", "ApiKey: the-key-of-shop")
    headers = seen.json()["headers"]
    assert (seen.status, headers["x-api-client"], "apikey" in headers) == (
        200,
        "shop",
        False,
    )


def test_a_limit_of_an_operation(platform: OnEnvoyGateway, echo: int) -> None:
    limited = (
        '- {target: "/items", verb: GET, secured: false, rateLimit: {requestsPerUnit: 3, unit: '
        "Hour}}\n"
    )
    free = '- {target: "/free", verb: GET, secured: false}\n'
    deployed(
        platform, conf("Limited", "/limited", port=echo, operations=limited + free)
    )
    serves(platform, "/limited/1.0.0/free")
    answers = [get(platform, "/limited/1.0.0/items") for _ in range(5)]
    assert [item.status for item in answers] == [200, 200, 200, 429, 429]
    assert answers[0].headers["x-ratelimit-limit"].startswith("3")
    assert get(platform, "/limited/1.0.0/free").status == 200


@pytest.fixture
def counted_by_all(platform: OnEnvoyGateway) -> Iterator[OnEnvoyGateway]:
    """APIs that are deployed meanwhile have limits of the rate limit service."""
    before = platform.settings
    together = dataclasses.replace(before.kubernetes, rate_limits="global")
    platform.settings = dataclasses.replace(before, kubernetes=together)
    yield platform
    platform.settings = before


def used_up(platform: OnEnvoyGateway, *paths: str, limit: int) -> None:
    """Calls of these paths in turn are 200 as often as the service says, and then 429.

    It has the limits of an API a moment after Envoy has the routes.
    """
    until(lambda: "x-ratelimit-remaining" in get(platform, paths[0]).headers)
    first = get(platform, paths[0])
    assert first.headers["x-ratelimit-limit"].startswith(f"{limit}, {limit};w=")
    left = int(first.headers["x-ratelimit-remaining"])
    answers = [get(platform, paths[number % len(paths)]) for number in range(left + 3)]
    assert [answer.status for answer in answers] == [200] * left + [429] * 3


def test_global_limits_are_one_count_of_redis(
    counted_by_all: OnEnvoyGateway, echo: int
) -> None:
    platform, limit = counted_by_all, "{requestsPerUnit: 40, unit: Day}"
    operations = (
        f'- {{target: "/items", verb: GET, secured: false, rateLimit: {limit}}}\n'
        '- {target: "/free", verb: GET, secured: false}\n'
    )
    deployed(platform, conf("OfOne", "/of-one", port=echo, operations=operations))
    serves(platform, "/of-one/1.0.0/free")
    used_up(platform, "/of-one/1.0.0/items", limit=40)
    assert get(platform, "/of-one/1.0.0/free").status == 200

    operations = (
        '- {target: "/items", verb: GET, secured: false}\n'
        '- {target: "/others", verb: GET, secured: false}\n'
    )
    extra = f"rateLimit: {limit}\n"
    deployed(
        platform,
        conf("OfAll", "/of-all", port=echo, extra=extra, operations=operations),
    )
    serves(platform, "/of-all/1.0.0/others")
    used_up(platform, "/of-all/1.0.0/items", "/of-all/1.0.0/others", limit=40)


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Wilful, str]]:
    """An https backend, and the authority of its certificate."""
    made, key = certificate("localhost")
    path = tmp_path_factory.mktemp("tls") / "pair.pem"
    path.write_bytes(made + key)
    with wilful("secure", path) as server:
        yield server, made.decode()


def test_backends_are_verified_and_get_their_credentials(
    platform: OnEnvoyGateway, secure: tuple[Wilful, str]
) -> None:
    server, authority = secure
    text = (
        "name: Secure\nbasePath: /secure\nversion: 1.0.0\ntype: REST\n"
        f'endpointConfigurations: {{production: {{endpoint: "https://localhost:{server.port}",'
        " certificate: {secretName: ca, secretKey: ca.crt}, endpointSecurity: {enabled: true,"
        " securityType: {secretName: login, userNameKey: user, passwordKey: password}}}}\n"
        f"operations:\n{OPEN}"
    )
    other, _ = certificate("localhost")
    for given, status in ((authority, 200), (other.decode(), 503)):
        values = {"ca": {"ca.crt": given}, "login": {"user": "me", "password": "pw"}}
        with_secrets(platform, values)
        deployed(platform, text)
        serves(platform, "/secure/1.0.0/items", status)
    with_secrets(platform, {"ca": {"ca.crt": authority}, "login": values["login"]})
    deployed(platform, text)
    serves(platform, "/secure/1.0.0/items")
    seen = get(platform, "/secure/1.0.0/items", "-H", "Authorization: mine").json()
    assert seen["headers"]["authorization"] == "Basic bWU6cHc="
    assert seen["headers"]["host"] == f"localhost:{server.port}"


def with_secrets(platform: OnEnvoyGateway, values: dict[str, dict[str, str]]) -> None:
    items = tuple(
        SecretSettings(name=name, key=key, value=value)
        for name, keys in values.items()
        for key, value in keys.items()
    )
    secrets = dataclasses.replace(platform.settings.secrets, values=items)
    platform.settings = dataclasses.replace(platform.settings, secrets=secrets)


SCRIPT = """
apiPolicies:
  request:
  - policyName: LuaInterceptor
    parameters:
      name: mark
      sourceCode: |
        function envoy_on_request(handle)
          handle:headers():add("x-script", "seen")
          if handle:headers():get("x-fail") then error("as asked") end
        end
        function envoy_on_response(handle)
          handle:headers():add("x-answer", "changed")
        end
"""


def test_scripts_run_in_their_sandbox(platform: OnEnvoyGateway, echo: int) -> None:
    deployed(
        platform, conf("Script", "/script", port=echo, extra=SCRIPT, operations=OPEN)
    )
    serves(platform, "/script/1.0.0/items")
    seen = get(platform, "/script/1.0.0/items")
    assert (seen.json()["headers"]["x-script"], seen.headers["x-answer"]) == (
        "seen",
        "changed",
    )
    failed = get(platform, "/script/1.0.0/items", "-H", "x-fail: 1")
    assert (failed.status, failed.json()["code"]) == (500, "901100")
    broken = SCRIPT.replace("envoy_on_request(handle)", "envoy_on_request(", 1)
    deployed(
        platform, conf("Broken", "/script2", port=echo, extra=broken, operations=OPEN)
    )
    serves(platform, "/script2/1.0.0/items", 500)
    # A broken script does not stop the changes of other APIs.
    deployed(platform, conf("Later", "/later", port=echo, operations=OPEN))
    serves(platform, "/later/1.0.0/items")


def test_headers_about_the_caller_are_removed(
    platform: OnEnvoyGateway, echo: int
) -> None:
    deployed(platform, conf("Edge", "/edge", port=echo, operations=OPEN))
    serves(platform, "/edge/1.0.0/items")
    forged = (
        "X-Forwarded-Host: evil",
        "X-JWT-Assertion: a",
        "x_under: 1",
        "Forwarded: for=1",
    )
    given = [word for line in forged for word in ("-H", line)]
    headers = get(platform, "/edge/1.0.0/items", *given).json()["headers"]
    assert "x-jwt-assertion" not in headers
    assert "x_under" not in headers
    assert headers["x-forwarded-host"] == f"{HOST}:{platform.port}"
    assert headers["x-forwarded-prefix"] == "/edge/1.0.0"
    assert "evil" not in str(headers)


@pytest.fixture(scope="module")
def backend() -> Iterator[Backend]:
    running = Backend((SERVICE,))
    yield running
    running.stop()


def test_grpc_calls_of_all_kinds_with_scopes(
    platform: OnEnvoyGateway, backend: Backend, tmp_path: Path
) -> None:
    operations = (
        operation("GetStudent", ", secured: false")
        + operation("GetStudentStream", ', scopes: ["students:read"]')
        + operation("SendStudentStream")
        + operation("SendAndGetStudentStream")
    )
    deployed(
        platform, grpc_conf("students", backend.port, operations=operations), PROTO
    )
    caller = Caller(platform)
    try:
        assert caller(path_of("students")) == "Ada"
        down = caller.method(path_of("students", "GetStudentStream"), "unary_stream")

        def sent(scope: str) -> list[tuple[str, str]]:
            return [("authorization", f"Bearer {platform.token(scope)}")]

        found = list(map(name_of, down(student("Ada"), metadata=sent("students:read"))))
        assert found == ["Ada 0", "Ada 1", "Ada 2"]
        with pytest.raises(grpc.RpcError) as refused:
            list(down(student("Ada"), metadata=sent("")))
        assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
        many = iter([student("Ada"), student("Bob")])
        up = caller.method(path_of("students", "SendStudentStream"), "stream_unary")
        assert name_of(up(many, metadata=sent(""))) == "Ada, Bob"
        both = caller.method(
            path_of("students", "SendAndGetStudentStream"), "stream_stream"
        )
        answers = both(iter([student("Ada")]), metadata=sent(""))
        assert list(map(name_of, answers)) == ["hello Ada"]
        missing = caller.code(path_of("students", "SendAndGetStudentStream"))
        assert missing is grpc.StatusCode.UNAUTHENTICATED
        assert (
            caller.code(path_of("students", "Nothing")) is grpc.StatusCode.UNIMPLEMENTED
        )
    finally:
        caller.close()


def test_a_web_socket_with_a_token(platform: OnEnvoyGateway) -> None:
    with websocket_backend() as chat:
        operations = (
            '- {target: "/chat", verb: GET, stream: {type: WebSocket}}\n'
            '- {target: "/open", verb: GET, secured: false}\n'
        )
        deployed(platform, conf("Chat", "/chat", port=chat.port, operations=operations))
        serves(platform, "/chat/1.0.0/api-definition")
        path = "/chat/1.0.0/chat?a=1"

        def opens() -> bool:
            with (
                contextlib.suppress(InvalidStatus),
                web_socket(platform.port, path, token=platform.token()),
            ):
                return True
            return False

        until(opens)
        token = platform.token()
        with web_socket(
            platform.port, path, token=token, protocols=[PROTOCOL]
        ) as socket:
            socket.send("hello")
            assert (socket.recv(10), socket.subprotocol) == ("hello", PROTOCOL)
        assert chat.handshakes[-1][0] == "/backend/chat?a=1"
        with pytest.raises(InvalidStatus) as refused:
            web_socket(platform.port, path)
        assert refused.value.response.status_code == 401


def test_a_module_that_envoy_gateway_fetches(
    platform: OnEnvoyGateway, echo: int
) -> None:
    content = (Path(__file__).parents[1] / "wasm" / "probe.wasm").read_bytes()
    with shop_of(content) as url:
        extra = (
            "apiPolicies:\n  request:\n  - policyName: WASMInterceptor\n"
            f'    parameters: {{name: probe, rootId: probe, url: "{url}"}}\n'
        )
        deployed(
            platform, conf("Module", "/module", port=echo, extra=extra, operations=OPEN)
        )
        serves(platform, "/module/1.0.0/items")


@contextlib.contextmanager
def shop_of(content: bytes) -> Iterator[str]:
    """The URL of a module."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/probe.wasm"
    finally:
        server.shutdown()
        server.server_close()
