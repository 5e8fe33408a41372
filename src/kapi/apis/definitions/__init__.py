"""API definitions: one format is one file and one name in DEFINITIONS.

Called by `generate.py` and `compile.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kapi import error_codes
from kapi.apis import report as codes
from kapi.apis.definitions import graphql, mcp, openapi, proto
from kapi.apis.definitions.model import (
    Definition,
    DefinitionFormat,
    DefinitionOperation,
)
from kapi.apis.report import Mark, Report
from kapi.errors import Invalid

if TYPE_CHECKING:
    from kapi.errors import Diagnostic

__all__ = [
    "DEFINITIONS",
    "Definition",
    "DefinitionFormat",
    "DefinitionOperation",
    "detected_type",
    "media_type",
    "parse_definition",
    "read_definition",
]

DEFINITIONS: Final[tuple[DefinitionFormat, ...]] = (openapi, graphql, proto, mcp)


def parse_definition(content: bytes, api_type: str, file_name: str = "") -> Definition:
    """The definition; raises Invalid (90091) with every mistake in it."""
    definition, diagnostics = read_definition(content, api_type, file_name)
    if definition is None:
        raise Invalid(diagnostics, error_codes.INVALID_DEFINITION)
    return definition


def read_definition(
    content: bytes, api_type: str, file_name: str = ""
) -> tuple[Definition | None, tuple[Diagnostic, ...]]:
    """The definition, or None and every mistake in it. Never raises on bad input."""
    report = Report("definitionFile")
    forms = {form.TYPE: form for form in DEFINITIONS}
    chosen = forms.get(api_type)
    if chosen is None:
        known = ", ".join(forms)
        report.add(
            codes.DEFINITION,
            f"Invalid API Type {api_type[:40]}",
            Mark(),
            f"Use one of: {known}.",
        )
        return None, report.diagnostics
    if not content.strip():
        report.add(
            codes.DEFINITION,
            "the definition is empty",
            Mark(1, 1),
            "Send the OpenAPI document, GraphQL schema, proto file or lists of the MCP server.",
        )
        return None, report.diagnostics
    if not chosen.detect(content, file_name):
        # `chosen` does not detect it, so this is another one.
        other = _detected(content, file_name)
        if other:
            message = f"this is a definition of type {other}, not {api_type}"
            report.add(
                codes.DEFINITION,
                message,
                Mark(1, 1),
                f"Set the type to {other} or send another file.",
            )
            return None, report.diagnostics
    definition = chosen.parse(content, report)
    if report.diagnostics:
        return None, report.diagnostics
    return definition, ()


def detected_type(content: bytes, file_name: str = "") -> str:
    """The type whose definitions look like this; that of OpenAPI if none does."""
    return _detected(content, file_name) or openapi.TYPE


def _detected(content: bytes, file_name: str) -> str:
    for form in DEFINITIONS:
        if form.detect(content, file_name):
            return form.TYPE
    return ""


def media_type(content: bytes) -> str:
    """What a definition is served as: JSON, YAML, or neither."""
    start = content[:64].removeprefix(b"\xef\xbb\xbf").lstrip()
    if start.startswith((b"{", b"[")):
        return "application/json"
    if start.startswith(b"PK\x03\x04"):
        return "application/zip"
    return "application/yaml"
