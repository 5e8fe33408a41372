"""Values as Lua expressions, for the scripts that get their data with their text. Pure.

Texts are written as escapes of their bytes: what somebody wrote into a name never becomes code.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def lua(value: Any) -> str:
    """A JSON value as a Lua expression."""
    match value:
        case bool():
            if value:
                return "true"
            return "false"
        case int() | float():
            return repr(value)
        case str():
            return (
                '"'
                + "".join(f"\\{byte:03d}" for byte in value.encode("utf-8", "replace"))
                + '"'
            )
        case list() | tuple():
            return "{" + ",".join(map(lua, value)) + "}"
        case Mapping():
            return (
                "{"
                + ",".join(
                    f"[{lua(str(name))}]={lua(item)}"
                    for name, item in value.items()
                    if item is not None
                )
                + "}"
            )
        case _:
            return "nil"
