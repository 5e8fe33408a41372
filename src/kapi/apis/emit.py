"""Writing YAML in APK's byte shape: `---`, strings double-quoted, dashes at the parent's indent.

Called by `generate.py` and `compile.py`. The shape is compared byte by byte by clients' tests (keys
plain, `[]` and `{}` for empty collections).
"""

from __future__ import annotations

import json
import re
from math import isfinite
from typing import Any

_START = "---\n"
_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_NOT_FINITE = {"nan": ".nan", "inf": ".inf", "-inf": "-.inf"}
_NOT_TEXT = frozenset(("null", "true", "false", "yes", "no", "on", "off", "y", "n"))


def emit(data: dict[str, Any]) -> str:
    """The conf as one YAML document."""
    lines = ["---"]
    _mapping(data, "", lines)
    return "\n".join(lines) + "\n"


def with_id(text: str, identity: str) -> str:
    """A document of `emit` that has no member `id`, with that as its first one."""
    return f"{_START}id: {quoted(identity)}\n{text.removeprefix(_START)}"


def _mapping(data: dict[str, Any], indent: str, lines: list[str]) -> None:
    for key, value in data.items():
        _entry(f"{indent}{_key(key)}:", value, indent, lines)


def _entry(head: str, value: Any, indent: str, lines: list[str]) -> None:
    if isinstance(value, dict) and value:
        lines.append(head)
        _mapping(value, indent + "  ", lines)
    elif isinstance(value, list | tuple) and value:
        lines.append(head)
        _items(value, indent, lines)
    else:
        lines.append(f"{head} {_scalar(value)}")


def _items(values: list[Any] | tuple[Any, ...], indent: str, lines: list[str]) -> None:
    for value in values:
        if isinstance(value, dict | list | tuple) and value:
            start = len(lines)
            if isinstance(value, dict):
                _mapping(value, indent + "  ", lines)
            else:
                _items(value, indent + "  ", lines)
            lines[start] = f"{indent}- {lines[start][len(indent) + 2 :]}"
        else:
            lines.append(f"{indent}- {_scalar(value)}")


def _key(key: str) -> str:
    if _PLAIN_KEY.fullmatch(key) and key.lower() not in _NOT_TEXT:
        return key
    return quoted(key)


def _scalar(value: Any) -> str:
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, dict):
        return "{}"
    if isinstance(value, list | tuple):
        return "[]"
    if isinstance(value, float) and not isfinite(value):
        return _NOT_FINITE[str(value)]
    return json.dumps(value)


def quoted(text: str) -> str:
    """A double-quoted YAML scalar (YAML 1.2 §7.3.1); what cannot be printed is escaped."""
    short = json.dumps(text, ensure_ascii=False)
    if text.isprintable():
        return short
    return "".join(char if char.isprintable() else _escape(char) for char in short)


def _escape(char: str) -> str:
    code = ord(char)
    if code <= 0xFFFF:
        return f"\\u{code:04x}"
    return f"\\U{code:08x}"
