"""Requests that the definition does not describe are refused (kapi's own `RequestValidation`).

Answers that it does not describe are told to the access log, if the conf asks for that.

Parameters of path, query, headers and cookies, the media type and JSON bodies are compared with the
OpenAPI document by a WebAssembly module inside Envoy (`wasm/validation`). An operation that the
definition does not have is not checked. They act after authentication and scopes, and before
limits: a refused request counts nowhere.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, ClassVar, Final

from kapi.apis.conf.policy_part import ConfPart, ListedPolicy
from kapi.apis.conf.shapes import FLAG, Record
from kapi.apis.definitions.openapi_operations import JSON, OpenApiReader
from kapi.apis.ir import Operation
from kapi.apis.model.conf import ApiConf, OperationConf, policy_named
from kapi.apis.model.rules import target_key
from kapi.dataclass import dataclass
from kapi.policies.admission import ON
from kapi.policies.authentication.node import Authentication
from kapi.policies.contract import EnvoyRoute, HttpFilter, Phase, Place
from kapi.policies.guardrails.patterns import pattern_fault
from kapi.policies.kubernetes import KubernetesPlace, KubernetesRoute, not_possible
from kapi.policies.own_modules import built, module_filter
from kapi.typed import mapping, of_kind

name = "request_validation"
phase = Phase.GUARD

POLICY: Final = "RequestValidation"
FILTER: Final = "kapi.validation"
"""Also the name of the route metadata that the module reads."""
MODULE: Final = built("validation")
LARGEST: Final = 512 * 1024
"""Characters of the schemas of one operation."""
filters = (
    HttpFilter(
        phase,
        FILTER,
        module_filter(FILTER, FILTER, MODULE),
        disabled=True,
        on_demand=True,
    ),
)
_UNCHECKED_HEADERS: Final = {"accept", "content-type", "authorization"}
"""Header parameters that OpenAPI ignores (3.0.4 §4.7.12.1)."""
_SEPARATORS: Final = {
    "csv": ",",
    "ssv": " ",
    "tsv": "\t",
    "pipes": "|",
    "multi": "",
    "spaceDelimited": " ",
    "pipeDelimited": "|",
}
"""Collection formats of Swagger 2.0, and styles of OpenAPI 3 that are not those of a place."""
_FLAGS: Final = ("parameters", "body", "unknownQuery")
_PLACES: Final = ("path", "query", "header", "cookie")


@dataclass(frozen=True, slots=True)
class RequestValidation:
    """What the module checks, as JSON; empty if the definition does not have the operation."""

    policy: ClassVar[str] = name
    checks: str = ""
    unchecked: tuple[str, ...] = ()
    """Which of the parameters of the policy are false."""
    responses: bool = False
    """Whether answers are compared too."""


def compile(conf: ApiConf, operation: OperationConf) -> RequestValidation | None:
    """The wishes of the conf; `completed` adds what the definition says."""
    item = policy_named(conf.policies_of(operation).request, POLICY)
    if item is None:
        return None
    unchecked = tuple(key for key in _FLAGS if item.parameter(key) is False)
    responses = item.parameter("responses", default=False)
    return RequestValidation("", unchecked, responses)


def completed(
    node: RequestValidation, operation: Operation, source: OpenApiReader
) -> RequestValidation:
    """The node with the checks that the definition asks for. See `apis.compile`."""
    found = source.operations.get((operation.verb, target_key(operation.target)))
    if found is None:
        return node
    checks: dict[str, Any] = {"parameters": []}
    if "parameters" not in node.unchecked:
        checks["parameters"] = list(_parameters(source, found))
        checks["refusesUnknown"] = "unknownQuery" in node.unchecked
    if "body" not in node.unchecked and (body := _body(source, found)):
        checks["body"] = body
    text = _text(checks)
    if node.responses and mapping(found.get("responses")):
        both = _text(
            checks | {"responses": {"statuses": list(_statuses(source, found))}}
        )
        # Schemas of answers must not be the reason why requests are not checked.
        text = both if len(both) <= LARGEST else text
    return replace(node, checks=text if len(text) <= LARGEST else "")


def _text(checks: Mapping[str, Any]) -> str:
    return json.dumps(checks, ensure_ascii=False, separators=(",", ":"))


def _statuses(
    source: OpenApiReader, operation: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    """The answers of the definition: status, class of statuses or `default`, and media types."""
    for status, given in mapping(operation.get("responses")).items():
        answer = mapping(source.followed(given))
        content = mapping(answer.get("content"))
        if not content and isinstance(answer.get("schema"), dict):
            content = {
                name: {"schema": answer["schema"]}
                for name in _produced(source, operation)
            }
        types = [_answer_type(source, name, item) for name, item in content.items()]
        yield {"status": str(status), "types": types}


def _produced(source: OpenApiReader, operation: Mapping[str, Any]) -> list[str]:
    """The media types of answers in Swagger 2.0."""
    given = (
        operation.get("produces")
        or source.document.get("produces")
        or ["application/json"]
    )
    return (
        [str(item) for item in given]
        if isinstance(given, list)
        else ["application/json"]
    )


def _answer_type(source: OpenApiReader, media_type: str, item: Any) -> dict[str, Any]:
    bare = str(media_type).partition(";")[0].strip()
    schema = mapping(item).get("schema")
    if not JSON.match(bare) or not isinstance(schema, dict):
        return {"type": bare}
    return {
        "type": bare,
        "schema": _without_other_patterns(source.response_schema(schema)),
    }


def _parameters(
    source: OpenApiReader, operation: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    """The parameters that the module can read; others are not checked."""
    for parameter in source.parameters(operation):
        place = str(parameter.get("in"))
        header = parameter["name"].lower() if place == "header" else ""
        if (
            place not in _PLACES
            or "content" in parameter
            or header in _UNCHECKED_HEADERS
        ):
            continue
        schema = _without_other_patterns(
            source.parameter_schema(parameter, bundled=True)
        )
        if _is_object(schema):
            continue
        made = {"in": place, "name": header or parameter["name"], "schema": schema}
        if place == "path":
            segment = _segment(str(operation["path"]), parameter["name"])
            if segment is None:
                continue
            made["segment"] = segment
        if parameter.get("required") is True and place != "path":
            made["required"] = True
        if _is_list(schema):
            made["separator"] = _separator(parameter, place)
        yield made


def _segment(path: str, parameter: str) -> int | None:
    """The number of the segment that is this parameter and nothing else."""
    segments = path.split("/")
    wanted = f"{{{parameter}}}"
    return segments.index(wanted) if wanted in segments else None


def _is_list(schema: Mapping[str, Any]) -> bool:
    resolved = _resolved(schema)
    return resolved.get("type") in ("array", ["array", "null"])


def _is_object(schema: Mapping[str, Any]) -> bool:
    resolved = _resolved(schema)
    return (
        resolved.get("type") in ("object", ["object", "null"])
        or "properties" in resolved
    )


def _resolved(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a schema that is nothing but a reference leads to."""
    known = mapping(schema.get("$defs"))
    here: Mapping[str, Any] = schema
    for _ in range(len(known) + 1):
        if "$ref" not in here:
            return here
        here = mapping(known.get(str(here["$ref"]).removeprefix("#/$defs/")))
    return {}


