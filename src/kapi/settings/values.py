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
from collections.abc import Callable, Iterable, Mapping
from enum import Enum, auto
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

REFUSED = object()
"""The result for a wrong value; the mistake has been reported."""
Wrong = Callable[..., None]
"""Called with the dotted name, what is wrong, and a hint."""
_NAMES_OF_TYPES = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
}
_NO_METADATA: Mapping[str, Any] = {}


def checked(
    kind: Any,
    value: Any,
    where: str,
    wrong: Wrong,
    metadata: Mapping[str, Any] = _NO_METADATA,
) -> Any:
    """The value as its setting holds it, or REFUSED after `wrong` was called."""
    form, inner = form_of(kind)
    return _CHECKS[form](inner, value, where, wrong, metadata)


class Form(Enum):
    """What the values of a type are."""

    ANY = auto()
    PATH = auto()
    SCALAR = auto()
    SETTINGS = auto()
    LIST = auto()
    TABLE = auto()


_FORMS: Mapping[Any, Form] = {
    Any: Form.ANY,
    Path: Form.PATH,
    tuple: Form.LIST,
    dict: Form.TABLE,
}


@cache
def form_of(kind: Any) -> tuple[Form, Any]:
    """The form of a type, and the type itself; for a list or table, the type of its items."""
    if dataclasses.is_dataclass(kind):
        return Form.SETTINGS, kind
    form = _FORMS.get(typing.get_origin(kind) or kind, Form.SCALAR)
    name_of_key, item, *_ = (*typing.get_args(kind), kind, kind)
    inner = {Form.LIST: name_of_key, Form.TABLE: item}
    return form, inner.get(form, kind)


@cache
def field_types(cls: type) -> Mapping[str, Any]:
    """The type of each field of a settings class. Cached: sign-ins build records with it too."""
    hints = typing.get_type_hints(cls)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls)}


def built(kind: Any, value: Any) -> Any:
    """A checked value from JSON: lists become tuples, tables become settings."""
    form, inner = form_of(kind)
    return _BUILDERS[form](inner, value)


def _as_it_is(_kind: Any, value: Any, *_others: Any) -> Any:
    return value


def _built_path(_kind: Any, value: Any) -> Any:
    return Path(value)


def _built_settings(cls: type, value: Any) -> Any:
    types = field_types(cls)
    fields = {name: built(types[name], item) for name, item in value.items()}
    return cls(**fields)


def _built_list(kind: Any, value: Any) -> Any:
    return tuple(built(kind, item) for item in value)


def _built_table(kind: Any, value: Any) -> Any:
    return {name: built(kind, item) for name, item in value.items()}


_BUILDERS: Mapping[Form, Callable[[Any, Any], Any]] = {
    Form.ANY: _as_it_is,
    Form.PATH: _built_path,
    Form.SCALAR: _as_it_is,
    Form.SETTINGS: _built_settings,
    Form.LIST: _built_list,
    Form.TABLE: _built_table,
}
"""What makes a value of JSON a value of a form."""


def _refuse(wrong: Wrong, where: str, message: str, hint: str = "") -> Any:
    wrong(where, message, hint)
    return REFUSED


def _path(
    _kind: Any, value: Any, where: str, wrong: Wrong, _metadata: Mapping[str, Any]
) -> Any:
    if not isinstance(value, str | Path):
        return _refuse(wrong, where, "must be a path")
    try:
        return Path(value).expanduser()
    except RuntimeError:
        what = f"{value} needs a home directory, which this user does not have"
        return _refuse(wrong, where, what, "Write the whole path.")


def _scalar(
    kind: Any, value: Any, where: str, wrong: Wrong, metadata: Mapping[str, Any]
) -> Any:
    if (kind, type(value)) == (float, int):
        value = float(value)
    if type(value) is not kind:
        wanted = _NAMES_OF_TYPES.get(kind, "of another type")
        return _refuse(wrong, where, f"must be {wanted}, not {type(value).__name__}")
    if "range" in metadata:
        low, high = metadata["range"]
        if not low <= value <= high:
            return _refuse(
                wrong, where, f"must be between {low} and {high}, not {value}"
            )
    choices = metadata.get("choices", (value,))
    if value not in choices:
        shown = repr(value)
        if metadata.get("secret"):
            shown = "this"
        known = ", ".join(map(str, choices))
        return _refuse(wrong, where, f"{shown} is not known here", f"Known: {known}.")
    return value


def _list(
    kind: Any, value: Any, where: str, wrong: Wrong, metadata: Mapping[str, Any]
) -> Any:
    if not isinstance(value, list | tuple):
        return _not_a_list(kind, where, wrong)
    # The choices of a list are those of its items.
    items = [
        checked(kind, item, f"{where}[{number}]", wrong, metadata)
        for number, item in enumerate(value)
    ]
    if REFUSED in items:
        return REFUSED
    repetition = _repetition(kind, items)
    if repetition:
        return _refuse(wrong, where, repetition)
    return tuple(items)


