"""Any valid conf becomes something that the real Envoy takes; any other conf gets mistakes with
their places, and never an exception.
"""

from __future__ import annotations

import itertools
import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kapi.apis.ai_providers import BUILT_IN
from kapi.apis.compile import compile_api
from kapi.apis.conf.parameter_lists import PARAMETER
from kapi.apis.conf.schema import conf_format
from kapi.apis.conf.shapes import (
    Anything,
    ByField,
    Either,
    Flag,
    Items,
    OneOf,
    Record,
    Shape,
    Text,
    Whole,
)
from kapi.apis.secrets import Secrets
from kapi.errors import Diagnostic, GatewayRejected, Invalid
from kapi.gateway.deployment.modules import with_modules
from kapi.gateway.envoy.process.check import EnvoyCheck
from kapi.gateway.envoy.process.process import find_envoy
from kapi.gateway.envoy.resources.context import render_context_from
from kapi.gateway.envoy.resources.names import CLUSTER, CONTROL, JWT_FILTER, SCOPE
from kapi.gateway.envoy.resources.render import render_api
from kapi.gateway.envoy.stream.encode import encode
from kapi.policies import POLICIES
from kapi.policies.authentication.unchecked import no_token
from kapi.settings import Settings

ROOT = Path(__file__).parents[2]
DEFINITION = (
    b'{"openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "paths": {}}'
)
CHECKS = set(no_token())
AUTHORITY = (ROOT / "tests/golden/_ca.pem").read_text()
HOSTS = ("backend", "a.example", "10.0.0.1", "[::1]", "xn--bcher-kva.example")
TEXTS = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=20
)
SCOPES = st.from_regex(r"[a-z]+:[a-z]+", fullmatch=True)
NAMES = st.from_regex(r"[a-z][a-z0-9]{0,6}", fullmatch=True)


class AnySecret(dict[tuple[str, str, str], str]):
    def get(self, secret: Any, default: Any = None) -> Any:
        return AUTHORITY if secret[2] == "ca.crt" else "-- a value: 100% {x} \\"


CONTEXT = render_context_from(
    Settings(Path("/data")),
    ca_file="/etc/ssl/certs/ca-certificates.crt",
    control_socket="/run/c.sock",
    identity_sockets=("/run/i.sock",),
    secrets=Secrets(AnySecret()),
)


def url(
    path: st.SearchStrategy[str], schemes: tuple[str, ...] = ("http", "https")
) -> st.SearchStrategy[str]:
    port = st.just("") | st.integers(1, 65535).map(lambda number: f":{number}")
    return st.builds(
        lambda scheme, host, port, path: f"{scheme}://{host}{port}{path}",
        st.sampled_from(schemes),
        st.sampled_from(HOSTS),
        port,
        path,
    )


SEGMENT = st.from_regex(r"[A-Za-z0-9._~!$&'()+,;=:@-]{1,8}", fullmatch=True).filter(
    lambda text: set(text) - {"."}
)
PATH = st.lists(SEGMENT, max_size=3).map(
    lambda parts: "".join(f"/{part}" for part in parts)
)
TARGET = st.builds(
    lambda parts, end: ("".join(f"/{part}" for part in parts) + end) or "/",
    st.lists(
        SEGMENT
        | NAMES.map(lambda name: f"{{{name}}}")
        | NAMES.map(lambda name: f"{name}-{{{name}}}.x"),
        max_size=4,
    ),
    st.sampled_from(["", "/*", "/"]),
)
HEADER = st.from_regex(
    r"[Xx]-[A-Za-z0-9]{1,8}(-[a-z0-9]{1,5})?", fullmatch=True
).filter(
    lambda text: not text.lower().startswith(("x-kapi-", "x-envoy-", "x-forwarded-"))
)
HEADER_VALUE = st.text(
    st.characters(
        min_codepoint=32,
        max_codepoint=0xFFFF,
        exclude_categories=["Cs", "Cc"],
        exclude_characters="\x7f",
    ),
    max_size=20,
).map(lambda text: text.strip(" \t"))
TOKEN = st.from_regex(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,10}", fullmatch=True)
ORIGIN = st.sampled_from(
    [
        "*",
        "https://app.example",
        "https://*.example",
        "http://localhost:*",
        "null",
        "a(b",
        "https://[::1]:*",
    ]
)

