"""Interceptor services on both ways, asked by Envoy: the whole contract through port 9095, over
HTTP/1.1 and HTTP/2.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness import DEFINITION, Platform, free_port
from http2_trailers import post_with_trailers
from interceptor_service import (
    REQUEST,
    RESPONSE,
    Service,
    b64,
    caller,
    certificate,
    interceptor,
    policy,
    unb64,
)
from waiting import until

HTTP = pytest.mark.parametrize("http", ["--http1.1", "--http2"])
ERROR = {
    "error_message": "Internal Server Error",
    "error_description": "Internal Server Error",
}


def deploy(
    platform: Platform,
    name: str,
    port: int,
    *,
    sandbox: int = 0,
    operations: Any = None,
    **fields: Any,
) -> str:
    """Deploy an API by plain data; returns its path."""
    endpoints = {"production": {"endpoint": f"http://127.0.0.1:{port}/backend"}}
    if sandbox:
        endpoints["sandbox"] = {"endpoint": f"http://127.0.0.1:{sandbox}/sandbox"}
    data = {
        "name": name,
        "basePath": f"/{name}",
        "version": "1.0.0",
        "type": "REST",
        "endpointConfigurations": endpoints,
        "operations": operations
        or [
            {"target": "/items/{id}", "verb": verb} for verb in ("GET", "POST", "HEAD")
        ],
        **fields,
    }
    answer = platform.deploy(json.dumps(data), DEFINITION)
    assert answer.status == 200, answer.body
    return f"/{name}/1.0.0"


def both(service: Service, **flags: Any) -> dict[str, Any]:
    item = policy("Interceptor", backendUrl=f"http://127.0.0.1:{service.port}", **flags)
    return {"request": [item], "response": [item]}


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with interceptor() as running:
        yield running


@pytest.fixture(scope="module")
def token(platform: Platform) -> str:
    return platform.token("items:read")


@pytest.fixture(scope="module")
def full(platform: Platform, echo: int, service: Service) -> str:
    """An API with everything on."""
    flags = dict.fromkeys(
        ("headersEnabled", "bodyEnabled", "trailersEnabled", "contextEnabled"), True
    )
    properties = [
        {"name": "region", "value": "eu \u00e9"},
        {"name": "tier", "value": "Gold"},
    ]
    return deploy(
        platform,
        "full",
        echo,
        sandbox=echo,
        apiPolicies=both(service, **flags),
        additionalProperties=properties,
    )


@HTTP
def test_a_service_sees_the_call_and_changes_it_on_both_ways(
    platform: Platform, full: str, service: Service, token: str, http: str
) -> None:
    service.reset(
        request={
            "headersToAdd": {
                "x-added": "1",
                "x-kapi-url": "elsewhere/elsewhere",
                "host": "elsewhere",
            },
            "headersToReplace": {"x-replaced": "new"},
            "headersToRemove": ["x-removed"],
            "body": b64("changed by the interceptor"),
            "interceptorContext": {"step": "one \u00e9"},
        },
        response={
            "responseCode": 202,
            "headersToAdd": {"x-answer": "yes"},
            "headersToRemove": ["content-type"],
            "body": b64(b"\x00\xffbytes"),
        },
    )
    call = caller(platform, full, http)
    answer = call(
        "/items/1?a=b",
        "-d",
        "hello",
        "-H",
        "x-removed: 1",
        "-H",
        "x-replaced: old",
        token=token,
    )
    assert (answer.status, answer.body) == (202, b"\x00\xffbytes")
    assert answer.headers["x-answer"] == "yes"
    assert "content-type" not in answer.headers
    asked = service.last(REQUEST)
    assert unb64(asked["requestBody"]) == b"hello"
    assert asked["requestHeaders"]["x-replaced"] == "old"
    assert asked["requestTrailers"] == {}
    assert "authorization" not in asked["requestHeaders"]
    assert not [name for name in asked["requestHeaders"] if name.startswith("x-kapi")]
    told = service.last(RESPONSE)
    assert told["responseCode"] == 200
    assert told["interceptorContext"] == {"step": "one \u00e9"}
    backend = json.loads(unb64(told["responseBody"]))
    assert (
        backend["path"],
        backend["headers"]["x-added"],
        backend["headers"]["x-replaced"],
    ) == (
        "/backend/items/1?a=b",
        "1",
        "new",
    )
    assert backend["headers"]["content-length"] == str(
        len("changed by the interceptor")
    )
    assert "x-removed" not in backend["headers"]
    assert backend["headers"]["host"].startswith("127.0.0.1:")
    assert told["responseHeaders"]["content-type"] == "application/json"


@HTTP
def test_the_invocation_context_says_what_is_called_and_by_whom(
    platform: Platform, full: str, service: Service, token: str, http: str
) -> None:
    for host, kind in (
        ("default.gw.wso2.com", "PRODUCTION"),
        ("default.sandbox.gw.wso2.com", "SANDBOX"),
    ):
        service.reset()
        assert (
            caller(platform, full, http)("/items/7?q=1", token=token, host=host).status
            == 200
        )
        context = service.last(REQUEST)["invocationContext"]
        assert context == service.last(RESPONSE)["invocationContext"]
        names = context.pop("prodClusterName"), context.pop("sandClusterName")
        assert all(names)
        assert len(set(names)) == 1, "both endpoints have one address"
        assert context.pop("requestId")
        assert context.pop("source").startswith("127.") or context
        assert context == {
            "protocol": "HTTP/1.1" if http == "--http1.1" else "HTTP/2",
            "scheme": "https",
            "apiName": "full",
            "apiVersion": "1.0.0",
            "vhost": host,
            "supportedMethods": "GET HEAD POST",
            "method": "GET",
            "basePath": "/full/1.0.0",
            "path": "/full/1.0.0/items/7?q=1",
            "pathTemplate": "/items/{id}",
            "apiProperties": "{'region':'eu \u00e9','tier':'Gold'}",
            "environment": "",
            "authenticationContext": {
                "tokenType": "JWT",
                "token": token,
                "keyType": kind,
            },
        }


@HTTP
def test_a_service_may_answer_itself(
    platform: Platform, full: str, service: Service, token: str, http: str
) -> None:
    call = caller(platform, full, http)
    service.reset(
        request={
            "directRespond": True,
            "responseCode": 403,
            "headersToAdd": {"content-type": "text/x"},
            "body": b64("no"),
        }
    )
    answer = call("/items/1", token=token)
    assert (answer.status, answer.body, answer.headers["content-type"]) == (
        403,
        b"no",
        "text/x",
    )
    assert [path for path, _ in service.asked] == [REQUEST]
    service.reset(request={"directRespond": True, "body": b64("yes")})
    assert call("/items/1", token=token).status == 200
    service.reset(request={"directRespond": True})
    assert call("/items/1", token=token).status == 204


def test_without_a_token_no_service_is_asked(
    platform: Platform, full: str, service: Service
) -> None:
    service.reset()
    assert caller(platform, full)("/items/1").json()["code"] == "900902"
    assert service.asked == []


def test_a_head_request_keeps_its_empty_body(
    platform: Platform, full: str, service: Service, token: str
) -> None:
    service.reset(
        response={"body": b64("longer than nothing"), "headersToAdd": {"x-seen": "1"}}
    )
    answer = caller(platform, full)("/items/1", "-I", token=token)
    assert (answer.status, answer.headers["x-seen"], answer.body) == (200, "1", b"")


RUBBISH = {
    "no JSON": b"<html>",
    "empty": b"",
    "a list": b"[]",
    "a number": b"1",
    "null": b"null",
    "cut off": b'{"headersToAdd": {"a": "b"}',
    "wrong type": b'{"headersToAdd": []  , "body": 1}',
    "number as header": b'{"headersToAdd": {"a": 1}}',
    "header name": b'{"headersToAdd": {"a b": "1"}}',
    "header value": b'{"headersToReplace": {"a": "1\\r\\nb: 2"}}',
    "body": b'{"body": "%%%"}',
    "code": b'{"responseCode": 99}',
    "fraction": b'{"responseCode": 200.5}',
    "deep": b'{"a":' * 5000 + b"1" + b"}" * 5000,
    "too long": b'{"x": "' + b"x" * (1024 * 1024) + b'"}',
    "not UTF-8 in a name": b'{"headersToAdd": {"\xff": "1"}}',
}


@pytest.mark.parametrize("flow", ["request", "response"])
@pytest.mark.parametrize("what", RUBBISH)
def test_a_rubbish_answer_is_a_clean_500(
    platform: Platform, full: str, service: Service, token: str, what: str, flow: str
) -> None:
    service.reset(**{flow: RUBBISH[what]})
    answer = caller(platform, full)("/items/1", token=token)
    assert (answer.status, answer.json()) == (500, ERROR | {"code": "103501"})
    assert answer.headers["content-type"].startswith("application/json")
    assert b"backend" not in answer.body


@pytest.mark.parametrize("flow", ["request", "response"])
@pytest.mark.parametrize("status", [302, 404, 500])
def test_an_error_or_redirect_of_the_service_is_a_clean_500(
    platform: Platform, full: str, service: Service, token: str, status: int, flow: str
) -> None:
    service.reset()
    call = caller(platform, full)
    service.status = status
    if flow == "response":
        service.answers[REQUEST] = {}
    answer = call("/items/1", token=token)
    assert (answer.status, answer.json()) == (500, ERROR | {"code": "103500"})


def test_no_content_changes_nothing(
    platform: Platform, full: str, service: Service, token: str
) -> None:
    service.reset()
    service.status = 204
    assert caller(platform, full)("/items/1", token=token).status == 200


@HTTP
def test_a_service_that_is_down_gives_a_clean_500_and_leaks_nothing(
    platform: Platform, echo: int, token: str, http: str
) -> None:
    down = policy(
        "Interceptor", backendUrl=f"http://127.0.0.1:{free_port()}", headersEnabled=True
    )
    way_in = deploy(platform, "down-in", echo, apiPolicies={"request": [down]})
    way_out = deploy(platform, "down-out", echo, apiPolicies={"response": [down]})
    for base in (way_in, way_out):
        answer = caller(platform, base, http)(
            "/items/1", "-H", "x-secret: s", token=token
        )
        assert (answer.status, answer.json()) == (500, ERROR | {"code": "103500"})
        assert answer.headers["content-type"].startswith("application/json")


def test_a_slow_service_holds_up_its_own_api_only(
    platform: Platform, echo: int, service: Service, token: str
) -> None:
    item = policy(
        "Interceptor",
        backendUrl=f"http://127.0.0.1:{service.port}",
        headersEnabled=True,
    )
    slow = deploy(platform, "slow", echo, apiPolicies={"request": [item]})
    quick = deploy(platform, "quick", echo)
    service.reset()
    service.answering.clear()
    with ThreadPoolExecutor(8) as pool:
        waiting = [
            pool.submit(caller(platform, slow), "/items/1", token=token)
            for _ in range(8)
        ]
        try:
            until(lambda: service.asked)
            assert caller(platform, quick)("/items/1", token=token).status == 200
            assert not any(answer.done() for answer in waiting)
        finally:
            service.answering.set()
    assert {answer.result().status for answer in waiting} == {200}


def test_a_service_that_does_not_answer_gives_a_clean_500(
    slow_platform: Platform, echo: int, service: Service
) -> None:
    item = policy(
        "Interceptor",
        backendUrl=f"http://127.0.0.1:{service.port}",
        headersEnabled=True,
    )
    base = deploy(slow_platform, "slow", echo, apiPolicies={"request": [item]})
    service.reset()
    service.answering.clear()
    try:
        answer = caller(slow_platform, base)("/items/1", token=slow_platform.token("a"))
    finally:
        service.answering.set()
    assert (answer.status, answer.json()["code"]) == (500, "103500")


def test_a_body_beyond_the_limit_is_refused(
    platform: Platform, full: str, service: Service, token: str
) -> None:
    service.reset()
    call = caller(platform, full)
    assert call("/items/1", "-d", "x" * 90_000, token=token).status == 200
    assert unb64(service.last(REQUEST)["requestBody"]) == b"x" * 90_000
    answer = call("/items/1", "-d", "x" * 110_000, token=token)
    assert (answer.status, answer.json()["code"]) == (413, "413")


def test_a_body_answer_without_bodyenabled_is_an_error(
    platform: Platform, echo: int, service: Service, token: str
) -> None:
    base = deploy(
        platform, "headers-only", echo, apiPolicies=both(service, headersEnabled=True)
    )
    call = caller(platform, base)
    service.reset(request={"headersToAdd": {"x-one": "1"}})
    assert (
        call("/items/1", "-d", "hello", token=token).json()["headers"]["x-one"] == "1"
    )
    assert set(service.last(REQUEST)) == {"requestHeaders"}
    assert set(service.last(RESPONSE)) == {"responseCode", "responseHeaders"}
    service.reset(request={"body": b64("x")})
    assert call("/items/1", "-d", "hello", token=token).json()["code"] == "103501"


def test_api_and_operation_level_combine(
    platform: Platform, echo: int, service: Service, token: str
) -> None:
    with interceptor() as second:
        operations = [
            {
                "target": "/items/{id}",
                "verb": "GET",
                "operationPolicies": both(second, headersEnabled=True),
            },
            {"target": "/other", "verb": "GET"},
        ]
        base = deploy(
            platform,
            "levels",
            echo,
            operations=operations,
            apiPolicies=both(service, headersEnabled=True),
        )
        service.reset(
            request={"headersToAdd": {"x-first": "api"}},
            response={"headersToReplace": {"x-last": "api"}},
        )
        second.reset(
            request={"headersToAdd": {"x-second": "operation"}},
            response={"headersToReplace": {"x-last": "operation"}},
        )
        answer = caller(platform, base)("/items/1", token=token)
        headers = answer.json()["headers"]
        assert (headers["x-first"], headers["x-second"], answer.headers["x-last"]) == (
            "api",
            "operation",
            "api",
        )
        assert second.last(REQUEST)["requestHeaders"]["x-first"] == "api"
        assert service.last(RESPONSE)["responseHeaders"]["x-last"] == "operation"
        second.asked.clear()
        assert caller(platform, base)("/other", token=token).status == 200
        assert second.asked == []


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service over TLS; its authority is in `ca.pem` of its folder."""
    folder = tmp_path_factory.mktemp("tls")
    context, authority = certificate(folder, "interceptor.test")
    with interceptor(context) as running:
        running.authority = authority
        yield running


