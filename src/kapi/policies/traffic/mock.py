"""Answers without a backend (kapi's own policy `MockResponse`).

The body is that of the conf, or the example that the OpenAPI document has for the status and media
type; without one, a value that fits the schema of the answer. Authentication, scopes and limits
come first. Not Envoy's direct response: its CORS filter does nothing on routes that have one.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final

from kapi.apis.conf.policy_part import ConfPart, ListedPolicy
from kapi.apis.conf.shapes import Record, Text, Whole
from kapi.apis.definitions.examples import example_of
from kapi.apis.definitions.openapi_operations import OpenApiReader
from kapi.apis.ir import Operation
from kapi.apis.model.conf import ApiConf, OperationConf, policy_named
from kapi.apis.model.rules import target_key
from kapi.dataclass import dataclass
from kapi.policies.contract import EnvoyRoute, HttpFilter, Phase, Place
from kapi.policies.kubernetes import KubernetesPlace, KubernetesRoute

name = "mock"
phase = Phase.MOCK
FILTER = "kapi.filters.http.mock"
_LUA = "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua"
_SCRIPT = """
function envoy_on_request(handle)
  local context = handle:filterContext()
  local headers = {[":status"] = context:get("status"), ["content-type"] = context:get("type")}
  handle:respond(headers, context:get("body"))
end
"""
filters = (
    HttpFilter(
        phase,
        FILTER,
        {"@type": _LUA, "default_source_code": {"inline_string": _SCRIPT}},
        disabled=True,
    ),
)

POLICY: Final = "MockResponse"
LARGEST: Final = 64 * 1024
"""Characters of a body."""
_JSON: Final = "application/json"
_MEDIA_TYPE: Final = (
    r"[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+(; ?[A-Za-z0-9-]+=[A-Za-z0-9._-]+)*"
)


@dataclass(frozen=True, slots=True)
class Mock:
    """One answer. A status of 0 is the first success of the definition, or 200."""

    policy: ClassVar[str] = name
    status: int = 0
    content_type: str = ""
    body: str | None = None
    """None: the one of the definition."""


def compile(conf: ApiConf, operation: OperationConf) -> Mock | None:
    """The one policy of the list; `completed` adds what the definition says."""
    item = policy_named(conf.policies_of(operation).request, POLICY)
    if item is None:
        return None
    return Mock(
        item.parameter("statusCode", 0),
        item.parameter("contentType", ""),
        item.parameter("body"),
    )


def completed(node: Mock, operation: Operation, source: OpenApiReader) -> Mock:
    """The node with the answer of the definition. See `apis.compile`."""
    if node.body is not None:
        return node
    found = source.operations.get((operation.verb, target_key(operation.target)), {})
    example = example_of(source, found, node.status, node.content_type)
    return Mock(example.status, example.content_type, example.body)


def envoy(node: Mock, place: Place) -> EnvoyRoute:  # noqa: ARG001 - the policy contract
    """A script that answers."""
    answer: dict[str, Any] = {"status": str(node.status or 200)}
    if node.body:
        answer |= {"type": node.content_type or _JSON, "body": node.body}
    return EnvoyRoute({FILTER: {"@type": f"{_LUA}PerRoute", "filter_context": answer}})


def kubernetes(node: Mock, at: KubernetesPlace) -> KubernetesRoute:  # noqa: ARG001
    """`directResponse` of an HTTPRouteFilter."""
    answer: dict[str, Any] = {"statusCode": node.status or 200}
    if node.body:
        answer["contentType"] = node.content_type or _JSON
        answer["body"] = {"type": "Inline", "inline": node.body}
    return KubernetesRoute(direct_response=answer)


conf_part = ConfPart(
    listed=(
        ListedPolicy(
            POLICY,
            flows=("request",),
            parameters=Record(
                {
                    "statusCode": Whole(200, 599),
                    "contentType": Text(
                        3, 128, pattern=_MEDIA_TYPE, hint="Write type/subtype."
                    ),
                    "body": Text(0, LARGEST),
                }
            ),
            descriptions={
                "statusCode": "The status; the first success of the definition when left out.",
                "contentType": "The media type; the first one of the definition when left out.",
                "body": "The body; the example of the definition when left out.",
            },
            example={"statusCode": 404, "body": "{}"},
            needs_parameters=False,
            once=True,
            types=("REST",),
        ),
    ),
)
