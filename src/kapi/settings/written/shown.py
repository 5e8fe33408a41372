"""The settings that hold as rows to read: each with its source, and no secret. Pure.

Called by `kapi config show` and by the console.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from kapi.settings import SECTIONS, Settings

_HIDDEN: Final = "***"
_PRIVATE_KEY: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
"""Members of a JWK that are not part of a public key (RFC 7518 §6)."""
DEFAULT: Final = "default"


def shown(value: Any) -> Any:
    """A part of the settings as JSON-ready values, with `***` in place of each secret."""
    if dataclasses.is_dataclass(value):
        fields = dataclasses.fields(value)
        return {
            field.name: field_shown(field, getattr(value, field.name))
            for field in fields
        }
    if isinstance(value, Mapping):
        made = {name: shown(item) for name, item in value.items()}
        if "kty" in made:
            made |= dict.fromkeys(_PRIVATE_KEY & made.keys(), _HIDDEN)
        return made
    if isinstance(value, list | tuple):
        return list(map(shown, value))
    return value


def field_shown(
    field: dataclasses.Field[Any], value: Any, form: Callable[[Any], Any] = shown
) -> Any:
    """The value of a field in a form, or `***` if it is a secret."""
    if value and field.metadata.get("secret"):
        return _HIDDEN
    if "shown" in field.metadata:
        return field.metadata["shown"](value)
    return form(value)


def rows_of(settings: Settings) -> Iterator[dict[str, Any]]:
    """Each setting with its value for one cell."""
    yield {"setting": "data_dir", "value": str(settings.data_dir)}
    for section in SECTIONS:
        yield from _rows_of(getattr(settings, section), section)


def _rows_of(record: Any, prefix: str) -> Iterator[dict[str, Any]]:
    for field in dataclasses.fields(record):
        item, name = getattr(record, field.name), f"{prefix}.{field.name}"
        if dataclasses.is_dataclass(item):
            yield from _rows_of(item, name)
        else:
            yield {"setting": name, "value": field_shown(field, item, _brief)}


def _brief(value: Any) -> Any:
    """A value for one cell: the names of the items of a list of tables, and tables as JSON."""
    if isinstance(value, Mapping):
        if value:
            return json.dumps(shown(value), ensure_ascii=False)
        return ""
    if isinstance(value, list | tuple):
        return " ".join(map(_name, value))
    return value


def _name(item: Any) -> str:
    if dataclasses.is_dataclass(item):
        return key_of(item)
    return str(item)


def key_of(item: Any) -> str:
    """What names an item of a list of tables."""
    fields = dataclasses.fields(item)
    keys = [field.name for field in fields if field.metadata.get("key")] or [
        fields[0].name
    ]
    return ":".join(str(getattr(item, key)) for key in keys)


def source_of(setting: str, origins: Mapping[str, str]) -> str:
    """Where a setting, or the table that it is in, came from."""
    name = setting
    while name:
        if name in origins:
            return origins[name]
        name = name.rpartition(".")[0]
    return DEFAULT
