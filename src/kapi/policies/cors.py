"""Cross-origin requests (apk-conf `corsConfiguration`; Fetch standard §3.2, "HTTP CORS protocol").

A pre-flight request needs no token and reaches no backend. Each target gets an OPTIONS operation of
its own unless the conf has one; it answers a plain OPTIONS request with the verbs that the target
has (RFC 9110 §9.3.7).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, ClassVar, Final

from kapi.apis import report as codes
from kapi.apis.conf.nodes import is_true, items_at
from kapi.apis.conf.policy_part import ConfField, ConfPart
from kapi.apis.conf.shapes import FLAG, TEXT, Items, Record, Whole
from kapi.apis.ir import Endpoint, Operation
from kapi.apis.kinds.rest import RestOperation
from kapi.apis.model.conf import ApiConf, OperationConf
from kapi.apis.model.rules import target_key
from kapi.apis.report import Report
from kapi.apis.yaml_positions import Mapping, Scalar, Sequence, mark
from kapi.dataclass import dataclass
from kapi.policies.authentication.node import Authentication
from kapi.policies.contract import EnvoyRoute, HttpFilter, Phase, Place, literal_header
from kapi.policies.kubernetes import KubernetesPlace, KubernetesRoute, not_possible
from kapi.typed import first_of, of_kind

name = "cors"
phase = Phase.CORS

FILTER = "envoy.filters.http.cors"
PER_ROUTE = "type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy"
OPTIONS_FILTER = "kapi.filters.http.options"
_SCRIPT = """
function envoy_on_request(handle)
  local context = handle:filterContext()
  local body = context:get("body")
  local type = body and "application/json; charset=UTF-8"
  local headers = {[":status"] = context:get("status") or "204", ["content-type"] = type}
  headers["allow"], headers["vary"] = context:get("allow"), context:get("vary")
  handle:respond(headers, body)
end
"""
"""Not a direct response: Envoy's CORS filter does nothing on routes that have one."""
_LUA = {
    "@type": "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua",
    "default_source_code": {"inline_string": _SCRIPT},
}
filters = (
    HttpFilter(
        phase,
        FILTER,
        {"@type": "type.googleapis.com/envoy.extensions.filters.http.cors.v3.Cors"},
        disabled=True,
    ),
    HttpFilter(phase, OPTIONS_FILTER, _LUA, disabled=True),
)
_LUA_PER_ROUTE = "type.googleapis.com/envoy.extensions.filters.http.lua.v3.LuaPerRoute"
_ALLOWED = (
    "allow-origin",
    "allow-credentials",
    "allow-headers",
    "allow-methods",
    "allow-private-network",
)
_PERMISSIONS = tuple(
    f"access-control-{name}" for name in (*_ALLOWED, "expose-headers", "max-age")
)
"""Removed from answers of backends: the filter adds those of the conf (Fetch standard §3.2.3)."""
_ORIGIN_PART = "[A-Za-z0-9.:_-]*"
"""What a `*` within an origin matches: part of a host, or a port."""
_KUBERNETES_ORIGIN = re.compile(
    r"\*|[A-Za-z][A-Za-z0-9+.-]*://(\*|(\*\.)?([\w-]+\.)*[\w-]+)(:\d{1,5})?", re.ASCII
)


FIELD: Final = "corsConfiguration"
_ORIGINS: Final = "accessControlAllowOrigins"
_HEADERS: Final = "accessControlAllowHeaders"
_METHODS: Final = "accessControlAllowMethods"
_EXPOSED: Final = "accessControlExposeHeaders"


@dataclass(frozen=True, slots=True)
class Cors:
    """Who may read answers, and what a pre-flight request is told.

    `options` is what a plain OPTIONS request is told it may use.
    """

    policy: ClassVar[str] = name
    origins: tuple[str, ...]
    credentials: bool = False
    headers: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    max_age: int | None = None
    expose_headers: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    """Empty for an operation of the conf, which has a backend to ask."""


def compile(conf: ApiConf, operation: OperationConf) -> Cors | None:  # noqa: ARG001
    """The same for every operation."""
    return _node(conf)


