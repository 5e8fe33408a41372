"""JSONSchemaGuardrail: a body, or the JSON in a text of it, fits a schema.

The schema is of JSON Schema 2020-12, with the keywords below.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from collections.abc import Mapping as Table
from typing import Any, Final

from kapi.apis import report as codes
from kapi.apis.conf.nodes import is_text
from kapi.apis.conf.policy_part import ListedPolicy
from kapi.apis.conf.shapes import FLAG, Either, Record, Text
from kapi.apis.report import Report, below
from kapi.apis.yaml_positions import Mapping, key_mark
from kapi.apis.yaml_positions import plain as plain_node
from kapi.policies.guardrails.common import COMMON, DESCRIPTIONS, Check
from kapi.policies.guardrails.patterns import pattern_fault
from kapi.typed import items, mapping

_TYPES: Final = {"object", "array", "string", "number", "integer", "boolean", "null"}
_ONE: Final = ("additionalProperties", "items", "not")
_MANY: Final = ("allOf", "anyOf", "oneOf")
_NAMED: Final = ("properties", "$defs")
_NUMBERS: Final = {
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    *(
        "minLength",
        "maxLength",
        "minItems",
        "maxItems",
        "minProperties",
        "maxProperties",
    ),
}
_NOTES: Final = {
    "$schema",
    "$id",
    "title",
    "description",
    "default",
    "examples",
    "format",
}
_OTHERS: Final = {"type", "required", "enum", "const", "pattern", "$ref"}
KEYWORDS: Final = frozenset({*_ONE, *_MANY, *_NAMED, *_NUMBERS, *_NOTES, *_OTHERS})
_DEEPEST: Final = 32


def _faults(
    schema: Any, defs: Table[str, Any], place: str, depth: int = 0
) -> Iterator[str]:
    if isinstance(schema, bool):
        return
    if not isinstance(schema, dict) or depth > _DEEPEST:
        yield f"{place} is not a schema"
        return
    for name in schema:
        if name not in KEYWORDS:
            yield f"{place} has the unknown keyword {name}"
    yield from _value_faults(schema, defs, place)
    for name in _ONE:
        if name in schema:
            yield from _faults(schema[name], defs, f"{place}/{name}", depth + 1)
    for name in _MANY:
        for number, item in enumerate(items(schema.get(name))):
            yield from _faults(item, defs, f"{place}/{name}/{number}", depth + 1)
    for name in _NAMED:
        for key, item in mapping(schema.get(name)).items():
            yield from _faults(item, defs, f"{place}/{name}/{key}", depth + 1)


def _value_faults(
    schema: Table[str, Any], defs: Table[str, Any], place: str
) -> Iterator[str]:
    types = schema.get("type", "object")
    names = items(types) or [types]
    for name in names:
        if name not in _TYPES:
            yield f"{place} has the unknown type {name}"
    yield from _type_faults(schema, place)
    if "pattern" in schema:
        fault = pattern_fault(str(schema["pattern"]))
        if fault:
            yield f"{place}/pattern: {fault.message}"
    ref = schema.get("$ref")
    if ref is not None and str(ref).removeprefix("#/$defs/") not in defs:
        yield f"{place} refers to {str(ref)[:60]}, which is not in $defs"


def _type_faults(schema: Table[str, Any], place: str) -> Iterator[str]:
    for name in _NUMBERS & schema.keys():
        number = schema[name]
        if type(number) not in (int, float):
            yield f"{place}/{name} is not a number"
        elif name == "multipleOf" and number <= 0:
            yield f"{place}/multipleOf is not more than 0"
    for name in (*_MANY, "required", "enum"):
        if name in schema and not isinstance(schema[name], list):
            yield f"{place}/{name} is not a list"
    for name in _NAMED:
        if not isinstance(schema.get(name, {}), dict):
            yield f"{place}/{name} is not a mapping"


def _check(parameters: Mapping, pointer: str, report: Report) -> None:
    node = parameters.entries.get("schema")
    if node is None or report.has_within(below(pointer, "schema")):
        return
    place = key_mark(parameters, "schema", pointer)
    schema = plain_node(node)
    if is_text(node):
        try:
            schema = json.loads(schema)
        except (ValueError, RecursionError):
            report.add(
                codes.FORMAT, "schema is not JSON", place, "Write a JSON Schema."
            )
            return
    known = mapping(mapping(schema).get("$defs"))
    hint = f"Keywords that are checked: {', '.join(sorted(KEYWORDS - _NOTES))}."
    for fault in list(_faults(schema, known, "#"))[:10]:
        report.add(codes.FORMAT, f"schema: {fault}", place, hint)


def _own(given: Table[str, Any]) -> dict[str, Any]:
    schema = given["schema"]
    if isinstance(schema, str):
        schema = json.loads(schema)
    return {"schema": schema, "invert": given.get("invert", False)}


CHECK: Final = Check(
    "JSON_SCHEMA_GUARDRAIL",
    ListedPolicy(
        "JSONSchemaGuardrail",
        flows=("request", "response"),
        both_levels=True,
        parameters=Record(
            {
                **COMMON,
                "schema": Either(Record({}, more=True), Text(2, 32 * 1024)),
                "invert": FLAG,
            },
            ("schema",),
        ),
        descriptions={
            **DESCRIPTIONS,
            "schema": "The JSON Schema, as a mapping or as JSON.",
            "invert": "true refuses what fits the schema. false when left out.",
        },
        example={"schema": {"type": "object", "required": ["model"]}},
        check=_check,
    ),
    _own,
)
