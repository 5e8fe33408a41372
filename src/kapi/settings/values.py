"""Checks one value against the type its setting has, by the annotations of `settings.py`. Called by `settings/reading.py`.

It knows text, whole numbers, switches, lists, tables, JSON-like values and lists or tables of nested settings, and what the
field's metadata say: `range` (least, greatest), `choices`, `secret` (may come from a file: NAME_file).
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
"""Stands for a value that was wrong; the mistake has been reported."""
Wrong = Callable[..., None]
"""Called with the dotted name, what is wrong, and a hint."""
_WORDS = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}


def checked(
    kind: Any, value: Any, where: str, wrong: Wrong, metadata: Mapping[str, Any] | None = None
) -> Any:
    """The value as its setting holds it, or REFUSED after `wrong` was called."""
    metadata = metadata or {}
    if kind is Any:
        return value
    if kind is Path:
        return (
            _path(value, where, wrong)
            if isinstance(value, str | Path)
            else _refuse(wrong, where, "must be a path", "")
        )
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return _record(kind, value, where, wrong)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is tuple:
        return _list(arguments[0], value, where, wrong, metadata)
    if origin is dict:
        return _table(arguments[1], value, where, wrong)
    return _scalar(kind, value, where, wrong, metadata)


@cache
def field_types(cls: type) -> Mapping[str, Any]:
    """The type of each field of a settings class; looked up once, since records of sign-ins are built by it too."""
    hints = typing.get_type_hints(cls)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls)}


def built(kind: Any, value: Any) -> Any:
    """A checked value out of JSON, for the processes that get checked settings: lists to tuples, tables to settings."""
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        types = field_types(kind)
        return kind(**{name: built(types[name], item) for name, item in value.items()})
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is tuple:
        return tuple(built(arguments[0], item) for item in value)
    if origin is dict:
        return {name: built(arguments[1], item) for name, item in value.items()}
    return Path(value) if kind is Path else value


def _path(value: str | Path, where: str, wrong: Wrong) -> Any:
    try:
        return Path(value).expanduser()
    except RuntimeError:
        return _refuse(
            wrong,
            where,
            f"{value} needs a home directory, which this user does not have",
            "Write the whole path.",
        )


def _refuse(wrong: Wrong, where: str, message: str, hint: str) -> Any:
    wrong(where, message, hint)
    return REFUSED


def _scalar(kind: Any, value: Any, where: str, wrong: Wrong, metadata: Mapping[str, Any]) -> Any:
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind:
        return _refuse(
            wrong,
            where,
            f"must be {_WORDS.get(kind, 'of another type')}, not {type(value).__name__}",
            "",
        )
    if "range" in metadata:
        low, high = metadata["range"]
        if not low <= value <= high:
            return _refuse(wrong, where, f"must be between {low} and {high}, not {value}", "")
    return _choice(value, where, wrong, metadata)


def _choice(value: Any, where: str, wrong: Wrong, metadata: Mapping[str, Any]) -> Any:
    choices = metadata.get("choices")
    if choices and value not in choices:
        shown = repr(value) if not metadata.get("secret") else "this"
        return _refuse(
            wrong, where, f"{shown} is not known here", f"Known: {', '.join(map(str, choices))}."
        )
    return value


def _list(kind: Any, value: Any, where: str, wrong: Wrong, metadata: Mapping[str, Any]) -> Any:
    if not isinstance(value, list | tuple):
        nested = dataclasses.is_dataclass(kind)
        hint = (
            f"Write [[{where}]] before each."
            if nested
            else f'Write {where.rpartition(".")[2]} = ["…", "…"].'
        )
        return _refuse(
            wrong, where, "must be a list of tables" if nested else "must be a list", hint
        )
    # The choices of a list are those of its items.
    items = [
        checked(kind, item, f"{where}[{number}]", wrong, metadata)
        for number, item in enumerate(value)
    ]
    if any(item is REFUSED for item in items):
        return REFUSED
    if dataclasses.is_dataclass(kind) and (name := _key(kind)):
        keys = [getattr(item, name) for item in items]
        for repeated in sorted({key for key in keys if keys.count(key) > 1}):
            return _refuse(wrong, where, f"the {name} {repeated!r} stands twice", "")
    return tuple(items)


def _key(kind: Any) -> str:
    """The field that tells items of a list apart: the one whose metadata say so."""
    return next((field.name for field in dataclasses.fields(kind) if field.metadata.get("key")), "")


def _table(kind: Any, value: Any, where: str, wrong: Wrong) -> Any:
    if not isinstance(value, dict):
        return _refuse(
            wrong, where, "must be a table", f"Write [{where}] and a line for each entry."
        )
    items = {name: checked(kind, item, f"{where}.{name}", wrong) for name, item in value.items()}
    return REFUSED if any(item is REFUSED for item in items.values()) else items


def _record(cls: type, value: Any, where: str, wrong: Wrong) -> Any:
    if not isinstance(value, dict):
        return _refuse(wrong, where, "must be a table", "")
    types, made, before = field_types(cls), {}, 0
    fields = {field.name: field for field in dataclasses.fields(cls)}
    given = dict(value)
    for name, field in fields.items():
        if field.metadata.get("secret") and f"{name}_file" in given:
            before += _read_secret(given, name, where, wrong)
    for name, item in given.items():
        if name not in fields:
            close = difflib.get_close_matches(name, fields, 1)
            wrong(
                f"{where}.{name}", "unknown setting", f"Did you mean {close[0]}?" if close else ""
            )
            before += 1
            continue
        made[name] = checked(types[name], item, f"{where}.{name}", wrong, fields[name].metadata)
        if fields[name].metadata.get("needed") and made[name] == "":
            made[name] = _refuse(wrong, f"{where}.{name}", "must not be empty", "")
    for name, field in fields.items():
        if (
            name not in given
            and field.default is dataclasses.MISSING
            and field.default_factory is dataclasses.MISSING
        ):
            file = f" (or {name}_file)" if field.metadata.get("secret") else ""
            wrong(where, f"{name}{file} is missing", "")
            before += 1
    if before or any(item is REFUSED for item in made.values()):
        return REFUSED
    return cls(**made)


def _read_secret(given: dict[str, Any], name: str, where: str, wrong: Wrong) -> int:
    """Replace NAME_file by its content as NAME; 1 when that is not possible."""
    file = given.pop(f"{name}_file")
    if name in given:
        wrong(where, f"give one of {name} and {name}_file", "")
        return 1
    try:
        given[name] = Path(str(file)).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        wrong(
            f"{where}.{name}_file",
            f"cannot read {file}",
            "Name a readable text file; a relative path starts at kapi.toml's folder.",
        )
        given[name] = ""
        return 1
    return 0
