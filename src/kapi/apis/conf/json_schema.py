"""The JSON Schema (draft 7, which editors understand best) of the apk-conf, made from `schema.py`.

It has the rules of the reader's first step and a description of every field. Rules that need more
than one field are in the reader only. Called by `kapi schema`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from typing import Any

from kapi.apis.conf.policy_part import HasConfPart
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
from kapi.dataclass import dataclass

Path = tuple[str, ...]
"""Names of fields, and of the policy or authentication type where a field decides the shape."""


def json_schema(policies: Iterable[HasConfPart]) -> dict[str, Any]:
    """The whole schema; a shape that is used in several places is written once.

    A field without a description has none.
    """
    conf = conf_format(policies)
    uses = Counter(map(id, _records(conf.root)))
    shared = frozenset(shape for shape, times in uses.items() if times > 1)
    writer = _Writer(shared, conf.descriptions)
    whole = writer.schema(conf.root, ())
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "apk-conf",
        **whole,
        "definitions": writer.definitions,
    }


def description(path: Path, known: Mapping[str, str]) -> str:
    """What a field means: the text for the longest end of its path that has one, or ""."""
    ends = [".".join(("", *path))]
    ends += [".".join(path[start:]) for start in range(len(path))]
    for end in ends:
        if end in known:
            return known[end]
    return ""


def _records(shape: Shape) -> Iterator[Record]:
    """Every record, once for each place where it is used."""
    match shape:
        case Record():
            yield shape
            inner: Iterable[Shape] = shape.fields.values()
        case ByField():
            inner = shape.records.values()
        case OneOf():
            inner = shape.records
        case Either():
            inner = (shape.usual, shape.other)
        case Items():
            inner = (shape.of,)
        case _:
            inner = ()
    for item in inner:
        yield from _records(item)


@dataclass(frozen=True, slots=True)
class _Writer:
    """Writes shapes. `shared` has the identities of records that are used in several places."""

    shared: frozenset[int]
    descriptions: Mapping[str, str]
    definitions: dict[str, Any] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)

    def schema(self, shape: Shape, path: Path) -> dict[str, Any]:
        match shape:
            case Text():
                return _text(shape)
            case Flag():
                return {"type": "boolean"}
            case Whole():
                return {
                    "type": "integer",
                    "minimum": shape.least,
                    "maximum": shape.most,
                }
            case Items():
                return self._items(shape, path)
            case Record():
                return self._shared_or_written(shape, path)
            case ByField():
                return self._by_field(shape, path)
            case OneOf():
                return {
                    "anyOf": [self.schema(record, path) for record in shape.records]
                }
            case Either():
                return {
                    "anyOf": [
                        self.schema(shape.usual, path),
                        self.schema(shape.other, path),
                    ]
                }
            case Anything():
                return {}

    def _items(self, shape: Items, path: Path) -> dict[str, Any]:
        schema: dict[str, Any] = {"type": "array", "items": self.schema(shape.of, path)}
        if shape.most:
            schema["maxItems"] = shape.most
        return schema

    def _shared_or_written(self, shape: Record, path: Path) -> dict[str, Any]:
        if id(shape) in self.shared:
            return self._shared(shape, path)
        return self._record(shape, path)

    def _shared(self, shape: Record, path: Path) -> dict[str, Any]:
        if id(shape) not in self.names:
            name = path[-1] if path[-1] not in self.definitions else ".".join(path)
            self.names[id(shape)] = name
            self.definitions[name] = {}
            self.definitions[name] = self._record(shape, path)
        return {"$ref": f"#/definitions/{self.names[id(shape)]}"}

    def _record(self, shape: Record, path: Path) -> dict[str, Any]:
        fields = {
            name: self._field(of, (*path, name)) for name, of in shape.fields.items()
        }
        required = {}
        if shape.required:
            required = {"required": list(shape.required)}
        return {
            "type": "object",
            "properties": fields,
            **required,
            "additionalProperties": shape.more,
        }

    def _field(self, shape: Shape, path: Path) -> dict[str, Any]:
        schema = self.schema(shape, path)
        # Draft 7 ignores the other keywords of a reference.
        described = {"allOf": [schema]}
        if "$ref" not in schema:
            described = schema
        return self._description(path) | described

    def _description(self, path: Path) -> dict[str, Any]:
        text = description(path, self.descriptions)
        if text:
            return {"description": text}
        return {}

    def _by_field(self, shape: ByField, path: Path) -> dict[str, Any]:
        """`if … then` for each value, so that a mistake in one is not told as a mistake in all."""
        names = self._description((*path, shape.name)) | {"enum": list(shape.records)}
        branches = [
            {
                "if": {
                    "properties": {shape.name: {"const": value}},
                    "required": [shape.name],
                },
                "then": self.schema(record, (*path, value)),
            }
            for value, record in shape.records.items()
        ]
        return {
            "type": "object",
            "properties": {shape.name: names},
            "required": [shape.name],
            "allOf": branches,
        }


def _text(shape: Text) -> dict[str, Any]:
    if shape.one_of:
        return {"type": "string", "enum": list(shape.one_of)}
    limits = {
        "minLength": shape.shortest,
        "maxLength": shape.longest,
        "pattern": f"^(?:{shape.pattern})$" if shape.pattern else "",
    }
    return {
        "type": "string",
        **{name: value for name, value in limits.items() if value},
    }
