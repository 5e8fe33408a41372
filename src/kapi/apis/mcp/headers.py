"""Arguments of MCP tools that calls repeat in headers (`x-mcp-header` of a schema). Pure.

MCP 2026-07-28, streamable HTTP, "Custom headers from tool parameters". A schema whose annotations
are invalid repeats nothing, because clients drop such a tool.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from kapi.apis.ir_mcp import McpHeader
from kapi.typed import items, mapping

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_ANNOTATION: Final = "x-mcp-header"
_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_TYPES: Final = ("string", "integer", "boolean")
_DEEPEST: Final = 16
_CONTROL: Final = re.compile(r"[\x00-\x1f]")


def headers_of(tools: Mapping[str, Any]) -> tuple[McpHeader, ...]:
    """The headers of all tools of a definition, by tool."""
    found: list[McpHeader] = []
    for tool in items(tools.get("tools")):
        schema = mapping(tool).get("inputSchema")
        found += _of_tool(str(mapping(tool).get("name")), mapping(schema))
    return tuple(found)


def _of_tool(name: str, schema: Mapping[str, Any]) -> list[McpHeader]:
    found = list(_annotated(name, schema, ()))
    distinct = {item.header for item in found}
    valid = len(distinct) == len(found) == _count(schema)
    if valid and all(item.type in _TYPES for item in found):
        return found
    return []


def _annotated(
    name: str, schema: Mapping[str, Any], path: tuple[str, ...]
) -> Iterator[McpHeader]:
    """Those that are reached through `properties` alone."""
    header = schema.get(_ANNOTATION)
    if path and isinstance(header, str) and _TOKEN.fullmatch(header):
        yield McpHeader(
            name, f"mcp-param-{header.lower()}", str(schema.get("type")), path
        )
    if len(path) == _DEEPEST:
        return
    for member, inner in mapping(schema.get("properties")).items():
        if not _CONTROL.search(member):
            yield from _annotated(name, mapping(inner), (*path, member))


def _count(value: Any, depth: int = 0) -> int:
    """How often the annotation is anywhere in a schema."""
    if depth > 4 * _DEEPEST:
        return 0
    inner: list[Any] = []
    own = 0
    if isinstance(value, dict):
        inner, own = list(value.values()), int(isinstance(value.get(_ANNOTATION), str))
    elif isinstance(value, list):
        inner = value
    return own + sum(_count(item, depth + 1) for item in inner)