def added_operations(
    conf: ApiConf, operations: tuple[Operation, ...]
) -> tuple[Operation, ...]:
    """An OPTIONS operation for every path that has none."""
    if _node(conf) is None:
        return ()
    by_path: dict[str, list[Operation]] = {}
    for operation in operations:
        by_path.setdefault(target_key(operation.path), []).append(operation)
    return tuple(
        RestOperation(
            verb="OPTIONS",
            target=same[0].path,
            production=_first(*(item.production for item in same)),
            sandbox=_first(*(item.sandbox for item in same)),
            policies=(
                _node(conf, tuple(sorted({"OPTIONS", *_methods(same)}))),
                Authentication(required=False),
            ),
        )
        for same in by_path.values()
        if "OPTIONS" not in _methods(same)
    )


def _methods(operations: Iterable[Operation]) -> frozenset[str]:
    return frozenset(method for operation in operations for method in operation.methods)


def _node(conf: ApiConf, options: tuple[str, ...] = ()) -> Cors | None:
    cors = conf.field(FIELD)
    if cors is None or not cors.get("corsConfigurationEnabled"):
        return None

    def distinct(name: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(cors.get(name, ())))

    return Cors(
        origins=distinct(_ORIGINS),
        credentials=cors.get("accessControlAllowCredentials", False),
        headers=distinct(_HEADERS),
        methods=distinct(_METHODS),
        max_age=cors.get("accessControlAllowMaxAge"),
        expose_headers=distinct(_EXPOSED),
        options=options,
    )


def _first(*endpoints: tuple[Endpoint, ...]) -> tuple[Endpoint, ...]:
    """It is there where one of the target's operations is."""
    for item in endpoints:
        if item:
            return item[:1]
    return ()


def envoy(node: Cors, place: Place) -> EnvoyRoute:
    """Envoy's filter: the answer for an origin that is not allowed has no permission."""
    per_route = {FILTER: _policy(node)}
    if node.options:
        allow = _allow(node, place)
        per_route[OPTIONS_FILTER] = {
            "@type": _LUA_PER_ROUTE,
            "filter_context": {"allow": allow},
        }
    return EnvoyRoute(
        per_route,
        response_headers_to_add=_vary(node),
        remove_response_headers=_PERMISSIONS,
    )


def kubernetes(node: Cors, at: KubernetesPlace) -> KubernetesRoute:
    """The same rules; what answers a plain OPTIONS request is a script."""
    wrong = []
    for origin in node.origins:
        if not _KUBERNETES_ORIGIN.fullmatch(origin):
            wrong.append(origin)
    if wrong:
        hint = "Write https://host:port, with * for the first labels of the host only, or *."
        return not_possible(f"the origin {wrong[0]} of the CORS rules", hint)
    rules: dict[str, Any] = {
        "allowOrigins": list(node.origins),
        "allowMethods": list(node.methods),
        "allowHeaders": list(node.headers),
        "exposeHeaders": list(node.expose_headers),
    }
    rules = {name: values for name, values in rules.items() if values}
    if node.max_age is not None:
        rules["maxAge"] = f"{max(0, node.max_age)}s"
    if node.credentials:
        rules["allowCredentials"] = True
    scripts = [{"type": "Inline", "inline": _answer_options(node, at.place)}]
    return KubernetesRoute({"cors": rules}, lua=scripts if node.options else ())


def _answer_options(node: Cors, place: Place) -> str:
    headers = f'[":status"] = "204", ["allow"] = "{_allow(node, place)}"'
    return (
        f'function envoy_on_request(handle)\n  handle:respond({{{headers}}}, "")\nend\n'
    )


def _allow(node: Cors, place: Place) -> str:
    """The methods of a target, as `Allow` lists them."""
    rest = place.api.type == "REST" and not place.gateway.apk_methods
    head: set[str] = set()
    if rest and "GET" in node.options:
        head = {"HEAD"}
    return ", ".join(sorted({*node.options, *head}))


def answer(place: Place, status: int, body: str, allow: str = "") -> EnvoyRoute | None:
    """The gateway itself answers, with the API's cross-origin headers; None without such rules."""
    node = first_of(place.operation.policies, Cors)
    if node is None:
        return None
    vary = {}
    if _vary(node):
        vary = {"vary": "Origin"}
    context = {
        "status": str(status),
        "body": body,
        **({"allow": allow} if allow else {}),
        **vary,
    }
    per_route = {
        FILTER: _policy(node),
        OPTIONS_FILTER: {"@type": _LUA_PER_ROUTE, "filter_context": context},
    }
    return EnvoyRoute(per_route)


