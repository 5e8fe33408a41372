"""Values by their type: what is of another type reads as empty, or is left out. Pure.

For readers of JSON and YAML from outside that report a mistake elsewhere or not at all, and for the
parts of a list that are of one kind.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

Kind = TypeVar("Kind")


def mapping(value: Any) -> dict[str, Any]:
    """The value if it is an object, else an empty one."""
    if isinstance(value, dict):
        return value
    return {}


def items(value: Any) -> list[Any]:
    """The value if it is a list, else an empty one."""
    if isinstance(value, list):
        return value
    return []


def text(value: Any) -> str:
    """The value if it is a text, else an empty one."""
    if isinstance(value, str):
        return value
    return ""


def texts(value: Any) -> list[str]:
    """The texts of a list."""
    return list(of_kind(items(value), str))


def listed(value: Any) -> list[Any]:
    """The value if it is a list, else a list with the value alone."""
    if isinstance(value, list):
        return value
    return [value]


def of_kind(values: Iterable[Any], kind: type[Kind]) -> Iterator[Kind]:
    """The values that are of a kind."""
    for value in values:
        if isinstance(value, kind):
            yield value


def first_of(values: Iterable[Any], kind: type[Kind]) -> Kind | None:
    """The first value of a kind, or None."""
    return next(of_kind(values, kind), None)


def at(value: Any, path: Iterable[str]) -> Any:
    """What is at a path into objects, or None."""
    for name in path:
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value


def item_at(value: list[Any], index: str) -> Any:
    """The item at an index of a JSON pointer (RFC 6901 §4); None if there is none."""
    if not index.isdecimal() or len(index) >= 10 or int(index) >= len(value):
        return None
    return value[int(index)]
