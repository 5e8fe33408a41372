"""The operations of an OpenAPI document, with schemas that are complete in themselves. Pure.

References are replaced by what they lead to. For what is made of a definition: the tools of an MCP
server, the validation of requests and mock responses.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any, Final

from kapi.apis.definitions.references import followed, target_of
from kapi.apis.model.rules import plain_target, target_key
from kapi.dataclass import dataclass
from kapi.typed import items, mapping, texts

JSON: Final = re.compile(r"application/([\w.-]+\+)?json\b")
"""Media types whose content is JSON (RFC 6839 §3.1)."""
METHODS: Final = ("GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS", "HEAD")
_DEEPEST: Final = 12
_MOST_SCHEMAS: Final = 10_000
"""Schemas in the place of references. References in references multiply them with each level."""
_DROPPED: Final = frozenset(
    (
        "xml",
        "discriminator",
        "externalDocs",
        "example",
        "nullable",
        "$schema",
        "$id",
        "$anchor",
    )
)
_SWAGGER: Final = (
    *("type", "items", "enum", "default", "format", "minimum", "maximum", "pattern"),
    *("minLength", "maxLength", "minItems", "maxItems", "multipleOf"),
)
"""Members of a parameter of Swagger 2.0 that are its schema."""


class OpenApiReader:
    """Reads one OpenAPI document of version 2.0, 3.0 or 3.1."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        """Store the document; the methods read it."""
        self.document = document

    @cached_property
    def operations(self) -> dict[tuple[str, str], dict[str, Any]]:
        """By verb and path; parameters of the path item are among those of the operation."""
        found = {}
        for path, given in mapping(self.document.get("paths")).items():
            item = mapping(self.followed(given))
            key = target_key(plain_target(path))
            for verb in METHODS:
                operation = mapping(item.get(verb.lower()))
                parameters = [
                    *items(item.get("parameters")),
                    *items(operation.get("parameters")),
                ]
                if operation:
                    found[verb, key] = {
                        **operation,
                        "parameters": parameters,
                        "path": path,
                    }
        return found

    def followed(self, item: Any) -> Any:
        """The item, or where its references lead."""
        return followed(self.document, item)

    def parameters(self, operation: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Those of an operation; of two with the same name and place the last."""
        by_place: dict[tuple[str, str], dict[str, Any]] = {}
        for given in operation["parameters"]:
            item = mapping(self.followed(given))
            if isinstance(item.get("name"), str):
                by_place[item["name"], str(item.get("in"))] = item
        yield from by_place.values()

    def parameter_schema(
        self, parameter: Mapping[str, Any], *, bundled: bool = False
    ) -> dict[str, Any]:
        """The schema of a parameter; in Swagger 2.0 it is in the parameter itself."""
        swagger = {name: parameter[name] for name in _SWAGGER if name in parameter}
        schema = parameter.get("schema") or swagger
        if bundled:
            return self.request_schema(schema)
        return self.schema(schema)

    def schema(self, given: Any) -> dict[str, Any]:
        """A schema of OpenAPI as JSON Schema 2020-12. What leads to itself is left open."""

        def inlined(
            reference: str, depth: int, seen: tuple[str, ...]
        ) -> dict[str, Any]:
            if reference in seen:
                return {}
            target = target_of(self.document, reference)
            return made.schema(target, depth, (*seen, reference))

        made = _Translation(inlined, left=_MOST_SCHEMAS)
        return made.schema(given)

    def request_schema(self, given: Any) -> dict[str, Any]:
        """The same for what a caller sends, with `$defs` for references.

        A member that is `readOnly` is not required (OpenAPI 3.0.4 §4.7.24).
        """
        return self._bundled(given, _required_of_callers)

    def response_schema(self, given: Any) -> dict[str, Any]:
        """The same for what a backend answers: `writeOnly` members are not required."""
        return self._bundled(given, _required_of_backends)

    def _bundled(
        self, given: Any, change: Callable[[dict[str, Any], dict[str, Any]], None]
    ) -> dict[str, Any]:
        names: dict[str, str] = {}
        definitions: dict[str, Any] = {}

        def bundled(reference: str, *_: Any) -> dict[str, Any]:
            if reference not in names:
                name = names[reference] = str(len(names))
                definitions[name] = {}
                definitions[name] = made.schema(target_of(self.document, reference))
            return {"$ref": f"#/$defs/{names[reference]}"}

        made = _Translation(bundled, change)
        schema = made.schema(given)
        if not definitions:
            return schema
        return {**schema, "$defs": definitions}


