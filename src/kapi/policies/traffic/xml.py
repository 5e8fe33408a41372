"""JSON for callers of a backend that speaks XML, and the reverse (`JSONToXML`, `XMLToJSON`).

Policies of kapi's own, for both flows, by a Lua filter (`lua/xml.lua`). Bodies are bounded by
`gateway.enforcer.max_body_bytes` and 100,000 values, what is made of them by four times as many
bytes. Document types are refused, so there are no entities to expand and nothing to fetch.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final

from kapi.apis import report as codes
from kapi.apis.conf.policy_part import ConfPart, ListedPolicy
from kapi.apis.conf.shapes import Record, Text
from kapi.apis.model.conf import (
    ApiConf,
    OperationConf,
    PolicyConf,
    policies_named,
    policy_named,
)
from kapi.apis.report import Report
from kapi.dataclass import dataclass
from kapi.policies.contract import EnvoyRoute, HttpFilter, Phase, Place, literal_header
from kapi.policies.kubernetes import KubernetesPlace, KubernetesRoute, not_possible
from kapi.policies.lua import script
from kapi.policies.streams.conf import FIELD as STREAM

name = "xml"
phase = Phase.TRANSFORM
FILTER = "kapi.filters.http.xml"
_LUA: Final = "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua"
filters = (
    HttpFilter(
        phase,
        FILTER,
        {
            "@type": _LUA,
            "clear_route_cache": False,
            "default_source_code": {"inline_string": script("json", "xml")},
        },
        disabled=True,
    ),
)

TO_XML: Final = "JSONToXML"
TO_JSON: Final = "XMLToJSON"
_FORMATS: Final = {TO_XML: "xml", TO_JSON: "json"}
_ROOT: Final = "root"
_GROWTH: Final = 4


@dataclass(frozen=True, slots=True)
class Xml:
    """The format that bodies get in each flow: `xml`, `json`, or empty where they stay."""

    policy: ClassVar[str] = name
    request: str = ""
    response: str = ""
    root: str = _ROOT
    """The name of the root element that JSON gets."""


def compile(conf: ApiConf, operation: OperationConf) -> Xml | None:
    """The policy of each list."""
    policies = conf.policies_of(operation)
    request = policy_named(policies.request, *_FORMATS)
    response = policy_named(policies.response, *_FORMATS)
    if request is None and response is None:
        return None
    return Xml(
        _format(request), _format(response), _root(request) or _root(response) or _ROOT
    )


def _format(item: PolicyConf | None) -> str:
    return "" if item is None else _FORMATS[item.name]


def _root(item: PolicyConf | None) -> str:
    return "" if item is None else str(item.parameter("root", ""))


def envoy(node: Xml, place: Place) -> EnvoyRoute:
    """Switch the filter on. Where answers are read, the backend is asked for their format."""
    most = place.gateway.enforcer.max_body_bytes
    context: dict[str, Any] = {"root": node.root, "most": most * _GROWTH}
    if node.request:
        context["request"] = node.request
    asked = []
    if node.response:
        context["response"] = node.response
        source = "json" if node.response == "xml" else "xml"
        asked = [literal_header("accept", f"application/{source}")]
    return EnvoyRoute(
        {FILTER: {"@type": f"{_LUA}PerRoute", "filter_context": context}},
        request_headers_to_add=asked,
        # A compressed answer could not be read.
        remove_request_headers=("accept-encoding",) if node.response else (),
        route={"request_body_buffer_limit": most},
    )


def kubernetes(node: Xml, at: KubernetesPlace) -> KubernetesRoute:  # noqa: ARG001
    """Not possible."""
    return not_possible(
        "the transformation of JSON and XML by a script of kapi's gateway",
        f"Remove {TO_XML} and {TO_JSON}, or deploy the API to kapi's gateway.",
    )


def _check_conf(conf: ApiConf, report: Report) -> None:
    """Refuse both in one list, two names of the root element, and streams, which have no end."""
    for operation in conf.operations:
        policies = conf.policies_of(operation)
        found: list[PolicyConf] = []
        for flow in (policies.request, policies.response):
            here = policies_named(flow, *_FORMATS)
            found += here
            if len(here) > 1:
                message = f"a list has {TO_XML} and {TO_JSON}"
                report.add(
                    codes.COMBINATION, message, here[1].mark, "Keep one of them."
                )
        if found and operation.field(STREAM) is not None:
            message = f"{found[0].name} cannot read {operation.verb} {operation.target}"
            hint = "It is a stream, which has no end: remove the policy."
            report.add(codes.COMBINATION, message, found[0].mark, hint)


_NAME: Final = Text(
    1, 64, pattern=r"[A-Za-z_][A-Za-z0-9_.-]*", hint="Write a name of an element."
)
_COMMON: Final[dict[str, Any]] = {
    "flows": ("request", "response"),
    "needs_parameters": False,
    "once": True,
    "types": ("REST",),
}
conf_part = ConfPart(
    listed=(
        ListedPolicy(
            TO_XML,
            parameters=Record({"root": _NAME}),
            descriptions={"root": "The name of the root element; root."},
            example={"root": "order"},
            **_COMMON,
        ),
        ListedPolicy(
            TO_JSON, parameters=Record({}), descriptions={}, example={}, **_COMMON
        ),
    ),
    check_conf=_check_conf,
)