def _not_a_list(kind: Any, where: str, wrong: Wrong) -> Any:
    if form_of(kind)[0] is Form.SETTINGS:
        return _refuse(
            wrong, where, "must be a list of tables", f"Write [[{where}]] before each."
        )
    name = where.rpartition(".")[2]
    return _refuse(wrong, where, "must be a list", f'Write {name} = ["…", "…"].')


def _repetition(kind: Any, items: list[Any]) -> str:
    """What is wrong if two items have the same value of a field that identifies them, or empty."""
    for name in _marked(kind, "key"):
        keys = sorted(getattr(item, name) for item in items)
        for first, second in pairwise(keys):
            if first == second:
                return f"the {name} {first!r} occurs twice"
    return ""


def _table(
    kind: Any,
    value: Any,
    where: str,
    wrong: Wrong,
    _metadata: Mapping[str, Any] = _NO_METADATA,
) -> Any:
    if not isinstance(value, dict):
        hint = f"Write [{where}] and a line for each entry."
        return _refuse(wrong, where, "must be a table", hint)
    items = {
        name: checked(kind, item, f"{where}.{name}", wrong)
        for name, item in value.items()
    }
    if REFUSED in items.values():
        return REFUSED
    return items


def _record(
    cls: type,
    value: Any,
    where: str,
    wrong: Wrong,
    _metadata: Mapping[str, Any] = _NO_METADATA,
) -> Any:
    """Settings made of a table, or REFUSED after all mistakes in it were reported."""
    if not isinstance(value, dict):
        return _refuse(wrong, where, "must be a table")
    given, unread = _with_secrets(cls, value, where, wrong)
    results = {
        name: _field(cls, name, item, where, wrong) for name, item in given.items()
    }
    missing = needed(cls).keys() - given.keys()
    for name in sorted(missing):
        wrong(where, f"{needed(cls)[name]} is missing", "")
    if unread or missing or REFUSED in results.values():
        return REFUSED
    return cls(**results)


_CHECKS: Mapping[Form, Callable[..., Any]] = {
    Form.ANY: _as_it_is,
    Form.PATH: _path,
    Form.SCALAR: _scalar,
    Form.SETTINGS: _record,
    Form.LIST: _list,
    Form.TABLE: _table,
}
"""What checks a value of a form."""


@cache
def needed(cls: type) -> Mapping[str, str]:
    """The fields without a default, each with the names that it may be given by."""
    no_default = (dataclasses.MISSING, dataclasses.MISSING)
    found = {}
    for field in dataclasses.fields(cls):
        if (field.default, field.default_factory) == no_default:
            found[field.name] = _spellings(field)
    return found


@cache
def _marked(kind: Any, mark: str) -> tuple[str, ...]:
    """The names of the fields whose metadata have a mark: `secret`, `key`."""
    if form_of(kind)[0] is not Form.SETTINGS:
        return ()
    return tuple(
        field.name for field in dataclasses.fields(kind) if field.metadata.get(mark)
    )


@cache
def _field_metadata(cls: type) -> Mapping[str, Mapping[str, Any]]:
    return {field.name: field.metadata for field in dataclasses.fields(cls)}


def _spellings(field: dataclasses.Field[Any]) -> str:
    """The name of a setting, and that of the file that may have its value."""
    if field.metadata.get("secret"):
        return f"{field.name} (or {field.name}_file)"
    return field.name


def _field(cls: type, name: str, value: Any, where: str, wrong: Wrong) -> Any:
    types = field_types(cls)
    if name not in types:
        return _refuse(
            wrong, f"{where}.{name}", "unknown setting", did_you_mean(name, types)
        )
    metadata = _field_metadata(cls)[name]
    result = checked(types[name], value, f"{where}.{name}", wrong, metadata)
    if metadata.get("needed") and result == "":
        return _refuse(wrong, f"{where}.{name}", "must not be empty")
    return result


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint that names the known name that is most like it; empty if none is."""
    close = difflib.get_close_matches(name, list(known), 1)
    if close:
        return f"Did you mean {close[0]}?"
    return ""


def _with_secrets(
    cls: type, value: Mapping[str, Any], where: str, wrong: Wrong
) -> tuple[dict[str, Any], bool]:
    """The values with the content of each NAME_file as NAME, and whether one could not be read."""
    given, unread = dict(value), False
    files = {
        name: f"{name}_file"
        for name in _marked(cls, "secret")
        if f"{name}_file" in given
    }
    for name, file_name in files.items():
        file = given.pop(file_name)
        if name in given:
            wrong(where, f"give one of {name} and {file_name}", "")
            unread = True
            continue
        given[name] = _content(file, f"{where}.{file_name}", wrong)
        if given[name] is REFUSED:
            given[name], unread = "", True
    return given, unread


def _content(file: Any, where: str, wrong: Wrong) -> Any:
    try:
        return Path(str(file)).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        hint = (
            "Name a readable text file; a relative path starts at kapi.toml's folder."
        )
        return _refuse(wrong, where, f"cannot read {file}", hint)