SPECIAL: dict[str, st.SearchStrategy[Any]] = {
    "id": st.from_regex(r"[A-Za-z0-9._-]{1,20}", fullmatch=True),
    "name": NAMES,
    "basePath": st.builds(
        lambda first, rest: f"/{first}{rest}",
        NAMES,
        st.sampled_from(["", "/b", "/b.c/~d"]),
    ),
    "version": st.sampled_from(["1.0.0", "v1", "v1.2", "2", "a_b", "1-2"]),
    "type": st.just("REST"),
    "aiProvider": st.sampled_from(sorted(BUILT_IN)).map(
        lambda known: {"name": known[0], "apiVersion": known[1]}
    ),
    "definitionPath": st.builds(lambda first: f"/defs/{first}.json", NAMES),
    "environment": NAMES,
    "target": TARGET,
    "verb": st.sampled_from(
        ["GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS", "HEAD"]
    ),
    "headerName": HEADER,
    "headerValue": HEADER_VALUE,
    "accessControlAllowOrigins": st.lists(ORIGIN, min_size=1, max_size=3),
    "accessControlAllowHeaders": st.lists(TOKEN, max_size=3),
    "accessControlAllowMethods": st.lists(TOKEN, max_size=3),
    "accessControlExposeHeaders": st.lists(TOKEN, max_size=3),
    "urls": st.lists(url(st.just("")), max_size=2),
    "backendUrl": url(PATH, ("http",)),
    "apiKeyNameKey": HEADER,
    "secretName": NAMES,
    "secretKey": st.just("ca.crt"),
    "header": HEADER,
    "queryParamName": NAMES,
    "audience": st.lists(NAMES, min_size=1, max_size=2),
    "scopes": st.lists(SCOPES, max_size=2),
    "loadBalancing": st.sampled_from(
        [
            {},
            {
                "kind": "leastRequest",
                "healthCheck": {"path": "/health", "statusCodes": [200, 204]},
            },
            {"kind": "ringHash", "hashOn": {"cookie": "c"}, "outlierDetection": {}},
            {"kind": "maglev", "hashOn": {"header": "X-User"}},
            {"kind": "random", "outlierDetection": {"serverErrors": 3}},
        ]
    ),
    "scopeAlternatives": st.lists(st.lists(SCOPES, min_size=1, max_size=2), max_size=3),
}
"""Fields whose rules say more than the schema; all others are made from their shape."""
NOT_HERE = frozenset(
    {
        "keyManagers",
        "tlsSecretName",
        "tlsSecretKey",
        "signingAlgorithm",
        "subscriptionValidation",
        "certificates",
        # Of other types of API than REST.
        "grpc",
        "grpcStatuses",
        "toolPrefix",
    }
)
POLICY_NAMES = (
    "AddHeader",
    "SetHeader",
    "RemoveHeader",
    "RequestMirror",
    "BackendJwt",
    "Interceptor",
)


def made(shape: Shape, name: str = "") -> st.SearchStrategy[Any]:
    """Values of a shape."""
    if name in SPECIAL:
        return SPECIAL[name]
    match shape:
        case Text():
            return (
                st.sampled_from(shape.one_of)
                if shape.one_of
                else st.text(
                    "abc xyz/ä",
                    min_size=shape.shortest,
                    max_size=min(shape.longest or 12, 12),
                )
            )
        case Flag():
            return st.booleans()
        case Whole():
            return st.integers(max(shape.least, 1), min(shape.most, 1000))
        case Items():
            return st.lists(made(shape.of), max_size=3)
        case Record():
            return record(shape)
        case ByField():
            return by_field(shape)
        case OneOf():
            return st.one_of(*(record(item) for item in shape.records))
        case Either(other=Items(of=of)) if of is PARAMETER:
            # Lists of parameters mean what mappings mean: tests/apis/test_parameter_lists.py.
            return made(shape.usual)
        case Either():
            return (
                st.one_of(made(shape.usual), made(shape.other, name))
                if not isinstance(shape.other, Text)
                else service_or_url()
            )
        case Anything():
            return st.none()


def service_or_url() -> st.SearchStrategy[Any]:
    service = st.fixed_dictionaries(
        {"name": NAMES, "namespace": NAMES, "port": st.integers(1, 65535)},
        optional={"protocol": st.sampled_from(["http", "https"])},
    )
    return url(PATH) | service


def record(shape: Record) -> st.SearchStrategy[dict[str, Any]]:
    fields = {
        name: made(of, name)
        for name, of in shape.fields.items()
        if name not in NOT_HERE
    }
    return st.fixed_dictionaries(
        {name: value for name, value in fields.items() if name in shape.required},
        optional={
            name: value for name, value in fields.items() if name not in shape.required
        },
    )


def by_field(shape: ByField) -> st.SearchStrategy[dict[str, Any]]:
    names = [
        name
        for name in shape.records
        if shape.name != "policyName" or name in POLICY_NAMES
    ]
    return st.sampled_from(names).flatmap(
        lambda name: record(shape.records[name]).map(
            lambda value: {**value, shape.name: name}
        )
    )