def _as_written(made: dict[str, Any], given: dict[str, Any]) -> None:
    """Leave the schema as it is written."""


def _required_of_callers(made: dict[str, Any], given: dict[str, Any]) -> None:
    """Leave out of `required` what only answers have."""
    _not_required(made, given, "readOnly")


def _required_of_backends(made: dict[str, Any], given: dict[str, Any]) -> None:
    """Leave out of `required` what only requests have."""
    _not_required(made, given, "writeOnly")


def _not_required(made: dict[str, Any], given: dict[str, Any], mark: str) -> None:
    if not isinstance(made.get("required"), list):
        return
    members = mapping(given.get("properties"))
    needed = []
    for name in texts(made["required"]):
        if mapping(members.get(name)).get(mark) is not True:
            needed.append(name)
    made["required"] = needed


@dataclass(slots=True)
class _Translation:
    """From schemas of OpenAPI to JSON Schema."""

    reference: Callable[[str, int, tuple[str, ...]], dict[str, Any]]
    """What is in the place of a reference, by its depth and the references around it."""
    change: Callable[[dict[str, Any], dict[str, Any]], None] = _as_written
    """Changes a made schema; the second is what it is made of."""
    left: int = sys.maxsize
    """Schemas that may still be made; the others are left open."""

    def schema(
        self, given: Any, depth: int = 0, seen: tuple[str, ...] = ()
    ) -> dict[str, Any]:
        """One schema with all its parts."""
        reference = mapping(given).get("$ref")
        if isinstance(reference, str):
            return self.reference(reference, depth, seen)
        self.left -= 1
        if not isinstance(given, dict) or depth > _DEEPEST or self.left < 0:
            return {}
        made = {}
        for name, value in given.items():
            if name in _DROPPED or name.startswith("x-"):
                continue
            made[name] = self._part(name, value, depth, seen)
        self.change(made, given)
        return _translated(made, given)

    def _part(self, name: str, value: Any, depth: int, seen: tuple[str, ...]) -> Any:
        if name in ("properties", "patternProperties") and isinstance(value, dict):
            return {
                key: self.schema(item, depth + 1, seen) for key, item in value.items()
            }
        if name in ("allOf", "anyOf", "oneOf", "prefixItems") and isinstance(
            value, list
        ):
            return [self.schema(item, depth + 1, seen) for item in value]
        is_schema = name in (
            "items",
            "not",
            "additionalProperties",
            "contains",
            "propertyNames",
        )
        if is_schema and isinstance(value, dict):
            return self.schema(value, depth + 1, seen)
        return value


def _translated(made: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """Words of OpenAPI 3.0 in those of JSON Schema."""
    for exclusive, limit in (
        ("exclusiveMinimum", "minimum"),
        ("exclusiveMaximum", "maximum"),
    ):
        if not isinstance(made.get(exclusive), bool):
            continue
        if made.pop(exclusive) and limit in made:
            made[exclusive] = made.pop(limit)
    if given.get("nullable") is not True:
        return made
    if isinstance(made.get("enum"), list) and None not in made["enum"]:
        made["enum"] = [*made["enum"], None]
    if isinstance(made.get("type"), str):
        return {**made, "type": [made["type"], "null"]}
    if "type" in made:
        return made
    return {"anyOf": [made, {"type": "null"}]}
