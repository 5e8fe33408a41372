"""Checks a value against the type of its setting. Called by `reading.py` and the issuers API.

The types are those of the dataclasses: text, whole numbers, switches, lists, tables, JSON values,
and lists or tables of other settings. The metadata of a field add: `range` (least, greatest),
`choices`, `secret` (the value may come from a file: NAME_file), `needed` (not empty), `key` (no two
items of a list have the same value).
"""

from __future__ import annotations

import dataclasses
import difflib
import typing
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

REFUSED = object()
"""The result for a wrong value; the mistake has been reported."""
Wrong = Callable[..., None]
"""Called with the dotted name, what is wrong, and a hint."""
_NAMES_OF_TYPES = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}
_NO_METADATA: Mapping[str, Any] = {}


def checked(
    kind: Any, value: Any, where: str, wrong: Wrong, metadata: Mapping[str, Any] = _NO_METADATA
) -> Any:
    """The value as its setting holds it, or REFUSED after `wrong` was called."""
    if kind is Any:
        return value
    if kind is Path:
        return _path(value, where, wrong)
    if _is_settings(kind):
        return _record(kind, value, where, wrong)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is tuple:
        return _list(arguments[0], value, where, wrong, metadata)
    if origin is dict:
        return _table(arguments[1], value, where, wrong)
    return _scalar(kind, value, where, wrong, metadata)


def _is_settings(kind: Any) -> bool:
    return isinstance(kind, type) and dataclasses.is_dataclass(kind)


@cache
def field_types(cls: type) -> Mapping[str, Any]:
    """The type of each field of a settings class. Cached: sign-ins build records with it too."""
    hints = typing.get_type_hints(cls)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls)}


def built(kind: Any, value: Any) -> Any:
    """A checked value from JSON: lists become tuples, tables become settings."""
    if kind is Path:
        return Path(value)
    if _is_settings(kind):
        types = field_types(kind)
        fields = {name: built(types[name], item) for name, item in value.items()}
        return kind(**fields)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is tuple:
        kind_of_items = arguments[0]
        return tuple(built(kind_of_items, item) for item in value)
    if origin is dict:
        kind_of_items = arguments[1]
        return {name: built(kind_of_items, item) for name, item in value.items()}
    return value


def _refuse(wrong: Wrong, where: str, message: str, hint: str = "") -> Any:
    wrong(where, message, hint)
    return REFUSED


def _path(value: Any, where: str, wrong: Wrong) -> Any:
    if not isinstance(value, str | Path):
        return _refuse(wrong, where, "must be a path")
    try:
        return Path(value).expanduser()
    except RuntimeError:
        what = f"{value} needs a home directory, which this user does not have"
        return _refuse(wrong, where, what, "Write the whole path.")


def _scalar(kind: Any, value: Any, where: str, wrong: Wrong, metadata: Mapping[str, Any]) -> Any:
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind:
        wanted = _NAMES_OF_TYPES.get(kind, "of another type")
        return _refuse(wrong, where, f"must be {wanted}, not {type(value).__name__}")
    if "range" in metadata:
        low, high = metadata["range"]
        if not low <= value <= high:
            return _refuse(wrong, where, f"must be between {low} and {high}, not {value}")
    choices = metadata.get("choices", (value,))
    if value not in choices:
        shown = repr(value)
        if metadata.get("secret"):
            shown = "this"
        known = ", ".join(map(str, choices))
        return _refuse(wrong, where, f"{shown} is not known here", f"Known: {known}.")
    return value


def _list(kind: Any, value: Any, where: str, wrong: Wrong, metadata: Mapping[str, Any]) -> Any:
    if not isinstance(value, list | tuple):
        return _not_a_list(kind, where, wrong)
    # The choices of a list are those of its items.
    items = [
        checked(kind, item, f"{where}[{number}]", wrong, metadata)
        for number, item in enumerate(value)
    ]
    if REFUSED in items:
        return REFUSED
    name = _key(kind)
    if name:
        keys = [getattr(item, name) for item in items]
        repeated = sorted({key for key in keys if keys.count(key) > 1})
        if repeated:
            return _refuse(wrong, where, f"the {name} {repeated[0]!r} occurs twice")
    return tuple(items)