def _separator(parameter: Mapping[str, Any], place: str) -> str:
    """What is between the items of a list; empty if each item has the parameter's name."""
    given = parameter.get("collectionFormat") or parameter.get("style")
    explode = parameter.get("explode")
    is_swagger = "schema" not in parameter
    if given in _SEPARATORS and not (place == "query" and explode is True):
        return _SEPARATORS[str(given)]
    if place in ("path", "header") or explode is False or is_swagger:
        return ","
    return ""


def _body(source: OpenApiReader, operation: Mapping[str, Any]) -> dict[str, Any]:
    """Media types with their schemas; empty if the definition says nothing of a body."""
    body = mapping(source.followed(operation.get("requestBody")))
    content = mapping(body.get("content"))
    if content:
        types = [_media_type(source, name, item) for name, item in content.items()]
        return {"required": body.get("required") is True, "types": types}
    for parameter in source.parameters(operation):
        if parameter.get("in") == "body":
            item = {"schema": parameter.get("schema")}
            types = [
                _media_type(source, name, item) for name in _consumed(source, operation)
            ]
            return {"required": parameter.get("required") is True, "types": types}
    return {}


def _consumed(source: OpenApiReader, operation: Mapping[str, Any]) -> list[str]:
    """The media types of a body in Swagger 2.0."""
    given = (
        operation.get("consumes")
        or source.document.get("consumes")
        or ["application/json"]
    )
    return (
        [str(item) for item in given]
        if isinstance(given, list)
        else ["application/json"]
    )