def allowed_origins(place: Place) -> tuple[str, ...]:
    """The origins whose pages may call an API; a `*` matches any part of a host or port."""
    nodes = list(of_kind(place.operation.policies, Cors))
    return tuple(origin for node in nodes for origin in node.origins)


def _policy(node: Cors) -> dict[str, Any]:
    policy: dict[str, Any] = {
        "@type": PER_ROUTE,
        "allow_origin_string_match": list(map(_origin, node.origins)),
    }
    for field, values in (
        ("allow_methods", node.methods),
        ("allow_headers", node.headers),
        ("expose_headers", node.expose_headers),
    ):
        if values:
            policy[field] = ", ".join(values)
    if node.max_age is not None:
        policy["max_age"] = str(node.max_age)
    if node.credentials:
        policy["allow_credentials"] = True
    return policy


def _vary(node: Cors) -> list[dict[str, Any]]:
    if node.origins == ("*",) and not node.credentials:
        return []
    return [literal_header("vary", "Origin", "APPEND_IF_EXISTS_OR_ADD")]


def _origin(origin: str) -> dict[str, Any]:
    if origin == "*" or "*" not in origin:
        return {"exact": origin}
    return {
        "safe_regex": {"regex": _ORIGIN_PART.join(map(re.escape, origin.split("*")))}
    }


_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_ORIGIN: Final = re.compile(r"(?!(?:[^*]*\*){9})[\x21-\x7e]{1,512}")
"""At most eight stars: it becomes a regular expression for the gateway."""
_HEADER_HINT: Final = "Use letters, digits and `-` (RFC 9110 §5.1), or *."
_RULES: Final = {
    _ORIGINS: (
        _ORIGIN,
        "an origin",
        "Write it as https://host:port, with * for a part of the host (at most 8), or *.",
    ),
    _HEADERS: (_TOKEN, "a header name", _HEADER_HINT),
    _METHODS: (_TOKEN, "a method", "Write GET, POST and so on, or *."),
    _EXPOSED: (_TOKEN, "a header name", _HEADER_HINT),
}
"""Fields with the form of their items, what an item is, and what to write."""


def _check(root: Mapping, report: Report) -> None:
    cors = root.entries.get(FIELD)
    if not isinstance(cors, Mapping):
        return
    for name, (form, what, hint) in _RULES.items():
        for item, here in items_at(cors, name, f"#/{FIELD}"):
            if not isinstance(item, Scalar) or not isinstance(item.value, str):
                continue
            if not form.fullmatch(item.value):
                message = f"[{item.value[:60]}] is not {what}"
                report.add(codes.HEADER, message, mark(item, here), hint)
    origins = cors.entries.get(_ORIGINS)
    has_origins = isinstance(origins, Sequence) and bool(origins.items)
    if is_true(cors, "corsConfigurationEnabled") and not has_origins:
        message = f"required key [{_ORIGINS}] not found"
        hint = "Name the origins that may read answers, or `*`."
        report.add(codes.MISSING, message, mark(cors, f"#/{FIELD}"), hint)


_TEXTS: Final = Items(TEXT)
conf_part = ConfPart(
    fields=(
        ConfField(
            FIELD,
            places=("api",),
            shape=Record(
                {
                    "corsConfigurationEnabled": FLAG,
                    "accessControlAllowCredentials": FLAG,
                    "accessControlAllowMaxAge": Whole(-1),
                    _ORIGINS: _TEXTS,
                    _HEADERS: _TEXTS,
                    _METHODS: _TEXTS,
                    _EXPOSED: _TEXTS,
                }
            ),
            descriptions={
                f".{FIELD}": "Which web pages may call the API from a browser.",
                "corsConfigurationEnabled": (
                    "true answers cross-origin requests. false when left out."
                ),
                _ORIGINS: (
                    "Origins that may read answers, as https://host:port; `*` matches a part of "
                    "the host, alone any origin."
                ),
                "accessControlAllowCredentials": (
                    "true lets browsers send cookies and other credentials. false when left out."
                ),
                _HEADERS: "Request headers that pages may set.",
                _METHODS: "Methods that pages may use.",
                "accessControlAllowMaxAge": (
                    "Seconds a browser may remember the answer to a pre-flight request."
                ),
                _EXPOSED: "Response headers that pages may read.",
            },
        ),
    ),
    check=_check,
)
