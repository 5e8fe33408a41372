"""Two nodes on one PostgreSQL database: what one does holds on the other."""

from __future__ import annotations

import base64
import contextlib
import json
import shutil
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from client_keys import key, proof
from flows import CALLBACK, code_for, redeem, refresh
from harness import BASIC, DEFINITION, Answer, Platform, conf
from kapi.settings import WELL_KNOWN_CLIENT_ID
from node_pair import GW, Pair, call, deployed, node_pair
from person import Person, authorize_path, over_https
from postgres import PostgresServer
from standin import Key
from tcp_proxy import TcpProxy, tcp_proxy
from waiting import awaited, until

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def network(postgres: PostgresServer) -> Iterator[TcpProxy]:
    """Between the second node and the database."""
    with tcp_proxy(postgres.port) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def nodes(
    postgres: PostgresServer,
    network: TcpProxy,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Pair]:
    url = postgres.database()
    urls = (url, url.replace(f":{postgres.port}/", f":{network.port}/"))
    with node_pair(tmp_path_factory.mktemp("kapi"), urls, postgres.password) as pair:
        yield pair


def person_at(node: Platform) -> Person:
    return Person(over_https(node.port, address=node.address))


@contextlib.contextmanager
def file_server(content: bytes) -> Iterator[str]:
    """The URL of a file."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/probe.wasm"
    server.shutdown()
    server.server_close()


def at(person: Person, node: Platform) -> Person:
    """The same browser, with its cookies, at another node."""
    moved = person_at(node)
    moved.cookies = person.cookies
    return moved


def both(*work: Callable[[], Any]) -> list[Any]:
    """The results of works that begin at the same time."""
    barrier = threading.Barrier(len(work))

    def begun(one: Callable[[], Any]) -> Any:
        barrier.wait()
        return one()

    with ThreadPoolExecutor(len(work)) as threads:
        return list(threads.map(begun, work))


def test_a_deployment_on_one_is_live_on_both(nodes: Pair, echo: int) -> None:
    a, b = nodes
    token = a.token()
    deployed(a, "First", echo)
    assert call(a, "/first", token).status == 200
    until(lambda: call(b, "/first", token).status == 200)
    deployed(b, "First", echo, version="1.0.0")
    deployed(b, "Second", echo)
    until(lambda: call(a, "/second", token).status == 200)
    [gone] = [
        api
        for api in json.loads(a.cli("apis", "-o", "json").stdout)["apis"]
        if api["name"] == "First"
    ]
    b.cli("undeploy", gone["id"])
    until(lambda: call(a, "/first", token).status == 404)
    assert call(a, "/second", token).status == 200


def test_wait_all_says_which_nodes_have_it(
    nodes: Pair, echo: int, tmp_path: Any
) -> None:
    a, b = nodes
    (tmp_path / "api.apk-conf").write_text(conf("Waited", "/waited", port=echo))
    (tmp_path / "definition.yaml").write_text(DEFINITION)
    token = a.token()
    done = a.cli(
        *("deploy", str(tmp_path / "api.apk-conf"), str(tmp_path / "definition.yaml")),
        *("--wait", "all"),
    )
    assert call(b, "/waited", token).status == 200
    names = [f"127.0.0.{number}:{a.port}" for number in (1, 2)]
    [line] = [line for line in done.stderr.splitlines() if line.startswith("live on")]
    assert all(name in line for name in names)
    listed = json.loads(b.cli("nodes", "-o", "json").stdout)
    assert [node["change"] for node in listed["nodes"]] == [listed["change"]] * 2
    assert all(node["alive"] for node in listed["nodes"])


def test_deployments_on_both_at_once_are_all_live_on_both(
    nodes: Pair, echo: int
) -> None:
    token, create = nodes[0].token(), nodes[0].token("apk:api_create")
    names = [f"Many{number}" for number in range(12)]

    def deploy(number: int) -> int:
        text = conf(names[number], f"/many{number % 4}/{number}", port=echo)
        return nodes[number % 2].deploy(text, DEFINITION, create).status

    with ThreadPoolExecutor(4) as threads:
        assert set(threads.map(deploy, range(12))) == {200}
    for node in nodes:
        for number in range(12):
            base = f"/many{number % 4}/{number}"
            until(lambda node=node, base=base: call(node, base, token).status == 200)
    lists = [
        json.loads(node.cli("apis", "-o", "json").stdout)["apis"] for node in nodes
    ]
    assert {api["id"] for api in lists[0]} == {api["id"] for api in lists[1]}


def test_a_code_and_a_refresh_token_are_used_once(nodes: Pair) -> None:
    a, b = nodes
    for _ in range(8):
        person = person_at(a)
        code = code_for(person, scope="openid default")
        answers = both(
            lambda c=code: redeem(person_at(a), c),
            lambda c=code: redeem(person_at(b), c),
        )
        assert sorted(answer.status for answer in answers) == [200, 400]
    tokens = redeem(person_at(b), code_for(person_at(a), scope="openid default")).json()
    for _ in range(8):
        used = tokens["refresh_token"]
        answers = both(
            lambda t=used: refresh(person_at(a), t),
            lambda t=used: refresh(person_at(b), t),
        )
        good = [answer for answer in answers if answer.status == 200]
        assert len(good) == 1
        # The second use ended the family.
        assert refresh(person_at(a), good[0].json()["refresh_token"]).status == 400
        tokens = redeem(
            person_at(b), code_for(person_at(a), scope="openid default")
        ).json()


def test_a_session_of_one_is_a_session_of_the_other(nodes: Pair) -> None:
    a, b = nodes
    person = person_at(a)
    code_for(person, scope="openid default")
    again = at(person, b).open(
        authorize_path(WELL_KNOWN_CLIENT_ID, CALLBACK, None, prompt="none")
    )
    assert "code" in again.parameters, again.location


def test_wrong_passwords_count_on_both(nodes: Pair) -> None:
    path = authorize_path(WELL_KNOWN_CLIENT_ID, CALLBACK, None)

    def attempt(number: int) -> str:
        person = person_at(nodes[number % 2])
        page = person.open(path)
        return person.submit(
            page, username="org2user", organization="org2", password="wrong"
        ).text

    texts = [attempt(number) for number in range(12)]
    assert any("Too many" in text for text in texts), texts[-1]
    for number in range(2):
        assert "Too many" in attempt(number)


def test_a_token_revoked_on_one_is_refused_on_both(nodes: Pair, echo: int) -> None:
    a, b = nodes
    deployed(a, "Revoked", echo)
    token = a.token()
    until(lambda: call(b, "/revoked", token).status == 200)
    form = ("-H", f"Authorization: Basic {BASIC}", "-d", f"token={token}")
    assert a.request("idp.am.wso2.com", "/oauth2/revoke", *form).status == 200
    for node in nodes:
        until(lambda node=node: call(node, "/revoked", token).status == 401)
    tokens = redeem(person_at(a), code_for(person_at(a), scope="openid default")).json()
    until(lambda: call(b, "/revoked", tokens["access_token"]).status == 200)
    form = (
        "-H",
        f"Authorization: Basic {BASIC}",
        "-d",
        f"token={tokens['refresh_token']}",
    )
    assert b.request("idp.am.wso2.com", "/oauth2/revoke", *form).status == 200
    for node in nodes:
        until(
            lambda node=node: (
                call(node, "/revoked", tokens["access_token"]).status == 401
            )
        )
        assert refresh(person_at(node), tokens["refresh_token"]).status == 400


def shown_for(url: str, token: str = "", method: str = "GET") -> str:
    return proof(key(), method, url, int(time.time()), token, jti=str(uuid.uuid4()))


def test_a_proof_is_used_once(nodes: Pair, echo: int) -> None:
    a, b = nodes
    deployed(
        a,
        "Proven",
        echo,
        extra="authentication:\n- {authType: OAuth2, dpop: mandatory}\n",
    )
    url = f"https://idp.am.wso2.com:{a.port}/oauth2/token"

    def token(node: Platform, made: str) -> Answer:
        form = (
            "-H",
            f"Authorization: Basic {BASIC}",
            "-d",
            "grant_type=client_credentials",
        )
        return node.request(
            "idp.am.wso2.com", "/oauth2/token", *form, "-H", f"DPoP: {made}"
        )

    made = shown_for(url, method="POST")
    answers = both(lambda: token(a, made), lambda: token(b, made))
    assert sorted(answer.status for answer in answers) == [200, 400]
    bound = next(answer for answer in answers if answer.status == 200).json()[
        "access_token"
    ]

    def use(node: Platform, shown: str) -> int:
        headers = ("-H", f"Authorization: DPoP {bound}", "-H", f"DPoP: {shown}")
        return node.request(GW, "/proven/1.0.0/items", *headers).status

    def fresh() -> str:
        return shown_for(f"https://{GW}:{a.port}/proven/1.0.0/items", bound)

    until(lambda: use(b, fresh()) == 200)
    for _ in range(5):
        shown = fresh()
        assert sorted(both(lambda s=shown: use(a, s), lambda s=shown: use(b, s))) == [
            200,
            401,
        ]


def test_keys_and_issuers_are_shared(nodes: Pair, echo: int, tmp_path: Any) -> None:
    a, b = nodes
    # A signing key that one node makes is accepted by the gateway of the other before it signs.
    a.cli("key", "rotate", "--now")
    kid = json.loads(base64.urlsafe_b64decode(a.token().split(".")[0] + "==="))["kid"]
    deployed(a, "Shared", echo)
    until(lambda: call(b, "/shared", a.token()).status == 200)
    made = awaited(
        b.token,
        lambda token: (
            json.loads(base64.urlsafe_b64decode(token.split(".")[0] + "==="))["kid"]
            == kid
        ),
    )
    assert call(a, "/shared", made).status == 200
    # An issuer
    other = Key.make("other", "ES256")
    (tmp_path / "other.pem").write_text(other.pem())
    a.cli(
        *("issuer", "add", "oidc", "https://other.example", "--name", "other"),
        *("--public-key", str(tmp_path / "other.pem")),
    )
    foreign = other.token({"iss": "https://other.example", "sub": "s"})
    for node in nodes:
        until(lambda node=node: call(node, "/shared", foreign).status == 200)
    b.cli("issuer", "remove", "other")
    for node in nodes:
        until(lambda node=node: call(node, "/shared", foreign).status == 401)


def test_a_secret_set_on_one_is_sent_by_both(nodes: Pair, echo: int) -> None:
    a, b = nodes
    a.cli("secret", "set", "backend", "value", stdin="first")
    text = conf("Secretive", "/secretive", port=echo)
    kind = (
        "{secretName: backend, in: Header, apiKeyNameKey: X-Key, apiKeyValueKey: value}"
    )
    security = (
        f'/backend"\n    endpointSecurity: {{enabled: true, securityType: {kind}}}'
    )
    text = text.replace('/backend"', security, 1)
    assert b.deploy(text, DEFINITION).status == 200
    token = a.token()

    def sent(node: Platform) -> str:
        answer = call(node, "/secretive", token)
        return answer.json()["headers"]["x-key"] if answer.status == 200 else ""

    for value in ("first", "second"):
        b.cli("secret", "set", "backend", "value", stdin=value)
        for node in nodes:
            until(lambda node=node, value=value: sent(node) == value)


def test_subscriptions_and_api_keys_hold_on_both(nodes: Pair, echo: int) -> None:
    a, b = nodes
    keys = "authentication: [{authType: APIKey, enabled: true}, {authType: OAuth2}]\n"
    deployed(a, "Subscribed", echo, extra=f"subscriptionValidation: true\n{keys}")
    token = a.token()
    for node in nodes:
        until(lambda node=node: call(node, "/subscribed", token).status == 403)
    b.cli("app", "create", "caller")
    b.cli("app", "add-key", "caller", WELL_KNOWN_CLIENT_ID)
    a.cli("subscription", "add", "caller", "Subscribed")
    for node in nodes:
        until(lambda node=node: call(node, "/subscribed", token).status == 200)
    key = a.cli(
        *(
            "api-key",
            "create",
            "Subscribed:1.0.0",
            "--application",
            "caller",
            "--opaque",
        )
    ).stdout.strip()

    def status(node: Platform) -> int:
        return node.request(
            GW, "/subscribed/1.0.0/items", "-H", f"ApiKey: {key}"
        ).status

    for node in nodes:
        until(lambda node=node: status(node) == 200)
    listed = json.loads(b.cli("api-key", "list", "-o", "json").stdout)
    [own] = [item["id"] for item in listed["apiKeys"]]
    b.cli("api-key", "revoke", own)
    for node in nodes:
        until(lambda node=node: status(node) == 401)


def changed_by_module(node: Platform, token: str) -> str:
    """The header that the backend got."""
    answer = awaited(
        lambda: call(node, "/modular", token), lambda answer: answer.status == 200
    )
    return str(answer.json()["headers"].get("x-wasm"))


def test_a_module_that_one_node_fetched_runs_on_both(nodes: Pair, echo: int) -> None:
    a, b = nodes
    probe = Path(__file__).parents[1] / "wasm" / "probe.wasm"
    with file_server(probe.read_bytes()) as url:
        parameters = {
            "name": "probe",
            "rootId": "probe",
            "url": url,
            "config": "x-wasm: 1",
        }
        policy = {
            "policyName": "WASMInterceptor",
            "policyVersion": "v1",
            "parameters": parameters,
        }
        extra = f"apiPolicies: {json.dumps({'request': [policy]})}\n"
        deployed(a, "Modular", echo, extra=extra)
    # The server of the module is gone.
    token = a.token()
    for node in nodes:
        assert changed_by_module(node, token) == "1"
    b.stop()
    shutil.rmtree(b.data_dir / "modules")
    b.start()
    assert changed_by_module(b, token) == "1"


def test_a_node_that_was_cut_off_serves_what_it_knew_and_catches_up(
    nodes: Pair, network: TcpProxy, echo: int
) -> None:
    a, b = nodes
    deployed(a, "Known", echo)
    token, doomed = a.token(), a.token()
    until(lambda: call(b, "/known", token).status == 200)
    network.cut()
    until(lambda: "[!]store" in b.api("/readyz?verbose").body.decode())
    assert b.api("/readyz").status == 200
    assert call(b, "/known", token).status == 200
    assert call(b, "/known", b.token()).status == 200
    # Until the watch has noticed it, the check itself says that the database does not answer.
    until(lambda: "the database has not answered since" in b.cli("status").stderr)
    refused = b.deploy(conf("Lost", "/lost", port=echo), DEFINITION)
    assert (refused.status, refused.json()["code"]) == (503, 900943)
    deployed(a, "Later", echo)
    form = ("-H", f"Authorization: Basic {BASIC}", "-d", f"token={doomed}")
    assert a.request("idp.am.wso2.com", "/oauth2/revoke", *form).status == 200
    assert call(b, "/later", token).status == 404
    until(
        lambda: (
            [
                node["alive"]
                for node in json.loads(a.cli("nodes", "-o", "json").stdout)["nodes"]
            ].count(False)
            == 1
        )
    )
    network.mend()
    until(lambda: call(b, "/later", token).status == 200)
    until(lambda: call(b, "/known", doomed).status == 401)
    until(lambda: "[!]" not in b.api("/readyz?verbose").body.decode())
    assert call(b, "/known", token).status == 200