def mended(conf: dict[str, Any]) -> dict[str, Any]:
    """A conf of the right shape, without the combinations that no single field can rule out."""
    operations: dict[tuple[str, str], Any] = {}
    intercepted = "Interceptor" in json.dumps(conf)
    for item in conf["operations"]:
        if intercepted:
            # It may ask for bodies, which a stream does not have as a whole.
            item.pop("stream", None)
        if item.get("stream", {}).get("type") == "WebSocket":
            item["verb"] = "GET"
        # A tool needs an operation of the definition; these confs have none.
        item.pop("mcp", None)
        key = "/".join(
            "{}" if "{" in part else part
            for part in item["target"].rstrip("/").split("/")
        )
        operations.setdefault((item["verb"], key), item)
    conf["operations"] = list(operations.values()) or [{"target": "/x", "verb": "GET"}]
    conf["endpointConfigurations"] = {
        "production": {"endpoint": "http://backend"},
        **conf.get("endpointConfigurations", {}),
    }
    if conf["endpointConfigurations"].get("production") == []:
        conf["endpointConfigurations"]["production"] = {"endpoint": "http://backend"}
    if any((conf.get("apiPolicies") or {}).values()):
        for item in conf["operations"]:
            item.pop("operationPolicies", None)
    limits = [item for item in conf["operations"] if "rateLimit" in item]
    if "rateLimit" in conf:
        for item in limits:
            del item["rateLimit"]
    for owner, lists in [
        (conf, conf.get("apiPolicies")),
        *((item, item.get("operationPolicies")) for item in conf["operations"]),
    ]:
        for kind in (owner.get("endpointConfigurations") or {}).values():
            for endpoint in kind if isinstance(kind, list) else [kind]:
                _mend_endpoint(endpoint)
        for policy in [
            *(lists or {}).get("request", []),
            *(lists or {}).get("response", []),
        ]:
            _mend_policy(policy)
    _mend_ai_limits(conf)
    _mend_balancing(conf)
    authentication = {item["authType"]: item for item in conf.get("authentication", [])}
    conf["authentication"] = [
        item for kind, item in authentication.items() if kind == "OAuth2"
    ]
    for item in conf["authentication"]:
        if "dpop" in item:
            # Such a token is in Authorization only.
            for name in ("headerName", "queryParamName", "queryParamEnable"):
                item.pop(name, None)
        item.update({"enabled": True, "required": "mandatory"})
        item.pop("headerEnable", None)
    cors = conf.get("corsConfiguration")
    if cors is not None:
        cors.setdefault("accessControlAllowOrigins", ["*"])
    return conf


def _mend_endpoint(endpoint: dict[str, Any]) -> None:
    address = endpoint["endpoint"]
    secure = (
        address.get("protocol") == "https"
        if isinstance(address, dict)
        else address.startswith("https")
    )
    if not secure:
        endpoint.pop("certificate", None)
    if "securityType" not in endpoint.get("endpointSecurity", {}):
        endpoint.pop("endpointSecurity", None)

    if limits := endpoint.get("aiRatelimit"):
        limits["request"].setdefault("requestLimit", 5)
        for group in (limits["token"], limits["request"]):
            group.setdefault("unit", "Hour")


def _mend_ai_limits(conf: dict[str, Any]) -> None:
    """They need a provider, and are at one of the levels."""
    levels = [
        [
            endpoint
            for kind in (owner.get("endpointConfigurations") or {}).values()
            for endpoint in (kind if isinstance(kind, list) else [kind])
        ]
        for owner in (conf, *conf["operations"])
    ]
    limited = [
        [endpoint for endpoint in level if "aiRatelimit" in endpoint]
        for level in levels
    ]
    if any(limited):
        conf.setdefault("aiProvider", {"name": "OpenAI", "apiVersion": "v1"})
    for endpoint in itertools.chain(*limited[1:]) if limited[0] else ():
        del endpoint["aiRatelimit"]


def _mend_balancing(conf: dict[str, Any]) -> None:
    """AI APIs cannot have it, priorities need it, and its endpoints must be alike."""
    owners = [conf, *conf["operations"]]
    if "aiProvider" in conf:
        for owner in owners:
            owner.pop("loadBalancing", None)
    if any("loadBalancing" in owner for owner in owners):
        conf.setdefault("loadBalancing", {})
    for owner in owners:
        kinds = owner.get("endpointConfigurations") or {}
        for name, kind in kinds.items():
            listed = kind if isinstance(kind, list) else [kind]
            if "loadBalancing" not in conf:
                for endpoint in listed:
                    endpoint.pop("priority", None)
            elif len(listed) > 1:
                kinds[name] = [listed[0], {**listed[0], "weight": 2, "priority": 7}]


def _mend_policy(policy: dict[str, Any]) -> None:
    if policy["policyName"] in {"AddHeader", "SetHeader"}:
        policy["parameters"].setdefault("headerValue", "v")
    if policy["policyName"] == "Interceptor":
        policy["parameters"].pop("contextEnabled", None)
    if policy["policyName"] == "BackendJwt":
        policy.get("parameters", {}).pop("customClaims", None)
        policy.get("parameters", {}).pop("header", None)