def _media_type(source: OpenApiReader, media_type: str, item: Any) -> dict[str, Any]:
    bare = str(media_type).partition(";")[0].strip()
    schema = mapping(item).get("schema")
    if not JSON.match(bare) or not isinstance(schema, dict):
        return {"type": bare}
    return {
        "type": bare,
        "schema": _without_other_patterns(source.request_schema(schema)),
    }


def _without_other_patterns(schema: Any) -> Any:
    """The schema without patterns that need more than linear time, which the module lacks."""
    if isinstance(schema, list):
        return [_without_other_patterns(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    pattern = schema.get("pattern")
    drops = isinstance(pattern, str) and pattern_fault(pattern) is not None
    return {
        key: _without_other_patterns(item)
        for key, item in schema.items()
        if not (drops and key == "pattern")
    }


def envoy(node: RequestValidation, place: Place) -> EnvoyRoute:
    """Switch the filter on and say what it checks."""
    if not node.checks:
        return EnvoyRoute()
    checks = json.loads(node.checks)
    before = place.base_path.rstrip("/").count("/")
    for parameter in checks["parameters"]:
        if "segment" in parameter:
            parameter["segment"] += before
    if "responses" in checks:
        checks["responses"]["most"] = place.gateway.enforcer.max_body_bytes
    checks["credentials"] = _query_credentials(place.operation)
    config = _text(checks)
    digest = hashlib.sha256(config.encode()).hexdigest()[:32]
    return EnvoyRoute(
        {FILTER: ON},
        metadata={FILTER: {"id": digest, "config": config}},
        route={"request_body_buffer_limit": place.gateway.enforcer.max_body_bytes},
    )


def _query_credentials(operation: Operation) -> list[str]:
    """Query parameters that hold a token or a key."""
    nodes = of_kind(operation.policies, Authentication)
    return [item.query for node in nodes for item in node.credentials if item.query]


def kubernetes(node: RequestValidation, at: KubernetesPlace) -> KubernetesRoute:  # noqa: ARG001
    """Not possible."""
    return not_possible(
        "the validation of requests is done by a module of kapi's gateway",
        "Remove RequestValidation, or deploy the API to kapi's gateway.",
    )


conf_part = ConfPart(
    listed=(
        ListedPolicy(
            POLICY,
            flows=("request",),
            parameters=Record({**dict.fromkeys(_FLAGS, FLAG), "responses": FLAG}),
            descriptions={
                "parameters": "Whether path, query, headers and cookies are checked; true.",
                "body": "Whether the media type and the body are checked; true.",
                "responses": "Whether answers are compared and told to the access log; false.",
                "unknownQuery": "Whether other query parameters are let through; true.",
            },
            example={"unknownQuery": False},
            needs_parameters=False,
            once=True,
            types=("REST",),
        ),
    ),
)
