"""Settings as documents: the members that differ from their defaults, as JSON values.

Called where state is written as a file: seeds of tests, and what `kapi diff` shows.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

_NEEDED = object()
"""The default of a member without one."""


def differing(value: Any, usual: Any) -> dict[str, Any]:
    """The members of a settings object that differ from those of another one."""
    names = [item.name for item in dataclasses.fields(value)]
    return _differing(value, {name: getattr(usual, name) for name in names})


def document(value: Any) -> Any:
    """A setting as a JSON value; tables without the members that have their default."""
    if isinstance(value, tuple):
        return list(map(document, value))
    if dataclasses.is_dataclass(value):
        return _differing(value, _usual(type(value)))
    return value


def _differing(value: Any, usual: Mapping[str, Any]) -> dict[str, Any]:
    found = {}
    for item in dataclasses.fields(value):
        own = getattr(value, item.name)
        if own != usual.get(item.name, _NEEDED):
            found[item.name] = document(own)
    return found


def _usual(cls: type) -> dict[str, Any]:
    """The defaults of a settings class."""
    made = {}
    for item in dataclasses.fields(cls):
        if item.default is not dataclasses.MISSING:
            made[item.name] = item.default
        elif item.default_factory is not dataclasses.MISSING:
            made[item.name] = item.default_factory()
    return made
