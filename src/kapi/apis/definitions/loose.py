"""Parts of a document whose types may be wrong: what is of another type reads as empty. Pure.

For the readers of OpenAPI documents, which report the mistake elsewhere or not at all.
"""

from __future__ import annotations

from typing import Any


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


def texts(value: Any) -> list[str]:
    """The texts of a list."""
    found = []
    for item in items(value):
        if isinstance(item, str):
            found.append(item)
    return found


def item_at(value: list[Any], index: str) -> Any:
    """The item at an index of a JSON pointer (RFC 6901 §4); None if there is none."""
    if not index.isdecimal() or len(index) >= 10 or int(index) >= len(value):
        return None
    return value[int(index)]
