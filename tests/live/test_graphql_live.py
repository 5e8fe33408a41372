"""GraphQL APIs through the gateway's port: deployed, called, refused, limited."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from client_keys import certificate as client_certificate
from graphql_backend import SDL, GraphQlServer, graphql_server
from harness import Answer, Platform
from interceptor_service import interceptor, unb64
from standin import Key
from waiting import until

HOST = "default.gw.wso2.com"
SANDBOX = "default.sandbox.gw.wso2.com"
GRAPHQL = "application/graphql-response+json"
CONF = """
name: "StarWars"
basePath: "/starwars"
version: "1.0.0"
type: "GRAPHQL"
defaultVersion: true
graphql: {maxDepth: 4, maxComplexity: 12, maxAliases: 3, maxBatch: 2}
endpointConfigurations:
  production: {endpoint: "%(url)s"}
  sandbox: {endpoint: "%(url)s"}
operations:
- {target: hero, verb: QUERY, secured: false}
- {target: heroes, verb: QUERY, scopes: ["heroes:read"]}
- {target: addHero, verb: MUTATION, rateLimit: {requestsPerUnit: 5, unit: Day}}
- {target: heroAdded, verb: SUBSCRIPTION}
"""


@pytest.fixture(scope="module")
def backend() -> Iterator[GraphQlServer]:
    with graphql_server() as server:
        yield server


@pytest.fixture(scope="module", autouse=True)
def deployed(platform: Platform, backend: GraphQlServer) -> None:
    answer = platform.deploy(CONF % {"url": backend.url}, SDL)
    assert answer.status == 200, answer.body.decode()


@pytest.fixture(scope="module")
def token(platform: Platform) -> str:
    return platform.token()


@pytest.fixture(scope="module")
def reader(platform: Platform) -> str:
    return platform.token("heroes:read")


class Caller:
    def __init__(self, platform: Platform) -> None:
        self.platform = platform

    def __call__(
        self,
        body: Any,
        token: str = "",
        *arguments: str,
        path: str = "/starwars/1.0.0",
        host: str = HOST,
    ) -> Answer:
        given = ["-H", f"Authorization: Bearer {token}"] if token else []
        text = body if isinstance(body, str) else json.dumps(body)
        # curl before 8 loses answers that come before the end of the body in HTTP/2.
        sent = [
            "--http1.1",
            "-H",
            "Content-Type: application/json",
            "--data-binary",
            text,
        ]
        return self.platform.request(host, path, *sent, *given, *arguments)

    def get(self, fields: dict[str, str], token: str = "") -> Answer:
        given = ["-H", f"Authorization: Bearer {token}"] if token else []
        return self.platform.request(
            HOST, f"/starwars/1.0.0?{urlencode(fields)}", *given
        )


@pytest.fixture(scope="module")
def call(platform: Platform) -> Caller:
    return Caller(platform)


def query(text: str, **more: Any) -> dict[str, Any]:
    return {"query": text, **more}


def outcome(answer: Answer) -> tuple[int, Any]:
    body = answer.json()
    return answer.status, body.get("code") or body.get("data")


def test_an_open_operation_needs_no_token_and_the_others_do(
    call: Caller, backend: GraphQlServer, token: str, reader: str
) -> None:
    assert outcome(call(query("{hero{name}}"))) == (200, {"hero": {"name": "Luke"}})
    assert backend.seen[-1]["path"] == "/graphql"
    both = query("{hero{name} ...F} fragment F on Query{x:heroes{id}}")
    before = len(backend.seen)
    assert outcome(call(both)) == (401, "900902")
    assert outcome(call(both, token)) == (403, "900910")
    assert outcome(call(both, "not.a.token")) == (401, "900901")
    assert len(backend.seen) == before
    answer = outcome(call(both, reader))
    assert answer == (200, {"hero": {"name": "Luke"}, "x": [{"id": "1"}]})
    assert "authorization" not in backend.seen[-1]["headers"]


def test_refusals_say_what_to_come_with(call: Caller, token: str) -> None:
    missing = call(query("{heroes{id}}"))
    assert missing.headers["www-authenticate"].startswith(
        'Bearer realm="kapi", resource_metadata='
    )
    scope = call(query("{heroes{id}}"), token)
    assert (
        'error="insufficient_scope", scope="heroes:read"'
        in scope.headers["www-authenticate"]
    )
    assert scope.json()["error_description"] == (
        "User is NOT authorized to access the Resource: /starwars/1.0.0 (query heroes)."
        " Scope validation failed."
    )


def test_what_is_not_declared_is_refused(call: Caller, reader: str) -> None:
    for text in (
        "{secret}",
        "{__schema{types{name}}}",
        "mutation{hero{id}}",
        "{hero{name}",
        "",
    ):
        assert outcome(call(query(text), reader)) == (400, "900422"), text
    assert outcome(call(query("{__typename}"))) == (200, {"__typename": "Query"})


def test_limits_of_documents(call: Caller) -> None:
    deep = "{hero{friend{friend{friend{name}}}}}"
    assert outcome(call(query(deep))) == (400, "900820")
    wide = "{{hero{{{}}}}}".format(
        " ".join(f"id name friend{{id name}} # {n}\n" for n in range(3))
    )
    assert outcome(call(query(wide))) == (400, "900821")
    aliases = "{a:hero{id} b:hero{id} c:hero{id} d:hero{id}}"
    assert outcome(call(query(aliases))) == (400, "900821")


def test_errors_are_graphql_errors_for_clients_that_read_them(
    call: Caller, token: str
) -> None:
    accept = ("-H", f"Accept: {GRAPHQL}, application/json;q=0.9")
    large = query("{hero{id}}", variables={"x": "y" * 120_000})
    for answer, status, code in (
        (call(query("{hero{id}}"), "not.a.token", *accept), 401, "900901"),
        (call(large, "", *accept), 413, "413"),
        (call(query("{heroes{id}}"), "", *accept), 401, "900902"),
        (call(query("{heroes{id}}"), token, *accept), 403, "900910"),
        (call(query("{secret}"), "", *accept), 400, "900422"),
    ):
        assert (answer.status, answer.headers["content-type"]) == (status, GRAPHQL)
        assert list(answer.json()) == ["errors"]
        (error,) = answer.json()["errors"]
        assert error["extensions"]["code"] == code
        assert error["message"]


def test_queries_by_get(call: Caller, backend: GraphQlServer) -> None:
    fields = {
        "query": "query A($id: ID){hero(id: $id){id}}",
        "variables": '{"id": "1"}',
    }
    assert outcome(call.get(fields)) == (200, {"hero": {"id": "1"}})
    assert backend.seen[-1]["method"] == "GET"
    assert outcome(call.get({"query": "{heroes{id}}"})) == (401, "900902")
    mutation = call.get({"query": 'mutation{addHero(name: "x"){id}}'})
    assert (mutation.status, mutation.headers["allow"]) == (405, "POST")


def test_a_mutation_is_limited_however_it_is_named(call: Caller, token: str) -> None:
    one = 'mutation{a:addHero(name:"A"){id} b:addHero(name:"B"){id}}'
    assert outcome(call(query(one), token))[0] == 200
    assert call([query(one), query(one)], token).status == 429
    answer = call(query(one), token)
    assert (answer.status, answer.headers["x-ratelimit-remaining"]) == (200, "1")
    refused = call(query(one), token)
    assert outcome(refused) == (429, "900802")
    # The sandbox counts apart.
    assert call(query(one), token, host=SANDBOX).status == 200


def test_batches(call: Caller, reader: str) -> None:
    one, other = query("{hero{id}}"), query("{heroes{id}}")
    answer = call([one, other], reader)
    assert [item["data"] for item in answer.json()] == [
        {"hero": {"id": "1"}},
        {"heroes": [{"id": "1"}]},
    ]
    assert outcome(call([one, other])) == (401, "900902")
    assert outcome(call([one] * 3)) == (400, "900422")


def test_persisted_queries(call: Caller, reader: str) -> None:
    text = "query P {heroes{name}}"
    digest = hashlib.sha256(text.encode()).hexdigest()
    known = {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": digest}}}
    first = call(known, reader)
    assert (first.status, first.json()["errors"][0]["message"]) == (
        200,
        "PersistedQueryNotFound",
    )
    assert outcome(call({**known, "query": text}, reader))[0] == 200
    assert outcome(call(known, reader)) == (200, {"heroes": [{"name": "Luke"}]})
    assert outcome(call(known)) == (401, "900902")
    wrong = {**known, "query": "{hero{id}}"}
    assert outcome(call(wrong, reader)) == (400, "900422")


def test_the_default_version_the_sandbox_and_the_definition(
    call: Caller, platform: Platform
) -> None:
    for path in ("/starwars", "/starwars/", "/starwars/1.0.0/"):
        assert call(query("{hero{id}}"), path=path).status == 200
    assert call(query("{hero{id}}"), host=SANDBOX).status == 200
    assert call(query("{hero{id}}"), path="/starwars/1.0.0/graphql").status == 404
    for path in ("/starwars/1.0.0/api-definition", "/starwars/api-definition"):
        answer = platform.request(HOST, path)
        assert (answer.status, answer.headers["content-type"]) == (
            200,
            "text/plain; charset=utf-8",
        )
        assert answer.body.decode().strip() == SDL.strip()


def test_bodies_that_the_gateway_does_not_read(
    call: Caller, platform: Platform
) -> None:
    good = json.dumps(query("{hero{id}}"))

    def status(body: str, *arguments: str, path: str = "/starwars/1.0.0") -> int:
        return call(body, "", *arguments, path=path).status

    assert status(good) == 200
    assert status(good, "-H", "Content-Type: text/plain") == 415
    assert status(good, "-H", "Content-Encoding: gzip") == 415
    assert status('{"query":"{hero{id}}","query":"{secret}"}') == 400
    assert status(good, path="/starwars/1.0.0?query={secret}") == 400
    assert platform.request(HOST, "/starwars/1.0.0", "-X", "PUT").status == 405
    padded = {
        length: query("{hero{id}}", variables={"x": "y" * length})
        for length in (99_000, 120_000)
    }
    assert status(json.dumps(padded[99_000])) == 200
    assert status(json.dumps(padded[120_000])) == 413


def test_scopes_in_lists_and_in_a_claim_of_the_issuer(
    call: Caller, platform: Platform, tmp_path: Path
) -> None:
    key = Key.make("graphql", "ES256")
    (tmp_path / "key.pem").write_text(key.pem())
    for name, more in (("lists", ()), ("own", ("--scopes-claim", "realm.roles"))):
        given = ("--public-key", str(tmp_path / "key.pem"), "--name", name, *more)
        platform.cli("issuer", "add", "oidc", f"https://{name}.example", *given)
    now = int(time.time())

    def by(issuer: str, **claims: Any) -> Answer:
        times = {"iat": now, "exp": now + 600, "sub": "me"}
        token = key.token({"iss": f"https://{issuer}.example", **times, **claims})
        return call(query("{heroes{id}}"), token)

    for issuer in ("lists", "own"):
        until(lambda issuer=issuer: by(issuer).status != 401)
    for issuer, claims, status in (
        ("lists", {"scp": ["x", "heroes:read"]}, 200),
        ("lists", {"scp": ["heroes:read "]}, 403),
        ("lists", {"scp": ["heroes:write"]}, 403),
        ("lists", {"scope": "x heroes:read"}, 200),
        ("lists", {}, 403),
        ("own", {"realm": {"roles": ["x", "heroes:read"]}}, 200),
        ("own", {"realm": {"roles": ["x"]}, "scope": "heroes:read"}, 403),
    ):
        assert by(issuer, **claims).status == status, (issuer, claims)


def test_api_keys_and_backend_tokens(
    call: Caller, platform: Platform, backend: GraphQlServer
) -> None:
    conf = CONF % {"url": backend.url}
    conf = conf.replace("starwars", "keyed").replace("StarWars", "Keyed")
    more = (
        "authentication:\n- {authType: OAuth2}\n- {authType: APIKey}\n"
        "apiPolicies:\n  request:\n  - policyName: BackendJwt\n"
        "    parameters: {encoding: Base64, header: X-JWT, tokenTTL: 3600}\n"
    )
    assert platform.deploy(conf + more, SDL).status == 200
    key = platform.cli("api-key", "create", "Keyed:1.0.0", "--opaque").stdout.strip()

    def asked(text: str, *arguments: str) -> tuple[int, Any]:
        return outcome(call(query(text), "", *arguments, path="/keyed/1.0.0"))

    # A key has no scopes and needs none, as for REST.
    assert asked("{heroes{id}}", "-H", f"apikey: {key}") == (
        200,
        {"heroes": [{"id": "1"}]},
    )
    assert backend.seen[-1]["headers"]["x-jwt"].count(".") == 2
    assert "apikey" not in backend.seen[-1]["headers"]
    assert asked("{heroes{id}}") == (401, "900902")
    assert asked("{hero{id}}") == (200, {"hero": {"id": "1"}})
    assert asked("{hero{id}}", "-H", "apikey: wrong") == (401, "900901")


def test_a_subscription_of_the_application_is_needed_for_secured_operations(
    call: Caller, platform: Platform, backend: GraphQlServer, token: str
) -> None:
    conf = (
        (CONF % {"url": backend.url})
        .replace("starwars", "subs")
        .replace("StarWars", "Subs")
    )
    assert platform.deploy(conf + "subscriptionValidation: true\n", SDL).status == 200

    def status(text: str, token: str = "") -> int:
        return call(query(text), token, path="/subs/1.0.0").status

    add = 'mutation{addHero(name:"x"){id}}'
    until(lambda: status(add, token) == 403)
    assert status("{hero{id}}") == 200


def small(name: str, url: str, more: str) -> str:
    """A conf without subscriptions."""
    head = f'name: "{name}"\nbasePath: "/{name}"\nversion: "1.0.0"\ntype: "GRAPHQL"\n'
    endpoints = f'endpointConfigurations: {{production: {{endpoint: "{url}"}}}}\n'
    operations = (
        "operations:\n- {target: hero, verb: QUERY}\n- {target: heroes, verb: QUERY}\n"
    )
    return head + endpoints + more + operations


def test_client_certificates(
    platform: Platform, call: Caller, backend: GraphQlServer, tmp_path: Path
) -> None:
    authority = client_certificate("authority", authority=True)
    known = client_certificate("known", authority)
    platform.cli(
        "secret", "set", "graphql-clients", "ca.crt", stdin=authority.pem.decode()
    )
    mutual = (
        "authentication:\n- {authType: OAuth2, enabled: false}\n- {authType: mTLS,"
        " required: mandatory, certificates: [{name: graphql-clients, key: ca.crt}]}\n"
    )
    answer = platform.deploy(small("mutual", backend.url, mutual), SDL)
    assert answer.status == 200, answer.body
    (tmp_path / "known.pem").write_bytes(known.pem + known.key_pem)
    certificate = ("--cert", str(tmp_path / "known.pem"))
    path = "/mutual/1.0.0"
    answer = call(query("{hero{name}}"), "", *certificate, path=path)
    assert outcome(answer) == (200, {"hero": {"name": "Luke"}})
    unknown = call(query("{hero{name}}{secret}"), "", *certificate, path=path)
    assert outcome(unknown) == (400, "900422")
    assert call(query("{hero{name}}"), path=path).status == 401


def test_an_interceptor_gets_the_document_that_was_checked(
    platform: Platform, call: Caller, backend: GraphQlServer, token: str
) -> None:
    with interceptor() as service:
        asks = (
            "apiPolicies:\n  request:\n  - {policyName: Interceptor, parameters: {backendUrl:"
            f' "http://127.0.0.1:{service.port}", bodyEnabled: true}}}}\n'
        )
        answer = platform.deploy(small("asked", backend.url, asks), SDL)
        assert answer.status == 200, answer.body
        service.reset(request={"headersToAdd": {"x-case": "intercepted"}})
        document = query("{hero{name}}")
        answer = call(document, token, path="/asked/1.0.0")
        assert outcome(answer) == (200, {"hero": {"name": "Luke"}})
        assert backend.seen[-1]["headers"]["x-case"] == "intercepted"
        assert (
            json.loads(unb64(service.last("handle-request")["requestBody"])) == document
        )
        service.reset()
        assert outcome(call(query("{secret}"), token, path="/asked/1.0.0")) == (
            400,
            "900422",
        )
        assert service.asked == []