@pytest.fixture(scope="module")
def slow_platform(
    tmp_path_factory: pytest.TempPathFactory, secure: Service
) -> Iterator[Platform]:
    """Short patience, a named certificate, mapped hosts."""
    folder = tmp_path_factory.mktemp("enforcer")
    (folder / "ca.pem").write_text(secure.authority)
    (folder / "kapi.toml").write_text(
        "[gateway.enforcer]\ninterceptor_timeout = 1\nmax_body_bytes = 2048\n"
        f'[gateway.hosts]\n"interceptor.test" = "127.0.0.1:{secure.port}"\n'
        f'"other.test" = "127.0.0.1:{secure.port}"\n'
        f'[[secrets.values]]\nname = "interceptor"\nkey = "ca.crt"\nvalue_file = "ca.pem"\n'
    )
    platform = Platform(
        free_port(),
        folder / "data",
        environment={"KAPI_CONFIG": str(folder / "kapi.toml")},
    )
    platform.start()
    yield platform
    platform.stop()
    assert "Traceback" not in "".join(
        path.read_text() for path in (platform.data_dir / "logs").glob("*.log")
    )


def test_tls_to_the_service_is_verified(
    slow_platform: Platform, secure: Service, echo: int
) -> None:
    trusted = {
        "tlsSecretName": "interceptor",
        "tlsSecretKey": "ca.crt",
        "headersEnabled": True,
    }
    cases = {
        "named": ("https://interceptor.test", trusted, 200),
        "system": ("https://interceptor.test", {"headersEnabled": True}, 500),
        "other-name": ("https://other.test", trusted, 500),
    }
    token = slow_platform.token("a")
    for name, (url, flags, status) in cases.items():
        secure.reset(request={"headersToAdd": {"x-tls": "1"}})
        base = deploy(
            slow_platform,
            name,
            echo,
            apiPolicies={"request": [policy("Interceptor", backendUrl=url, **flags)]},
        )
        answer = caller(slow_platform, base)("/items/1", token=token)
        assert answer.status == status, name
        assert (len(secure.asked) == 1) is (status == 200), name
    unknown = policy(
        "Interceptor",
        backendUrl="https://interceptor.test",
        tlsSecretName="nobody",
        tlsSecretKey="k",
    )
    data = {
        "name": "n",
        "basePath": "/n",
        "version": "1",
        "type": "REST",
        "apiPolicies": {"request": [unknown]},
    }
    data |= {
        "operations": [{"target": "/a", "verb": "GET"}],
        "endpointConfigurations": {"production": {"endpoint": "http://127.0.0.1"}},
    }
    assert slow_platform.deploy(json.dumps(data), DEFINITION).status == 400