def _not_a_list(kind: Any, where: str, wrong: Wrong) -> Any:
    if dataclasses.is_dataclass(kind):
        return _refuse(wrong, where, "must be a list of tables", f"Write [[{where}]] before each.")
    name = where.rpartition(".")[2]
    return _refuse(wrong, where, "must be a list", f'Write {name} = ["…", "…"].')


def _key(kind: Any) -> str:
    """The field that identifies an item of a list, or an empty text."""
    if not dataclasses.is_dataclass(kind):
        return ""
    for field in dataclasses.fields(kind):
        if field.metadata.get("key"):
            return field.name
    return ""


def _table(kind: Any, value: Any, where: str, wrong: Wrong) -> Any:
    if not isinstance(value, dict):
        hint = f"Write [{where}] and a line for each entry."
        return _refuse(wrong, where, "must be a table", hint)
    items = {name: checked(kind, item, f"{where}.{name}", wrong) for name, item in value.items()}
    if REFUSED in items.values():
        return REFUSED
    return items


def _record(cls: type, value: Any, where: str, wrong: Wrong) -> Any:
    """Settings made of a table, or REFUSED after all mistakes in it were reported."""
    if not isinstance(value, dict):
        return _refuse(wrong, where, "must be a table")
    given, unread = _with_secrets(cls, value, where, wrong)
    results = {name: _field(cls, name, item, where, wrong) for name, item in given.items()}
    missing = False
    for field in dataclasses.fields(cls):
        if _is_needed(field) and field.name not in given:
            missing = True
            wrong(where, f"{_spellings(field)} is missing", "")
    if unread or missing or REFUSED in results.values():
        return REFUSED
    return cls(**results)


def _spellings(field: dataclasses.Field[Any]) -> str:
    """The name of a setting, and that of the file that may have its value."""
    if field.metadata.get("secret"):
        return f"{field.name} (or {field.name}_file)"
    return field.name


def _field(cls: type, name: str, value: Any, where: str, wrong: Wrong) -> Any:
    types = field_types(cls)
    if name not in types:
        close = difflib.get_close_matches(name, types, 1)
        hint = ""
        if close:
            hint = f"Did you mean {close[0]}?"
        return _refuse(wrong, f"{where}.{name}", "unknown setting", hint)
    field = next(item for item in dataclasses.fields(cls) if item.name == name)
    result = checked(types[name], value, f"{where}.{name}", wrong, field.metadata)
    if field.metadata.get("needed") and result == "":
        return _refuse(wrong, f"{where}.{name}", "must not be empty")
    return result


def _is_needed(field: dataclasses.Field[Any]) -> bool:
    """Whether a field has no default."""
    no_factory = field.default_factory is dataclasses.MISSING
    return field.default is dataclasses.MISSING and no_factory


def _with_secrets(
    cls: type, value: Mapping[str, Any], where: str, wrong: Wrong
) -> tuple[dict[str, Any], bool]:
    """The values with the content of each NAME_file as NAME, and whether one could not be read."""
    given, unread = dict(value), False
    secrets = [field.name for field in dataclasses.fields(cls) if field.metadata.get("secret")]
    for name in secrets:
        file_name = f"{name}_file"
        if file_name not in given:
            continue
        file = given.pop(file_name)
        if name in given:
            unread = True
            wrong(where, f"give one of {name} and {file_name}", "")
            continue
        given[name] = ""
        content = _content(file, f"{where}.{file_name}", wrong)
        if content is REFUSED:
            unread = True
        else:
            given[name] = content
    return given, unread


def _content(file: Any, where: str, wrong: Wrong) -> Any:
    try:
        return Path(str(file)).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        hint = "Name a readable text file; a relative path starts at kapi.toml's folder."
        return _refuse(wrong, where, f"cannot read {file}", hint)
