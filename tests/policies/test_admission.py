"""The module that counts inside Envoy: the built one belongs to its sources."""

from __future__ import annotations

import runpy
from dataclasses import replace
from pathlib import Path

from kapi.apis.ai_providers import BUILT_IN
from kapi.apis.ir import AiLimits, Api, Endpoint
from kapi.apis.kinds.rest import RestOperation
from kapi.apis.model.conf import (
    AiRateLimitConf,
    ApiConf,
    EndpointConf,
    Fields,
    OperationConf,
    PoliciesConf,
    PolicyConf,
)
from kapi.policies import Place, ai_rate_limit, guardrails, limit_keys, rate_limit
from kapi.policies.admission import FILTER, MODULE

SOURCES = Path(__file__).parents[2] / "wasm"
ENDPOINT = Endpoint("http", "backend", 80)
OPERATION = RestOperation("GET", "/a", ENDPOINT, None)
API = Api("id", "default", "pets", "1.0.0", "", "/pets/1.0.0", None, (OPERATION,))


def place(sandbox: bool = False) -> Place:
    return Place(
        API, OPERATION, ENDPOINT, "default.gw.wso2.com", "/pets/1.0.0", sandbox=sandbox
    )


def test_the_built_modules_were_made_from_the_sources_beside_them() -> None:
    """`make wasm` builds them and writes the digests."""
    lines = runpy.run_path(str(SOURCES / "digest.py"))["lines"]
    kept = Path(MODULE).with_name("modules.sha256").read_text()
    assert kept == lines()
    assert {MODULE, guardrails.MODULE} <= {
        str(Path(MODULE).with_name(line.split()[1])) for line in kept.splitlines()
    }


def limits(
    conf: Fields | None, operation: Fields | None, *, sandbox: bool = False
) -> str:
    api = ApiConf(
        "pets", "/pets", "1.0.0", "REST", (), fields=Fields((("rateLimit", conf),))
    )
    own = Fields((("rateLimit", operation),))
    node = rate_limit.compile(api, OperationConf("/a", "GET", fields=own))
    assert node is not None
    return rate_limit.envoy(node, place(sandbox)).metadata[FILTER]["limits"]


def test_an_api_is_counted_alike_on_both_hosts_and_an_operation_apart() -> None:
    minute = Fields((("requestsPerUnit", 5), ("unit", "Minute")))
    assert (
        limits(minute, None)
        == limits(minute, None, sandbox=True)
        == "r\tapi/id\t5\t60\t900800"
    )
    assert limits(None, minute) == "r\toperation/id/GET/a\t5\t60\t900802"
    assert (
        limits(None, minute, sandbox=True)
        == "r\toperation/id/GET/a#sandbox\t5\t60\t900802"
    )


AI_LIMITS = AiLimits(requests=9, request_unit="Hour", total_tokens=7)
AI_CONF = EndpointConf("http://backend", ai_rate_limit=AiRateLimitConf(request_limit=9))


def ai_route(
    endpoint: Endpoint, *, own: bool = False, sandbox: bool = False
) -> dict[str, str]:
    conf = ApiConf(
        "pets", "/pets", "1.0.0", "REST", (), production=() if own else (AI_CONF,)
    )
    node = ai_rate_limit.compile(
        conf, OperationConf("/a", "GET", production=(AI_CONF,) if own else ())
    )
    assert node is not None
    there = replace(
        place(sandbox),
        api=replace(API, ai_provider=BUILT_IN["OpenAI", "v1"]),
        endpoints=(endpoint,),
    )
    return dict(ai_rate_limit.envoy(node, there).metadata.get(FILTER, {}))


def test_each_ai_endpoint_has_counts_of_its_own() -> None:
    one = ai_route(replace(ENDPOINT, ai_limits=AI_LIMITS))
    requests, tokens = one["limits"].split("\t")[:5], one["limits"].split("\t")[5:]
    assert (requests[0], *requests[2:]) == ("r", "9", "3600", "900800")
    assert (tokens[0], *tokens[2:]) == ("t", "7", "60", "900800")
    assert requests[1] != tokens[1]
    again = ai_route(
        replace(ENDPOINT, ai_limits=replace(AI_LIMITS, requests=10), weight=5)
    )["limits"].split("\t")[:5]
    assert again == ["r", requests[1], "10", "3600", "900800"]
    others = [
        ai_route(replace(ENDPOINT, ai_limits=AI_LIMITS), sandbox=True),
        ai_route(replace(ENDPOINT, ai_limits=AI_LIMITS), own=True),
        ai_route(replace(ENDPOINT, ai_limits=AI_LIMITS, base_path="/b")),
    ]
    assert (
        len({requests[1], *(other["limits"].split("\t")[1] for other in others)}) == 4
    )
    assert others[1]["limits"].endswith("900802")


def test_answers_are_read_only_where_tokens_are_limited() -> None:
    assert "usage" in ai_route(replace(ENDPOINT, ai_limits=AI_LIMITS))
    assert "usage" not in ai_route(replace(ENDPOINT, ai_limits=AiLimits(requests=1)))
    assert ai_route(ENDPOINT) == {}
    assert (
        ai_rate_limit.compile(
            ApiConf("pets", "/pets", "1.0.0", "REST", ()), OperationConf("/a", "GET")
        )
        is None
    )


def test_no_limit_no_filter() -> None:
    assert (
        rate_limit.compile(
            ApiConf("pets", "/pets", "1.0.0", "REST", ()), OperationConf("/a", "GET")
        )
        is None
    )


def test_keys_of_an_interceptor_are_encoded_so_that_they_cannot_add_others() -> None:
    assert (
        limit_keys.header_value({"user key": "bob&admin=*", "ü": ""})
        == "user%20key=bob%26admin%3D%2A&%C3%BC="
    )


def test_keys_count_only_where_an_interceptor_answers() -> None:
    interceptor = PoliciesConf(request=(PolicyConf("Interceptor"),))
    plain = ApiConf("pets", "/pets", "1.0.0", "REST", ())
    assert limit_keys.compile(plain, OperationConf("/a", "GET")) is None
    assert (
        limit_keys.compile(
            replace(plain, policies=interceptor), OperationConf("/a", "GET")
        )
        is not None
    )
    node = limit_keys.compile(plain, OperationConf("/a", "GET", policies=interceptor))
    assert node is not None
    route = limit_keys.envoy(node, place())
    assert (list(route.per_route), route.remove_request_headers) == (
        ["kapi.limit_keys"],
        (limit_keys.HEADER,),
    )
    assert route.metadata == {FILTER: {"organization": "default"}}