CONFS = record(conf_format(POLICIES).root).map(mended)


def compiled(conf: dict[str, Any]) -> Any:
    return compile_api(
        json.dumps(conf).encode(), DEFINITION, organization="default", policies=POLICIES
    )


def rendered(conf: dict[str, Any], number: int) -> dict[str, Any]:
    """What Envoy gets, with a first segment of its own, so that many fit into one configuration."""
    conf = {**conf, "basePath": f"/n{number}{conf['basePath']}"}
    return render_api(with_modules(compiled(conf).api, lambda module: module), CONTEXT)


def examples(how_many: int) -> list[dict[str, Any]]:
    """Valid confs, always the same ones for the same code."""
    found: list[dict[str, Any]] = []

    @settings(
        max_examples=how_many,
        database=None,
        derandomize=True,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(CONFS)
    def collect(conf: dict[str, Any]) -> None:
        found.append(conf)

    collect()
    return found


def check_all(confs: list[dict[str, Any]]) -> None:
    """One run of Envoy for all; only a refusal is looked for one by one."""
    clusters: dict[str, Any] = {}
    scopes: list[Any] = []
    for number, conf in enumerate(confs):
        parts = rendered(conf, number)
        clusters |= {cluster["name"]: cluster for cluster in parts["clusters"]}
        scopes += parts["scopes"]
    for cluster in clusters.values():
        encode(CLUSTER, cluster)
    for scope in scopes:
        encode(SCOPE, scope)
    check = EnvoyCheck(find_envoy(""), processor_seconds=800, timeout=900)
    try:
        check(tuple(clusters.values()), scopes)
    except GatewayRejected:
        for number, conf in enumerate(confs):
            parts = rendered(conf, number)
            try:
                check(parts["clusters"], parts["scopes"])
            except GatewayRejected as error:
                pytest.fail(f"{error.detail}\n{json.dumps(conf, indent=1)}")
        raise


def test_any_valid_conf_becomes_what_envoy_takes() -> None:
    check_all(examples(60))


def test_a_route_checks_all_of_a_token_or_nothing() -> None:
    """The checks of a token are never off where one is asked for."""
    asked = 0
    for number, conf in enumerate(examples(60)):
        for route in routes_of(rendered(conf, number)):
            filters = route.get("typed_per_filter_config", {})
            off = {name for name in CHECKS if filters.get(name, {}).get("disabled")}
            to_backend = route.get("route", {}).get("cluster", CONTROL) != CONTROL
            if to_backend or off != {JWT_FILTER}:
                assert off in (set(), CHECKS), route
            if not off:
                assert filters[JWT_FILTER]["requirement_name"], route
                asked += 1
    assert asked


def routes_of(parts: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        route
        for scope in parts["scopes"]
        for host in scope["route_configuration"]["virtual_hosts"]
        for route in host["routes"]
    ]


@pytest.mark.long
def test_many_valid_confs_become_what_envoy_takes() -> None:
    every = examples(1500)
    for start in range(0, len(every), 250):
        check_all(every[start : start + 250])


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    return [
        path,
        *(place for key, item in inner for place in places(item, (*path, key))),
    ]


def changed(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = changed(copy[path[0]], path[1:], new)
    return copy


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | TEXTS
    | st.sampled_from(
        ["/", "/*", "{", "http://", "Host", "*", "a\nb", "GET", "X-Kapi-Path"]
    ),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            TEXTS | st.sampled_from(["name", "enabled", "endpoint"]), inner, max_size=3
        )
    ),
    max_leaves=6,
)


def mistakes(conf: Any) -> tuple[Diagnostic, ...]:
    try:
        compiled(conf)
    except Invalid as error:
        return error.diagnostics or pytest.fail("refused without a reason")
    return ()


def judge(conf: dict[str, Any], new: Any, seed: int) -> None:
    place = random.Random(seed).choice(places(conf))
    for item in mistakes(changed(conf, place, new)):
        assert item.message
        assert item.source == "apkConfiguration"
        assert item.line >= 1
        assert item.column >= 1
        assert item.pointer.startswith("#")


@given(CONFS, anything, st.integers(0, 2**32))
@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_conf_with_anything_anywhere_is_compiled_or_gets_located_mistakes(
    conf: dict[str, Any], new: Any, seed: int
) -> None:
    judge(conf, new, seed)


@pytest.mark.long
@given(CONFS, anything, st.integers(0, 2**32))
@settings(max_examples=5000, deadline=None, suppress_health_check=list(HealthCheck))
def test_many_confs_with_anything_anywhere_are_compiled_or_get_located_mistakes(
    conf: dict[str, Any], new: Any, seed: int
) -> None:
    judge(conf, new, seed)