@HTTP
def test_a_service_may_send_the_call_to_the_other_endpoint(
    platform: Platform,
    echo: int,
    other_echo: int,
    service: Service,
    token: str,
    http: str,
) -> None:
    base = deploy(
        platform,
        f"move{http[-1]}",
        echo,
        sandbox=other_echo,
        apiPolicies=both(service, contextEnabled=True),
    )
    call = caller(platform, base, http)
    service.reset()
    assert (
        call("/items/1", "-H", "x-kapi-endpoint: sandbox", token=token).json()["port"]
        == echo
    )
    context = service.last(REQUEST)["invocationContext"]
    for name in ("sandbox", context["sandClusterName"]):
        service.reset(
            request={
                "dynamicEndpoint": {"endpointName": name},
                "headersToAdd": {"x-more": "1"},
            }
        )
        seen = call("/items/1", token=token).json()
        assert (seen["port"], seen["path"], seen["headers"]["x-more"]) == (
            other_echo,
            "/sandbox/items/1",
            "1",
        )
        assert seen["headers"]["host"] == f"127.0.0.1:{other_echo}"
        assert "x-kapi-endpoint" not in seen["headers"]
        assert service.last(RESPONSE)["responseCode"] == 200
    for name in ("production", context["prodClusterName"], ""):
        service.reset(request={"dynamicEndpoint": {"endpointName": name}})
        assert call("/items/1", token=token).json()["port"] == echo
    service.reset(request={"dynamicEndpoint": {"endpointName": "control"}})
    assert call("/items/1", token=token).json()["code"] == "103501"


