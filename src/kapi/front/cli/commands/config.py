"""`kapi config show`: the settings that hold, where each came from, and no secret."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kapi.front.cli.options import Config, DataDir, Output, sourced_settings
from kapi.front.cli.output import Format, show, usage

if TYPE_CHECKING:
    from kapi.settings import Settings

_HIDDEN = "***"
_PRIVATE_KEY = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
"""Members of a JWK that are no part of a public key (RFC 7518 §6)."""


def config(
    action: Annotated[str, typer.Argument(help="show")] = "show",
    sources: Annotated[
        bool, typer.Option("--sources", help="Also say where each value came from.")
    ] = False,
    output: Output = Format.TABLE,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Show the current settings without secrets. JSON and YAML show the items of lists whole.

    Examples:
      kapi config show --sources
      kapi config show -o yaml
    """
    if action != "show":
        usage(f"unknown action {action!r}", "Use: kapi config show.")
    settings, origins = sourced_settings(data_dir, config)
    value = shown(settings) | {"data_dir": str(settings.data_dir)}
    rows = list(_rows(settings))
    if sources:
        value["sources"] = origins
        for row in rows:
            row["source"] = _source(row["setting"], origins)
    show(value, output, rows, fit=("value", "source"))


def shown(value: Any) -> Any:
    """A part of the settings as JSON-ready values, with `***` in place of each secret."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return {field.name: _shown(field, getattr(value, field.name), shown) for field in fields}
    if isinstance(value, Mapping):
        made = {name: shown(item) for name, item in value.items()}
        if "kty" in made:
            made |= dict.fromkeys(_PRIVATE_KEY & made.keys(), _HIDDEN)
        return made
    if isinstance(value, list | tuple):
        return list(map(shown, value))
    return value


def _shown(field: dataclasses.Field[Any], value: Any, form: Callable[[Any], Any]) -> Any:
    """The value of a field in a form, or `***` if it is a secret."""
    if value and field.metadata.get("secret"):
        return _HIDDEN
    if "shown" in field.metadata:
        return field.metadata["shown"](value)
    return form(value)


def _rows(settings: Settings) -> Iterator[dict[str, Any]]:
    from kapi.settings import SECTIONS

    yield {"setting": "data_dir", "value": str(settings.data_dir)}
    for section in SECTIONS:
        yield from _rows_of(getattr(settings, section), section)


def _rows_of(record: Any, prefix: str) -> Iterator[dict[str, Any]]:
    for field in dataclasses.fields(record):
        item, name = getattr(record, field.name), f"{prefix}.{field.name}"
        if dataclasses.is_dataclass(item):
            yield from _rows_of(item, name)
        else:
            yield {"setting": name, "value": _shown(field, item, _brief)}


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
    if not dataclasses.is_dataclass(item):
        return str(item)
    fields = dataclasses.fields(item)
    keys = [field.name for field in fields if field.metadata.get("key")] or [fields[0].name]
    return ":".join(str(getattr(item, key)) for key in keys)


def _source(setting: str, origins: Mapping[str, str]) -> str:
    """Where a setting, or the table that it is in, came from."""
    name = setting
    while name:
        if name in origins:
            return origins[name]
        name = name.rpartition(".")[0]
    return "default"
