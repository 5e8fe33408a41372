"""The answer that an OpenAPI document gives as an example of an operation. Pure.

And the values of an example of its request. Where the document gives none, a value is made that
fits the schema, out of the examples, defaults and first values that its parts have.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from kapi.apis.definitions.openapi_operations import JSON, OpenApiReader
from kapi.dataclass import dataclass
from kapi.typed import items, mapping

_MOST: Final = 2000
"""Schemas that one made value comes from."""
_MOST_ITEMS: Final = 10
_LONGEST_TEXT: Final = 1000
_SUCCESS: Final = re.compile(r"2[0-9][0-9]")
_SENT: Final = re.compile(r"[!-~][ -~]{0,199}")
"""Names of media types that may be the value of a header."""
_TEXTS: Final = {
    "date": "2026-01-01",
    "date-time": "2026-01-01T00:00:00Z",
    "email": "someone@example.com",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
}
"""Format → a text of it."""


@dataclass(frozen=True, slots=True)
class Example:
    """One answer. The body is None if the document says nothing of one."""

    status: int
    content_type: str = ""
    body: str | None = None


def example_of(
    source: OpenApiReader, operation: Mapping[str, Any], status: int, content_type: str
) -> Example:
    """The answer with this status and media type; 0 and "" are the first success and its first."""
    found, response = _response(source, mapping(operation.get("responses")), status)
    content = mapping(response.get("content")) or _swagger_content(operation, response)
    chosen = _media_type(content, content_type)
    if not chosen:
        return Example(found, content_type)
    value = _value(source, mapping(content[chosen]))
    if isinstance(value, str) and not JSON.match(chosen):
        return Example(found, chosen, value)
    return Example(found, chosen, json.dumps(value, ensure_ascii=False))


@dataclass(frozen=True, slots=True)
class SentExample:
    """The body of one request, as a value. The media type is empty if there is no body."""

    content_type: str = ""
    value: Any = None


def sent_example(source: OpenApiReader, operation: Mapping[str, Any]) -> SentExample:
    """The body that a caller of an operation may send; JSON if the operation reads it."""
    body = mapping(source.followed(operation.get("requestBody")))
    content = mapping(body.get("content")) or _swagger_body(source, operation)
    chosen = _media_type(content, "")
    if not chosen:
        return SentExample()
    return SentExample(chosen, _value(source, mapping(content[chosen]), "readOnly"))


def parameter_example(source: OpenApiReader, parameter: Mapping[str, Any]) -> Any:
    """A value of a parameter of the path, the query or a header."""
    if "content" in parameter:
        return _value(
            source, mapping(next(iter(mapping(parameter["content"]).values()), {}))
        )
    schema = parameter.get("schema") or source.parameter_schema(parameter)
    return _value(source, {**parameter, "schema": schema})


def _swagger_body(
    source: OpenApiReader, operation: Mapping[str, Any]
) -> dict[str, Any]:
    """The body of Swagger 2.0 as the content of an OpenAPI 3 one."""
    fields: dict[str, Any] = {}
    schema: Any = None
    for parameter in source.parameters(operation):
        if parameter.get("in") == "body":
            schema = parameter.get("schema")
        elif parameter.get("in") == "formData":
            fields[parameter["name"]] = source.parameter_schema(parameter)
    read = list(map(str, items(operation.get("consumes"))))
    if fields:
        name = next(iter(read), "application/x-www-form-urlencoded")
        return {name: {"schema": {"type": "object", "properties": fields}}}
    if schema is None:
        return {}
    return {name: {"schema": schema} for name in read or ["application/json"]}


def _response(
    source: OpenApiReader, responses: Mapping[str, Any], status: int
) -> tuple[int, dict[str, Any]]:
    """The status, and what the document says of it."""
    if not status:
        status = int(
            min(filter(_SUCCESS.fullmatch, map(str, responses)), default="200")
        )
    for key in (str(status), f"{status // 100}XX", f"{status // 100}xx", "default"):
        if key in responses:
            return status, mapping(source.followed(responses[key]))
    return status, {}


def _swagger_content(
    operation: Mapping[str, Any], response: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """An answer of Swagger 2.0 as the content of an OpenAPI 3 one."""
    examples = mapping(response.get("examples"))
    if "schema" not in response and not examples:
        return {}
    produced = list(map(str, items(operation.get("produces"))))
    names = [*examples, *produced] or ["application/json"]
    made: dict[str, dict[str, Any]] = {}
    for name in names:
        made[name] = {"schema": response.get("schema")}
        if name in examples:
            made[name]["example"] = examples[name]
    return made


def _media_type(content: Mapping[str, Any], wanted: str) -> str:
    """The name of the chosen media type; empty if there is none."""
    if wanted:
        for name in content:
            if name.lower() == wanted.lower():
                return name
        return ""
    names = list(filter(_SENT.fullmatch, content))
    json_types = list(filter(JSON.match, names))
    return next(iter((*json_types, *names)), "")


def _value(
    source: OpenApiReader, media_type: Mapping[str, Any], without: str = "writeOnly"
) -> Any:
    """The value of a media type or parameter, with no made members that are marked `without`."""
    if "example" in media_type:
        return media_type["example"]
    for given in mapping(media_type.get("examples")).values():
        example = mapping(source.followed(given))
        if "value" in example:
            return example["value"]
    return _Sampler(source, without).value(media_type.get("schema"))


class _Sampler:
    """Makes values that fit schemas, as far as their parts say so. Bounded in depth and size."""

    def __init__(self, source: OpenApiReader, without: str) -> None:
        self._source = source
        self._without = without
        self._left = _MOST

    def value(self, given: Any, within: tuple[int, ...] = ()) -> Any:
        """A value; `within` has the schemas that this one is a part of."""
        schema = mapping(self._source.followed(given))
        for key in ("example", "default", "const"):
            if key in schema:
                return schema[key]
        for key in ("examples", "enum"):
            if items(schema.get(key)):
                return schema[key][0]
        self._left -= 1
        if self._left < 0 or id(schema) in within:
            return None
        within = (*within, id(schema))
        for key in ("oneOf", "anyOf"):
            if items(schema.get(key)):
                return self.value(schema[key][0], within)
        if items(schema.get("allOf")):
            return self._joined(schema, within)
        return self._of_type(schema, within)

    def _joined(self, schema: dict[str, Any], within: tuple[int, ...]) -> Any:
        """The members of all parts of `allOf`."""
        made: dict[str, Any] = {}
        for part in schema["allOf"]:
            value = self.value(part, within)
            if isinstance(value, dict):
                made |= value
        return made | self._members(schema, within)

    def _members(
        self, schema: dict[str, Any], within: tuple[int, ...]
    ) -> dict[str, Any]:
        made = {}
        for name, item in mapping(schema.get("properties")).items():
            if mapping(self._source.followed(item)).get(self._without) is not True:
                made[name] = self.value(item, within)
        return made

    def _of_type(self, schema: dict[str, Any], within: tuple[int, ...]) -> Any:
        kind = _type(schema)
        if kind == "object":
            return self._members(schema, within)
        if kind == "array":
            return self._list(schema, within)
        if kind in ("integer", "number"):
            return schema.get("minimum", 0)
        if kind == "string":
            text = _TEXTS.get(str(schema.get("format")), "text")
            return text.ljust(min(_whole(schema.get("minLength")), _LONGEST_TEXT), "x")
        if kind == "boolean":
            return False
        return None

    def _list(self, schema: dict[str, Any], within: tuple[int, ...]) -> list[Any]:
        """As many items as there must be, at least one; none of a list within itself."""
        item = mapping(self._source.followed(schema.get("items")))
        if id(item) in within:
            return []
        number = min(max(1, _whole(schema.get("minItems"))), _MOST_ITEMS)
        before = self._left
        value = self.value(item, within)
        # Lists in lists would have as many values as the product of their lengths.
        size = max(1, before - self._left)
        number = min(number, 1 + max(0, self._left) // size)
        self._left -= (number - 1) * size
        return [value] * number


def _type(schema: Mapping[str, Any]) -> str:
    """The first type that a schema names, or the one that its members suggest."""
    given = schema.get("type")
    for name in items(given) or [given]:
        if isinstance(name, str) and name != "null":
            return name
    if "properties" in schema:
        return "object"
    if "items" in schema:
        return "array"
    return ""


def _whole(value: Any) -> int:
    if isinstance(value, int):
        return value
    return 0