def test_properties_reach_the_scripts_of_the_api(
    platform: Platform, echo: int, service: Service, token: str
) -> None:
    script = """function envoy_on_request(handle)
      local properties = handle:streamInfo():dynamicMetadata():get("kapi.properties")
      handle:headers():replace("x-tier", properties and properties.tier or "none")
    end"""
    policies = both(service, headersEnabled=True)
    policies["request"] += [policy("LuaInterceptor", name="tier", sourceCode=script)]
    call = caller(platform, deploy(platform, "properties", echo, apiPolicies=policies))
    service.reset(request={"properties": {"tier": "Gold"}})
    assert call("/items/1", token=token).json()["headers"]["x-tier"] == "Gold"
    service.reset()
    assert call("/items/1", token=token).json()["headers"]["x-tier"] == "none"


def test_trailers_are_shown_and_changed(
    platform: Platform, full: str, service: Service, token: str
) -> None:
    def post(trailers: dict[str, str]) -> bytes:
        headers = {"authorization": f"Bearer {token}"}
        return post_with_trailers(
            platform.port,
            "default.gw.wso2.com",
            f"{full}/items/1",
            headers,
            b"hello",
            trailers,
        )

    service.reset(
        request={"trailersToAdd": {"x-late": "more"}, "trailersToRemove": ["x-gone"]}
    )
    assert json.loads(post({"x-checksum": "abc", "x-gone": "1"}))["method"] == "POST"
    assert service.last(REQUEST)["requestTrailers"] == {
        "x-checksum": "abc",
        "x-gone": "1",
    }
    assert unb64(service.last(REQUEST)["requestBody"]) == b"hello"


