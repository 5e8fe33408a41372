"""The JSON Schema (draft 7) of settings, made from their dataclasses.

Types, choices and ranges are those that the reader checks; the descriptions are the texts below the
fields in the code. Called by `kapi schema`.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import textwrap
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from itertools import pairwise
from typing import Any, Final

from kapi.settings import SECTIONS
from kapi.settings.values import Form, field_types, form_of, needed

_PLAIN: Final[Mapping[Any, str]] = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
}


def schema_of(cls: type, *, files: bool = False) -> dict[str, Any]:
    """The schema of an object with the fields of a settings class, and no others.

    `files`: as in kapi.toml, where NAME_file may give a secret.
    """
    types, texts = field_types(cls), _texts(cls)
    properties, required = {}, []
    either: list[dict[str, Any]] = []
    for field in dataclasses.fields(cls):
        name = field.name
        is_needed = name in needed(cls) or bool(field.metadata.get("needed"))
        shape = _shape(types[name], field.metadata, files=files)
        if name in texts:
            shape["description"] = texts[name]
        properties[name] = shape
        if files and field.metadata.get("secret"):
            about = f"A file with the value of {name}, relative to kapi.toml."
            properties[f"{name}_file"] = {"type": "string", "description": about}
            either.append(_one_of(name, is_needed=is_needed))
        elif is_needed:
            required.append(name)
    made = {
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
        "required": required,
    }
    if either:
        made["allOf"] = either
    return made


def settings_schema() -> dict[str, Any]:
    """The schema of kapi.toml.

    What settings say together, and whether a URL or a name is one, only the reader checks.
    """
    sections = {name: schema_of(cls, files=True) for name, cls in SECTIONS.items()}
    for section in sections.values():
        # A section has a default for each of its fields, and its own secrets come from no file.
        section.pop("required")
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "kapi.toml",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "data_dir": {
                "type": "string",
                "description": "Keys, deployed APIs and logs.",
            },
            **sections,
        },
    }


def _one_of(name: str, *, is_needed: bool) -> dict[str, Any]:
    """A secret itself or its file, never both."""
    both = [{"required": [name]}, {"required": [f"{name}_file"]}]
    if is_needed:
        return {"oneOf": both}
    return {"not": {"allOf": both}}


def _shape(kind: Any, metadata: Mapping[str, Any], *, files: bool) -> dict[str, Any]:
    form, inner = form_of(kind)
    return _SHAPES[form](inner, metadata, files=files)


def _any(*_: Any, **_options: Any) -> dict[str, Any]:
    return {}


def _path(*_: Any, **_options: Any) -> dict[str, Any]:
    return {"type": "string"}


def _settings(
    cls: type, _metadata: Mapping[str, Any], *, files: bool
) -> dict[str, Any]:
    return schema_of(cls, files=files)


def _list(kind: Any, metadata: Mapping[str, Any], *, files: bool) -> dict[str, Any]:
    return {"type": "array", "items": _shape(kind, metadata, files=files)}


def _table(kind: Any, _metadata: Mapping[str, Any], *, files: bool) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": _shape(kind, {}, files=files)}


def _scalar(kind: Any, metadata: Mapping[str, Any], **_options: Any) -> dict[str, Any]:
    shape: dict[str, Any] = {"type": _PLAIN.get(kind, "string")}
    if "choices" in metadata:
        shape["enum"] = list(metadata["choices"])
    if "range" in metadata:
        shape["minimum"], shape["maximum"] = metadata["range"]
    return shape


_SHAPES: Mapping[Form, Callable[..., dict[str, Any]]] = {
    Form.ANY: _any,
    Form.PATH: _path,
    Form.SCALAR: _scalar,
    Form.SETTINGS: _settings,
    Form.LIST: _list,
    Form.TABLE: _table,
}
"""What makes the schema of a form."""


@cache
def _texts(cls: type) -> Mapping[str, str]:
    """The texts below the fields of a class."""
    body = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]
    assert isinstance(body, ast.ClassDef)  # noqa: S101 - the source of a class
    return dict(_described(body.body))


def _described(statements: list[ast.stmt]) -> Iterator[tuple[str, str]]:
    for field, text in pairwise(statements):
        if not isinstance(field, ast.AnnAssign) or not isinstance(
            field.target, ast.Name
        ):
            continue
        if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
            yield field.target.id, inspect.cleandoc(str(text.value.value))