def test_trailers_in_an_answer_need_trailersenabled(
    platform: Platform, echo: int, service: Service, token: str
) -> None:
    base = deploy(
        platform, "no-trailers", echo, apiPolicies=both(service, headersEnabled=True)
    )
    service.reset(request={"trailersToAdd": {"x-late": "more"}})
    assert caller(platform, base)("/items/1", token=token).json()["code"] == "103501"


# Any text but lone surrogates, which JSON cannot carry.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(context=st.dictionaries(TEXTS, TEXTS, max_size=6), body=st.binary(max_size=300))
def test_any_text_and_any_bytes_come_through(
    platform: Platform,
    full: str,
    service: Service,
    token: str,
    context: dict[str, str],
    body: bytes,
) -> None:
    service.reset(
        request={"interceptorContext": context, "body": b64(body)},
        response={"body": b64(body)},
    )
    answer = caller(platform, full)("/items/1", "-d", "x", token=token)
    assert (answer.status, answer.body) == (200, body)
    assert service.last(RESPONSE)["interceptorContext"] == context


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4)
    ),
)
FIELDS = (
    "directRespond",
    "responseCode",
    "dynamicEndpoint",
    "headersToAdd",
    "headersToRemove",
    "trailersToAdd",
    "body",
    "interceptorContext",
    "rateLimitKeys",
)


@settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(answer=st.dictionaries(st.sampled_from(FIELDS), JSON, min_size=1, max_size=4))
def test_any_json_as_an_answer_is_taken_or_is_a_clean_500(
    platform: Platform, full: str, service: Service, token: str, answer: dict[str, Any]
) -> None:
    service.reset(request=answer)
    got = caller(platform, full)("/items/1", token=token)
    direct = answer.get("directRespond") is True and got.status == answer.get(
        "responseCode"
    )
    assert direct or got.status < 500 or got.json() == ERROR | {"code": "103501"}, (
        got.body
    )
