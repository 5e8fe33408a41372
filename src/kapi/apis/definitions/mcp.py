"""MCP servers: results of `server/discover` (or `initialize`) and the list methods, in one object.

Each tool, prompt, resource and resource template is an operation. The members are those of the
protocol: `serverInfo`, `tools`, `prompts`, `resources`, `resourceTemplates`. Called by
`definitions/__init__.py`.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from kapi.apis import report as codes
from kapi.apis.definitions import json_places
from kapi.apis.definitions.model import Definition, DefinitionOperation, Note
from kapi.apis.report import Mark
from kapi.apis.yaml_positions import decode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from kapi.apis.report import Report

TYPE: Final = "MCP"
_MAX_BYTES: Final = 2_000_000
_LISTS: Final = (
    ("tools", "TOOL", "name"),
    ("prompts", "PROMPT", "name"),
    ("resources", "RESOURCE", "uri"),
    ("resourceTemplates", "RESOURCE", "uriTemplate"),
)
"""Member of the document, verb of its operations, member of an item that names it."""
_HEAD: Final = re.compile(rb'"(tools|prompts|resources|resourceTemplates)"\s*:\s*\[')
_SIMPLE: Final = re.compile(r"\{[A-Za-z0-9_.%]+\}")
"""An expression of a URI template that expands to one value without slashes (RFC 6570 §3.2.2)."""
_NO_OPERATIONS: Final = "the document has no tools, prompts or resources"


def detect(content: bytes, file_name: str) -> bool:  # noqa: ARG001 - the content decides
    """Whether it is a JSON object with one of the lists and is not an OpenAPI document."""
    is_object = content.lstrip()[:1] == b"{"
    return is_object and bool(_HEAD.search(content)) and b'"paths"' not in content


def _add_faults(faults: list[tuple[str, str]], text: str, report: Report) -> None:
    places = json_places.places(text, [pointer for pointer, _ in faults])
    hint = "Correct the document."
    for pointer, message in faults:
        report.add(codes.DEFINITION_CONTENT, message, places[pointer], hint)


def parse(content: bytes, report: Report) -> Definition | None:
    """The definition, or None; every mistake goes to the report."""
    text = decode(content, report, limit=_MAX_BYTES)
    if text is None:
        return None
    data = _loaded(text, report)
    if data is None:
        return None
    operations: list[DefinitionOperation] = []
    faults: list[tuple[str, str]] = []
    notes: list[Note] = []
    for member, verb, name in _LISTS:
        operations += _operations(data, member, verb, name, faults, notes)
    if faults:
        _add_faults(faults, text, report)
        return None
    info = data.get("serverInfo")
    known: dict[str, Any] = {}
    if isinstance(info, dict):
        known = info

    def places_of(pointers: Iterable[str]) -> Mapping[str, Mark]:
        return json_places.places(text, pointers)

    return Definition(
        TYPE,
        _text(known, "name"),
        _text(known, "version"),
        "",
        tuple(operations),
        notes=tuple(notes),
        origins={"name": "#/serverInfo/name", "version": "#/serverInfo/version"},
        places=places_of,
        document=data,
        no_operations=_NO_OPERATIONS,
    )


def _loaded(text: str, report: Report) -> dict[str, Any] | None:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        line, column = getattr(error, "lineno", 1), getattr(error, "colno", 1)
        report.add(
            codes.DEFINITION,
            f"the document is not JSON: {str(error)[:200]}",
            Mark(line, column),
            "Send the results of the list methods of the server as one JSON object.",
        )
        return None
    if not isinstance(data, dict):
        report.add(
            codes.DEFINITION, "the document is not a JSON object", Mark(1, 1), ""
        )
        return None
    return data


def _operations(
    data: dict[str, Any],
    member: str,
    verb: str,
    name: str,
    faults: list[tuple[str, str]],
    notes: list[Note],
) -> Iterator[DefinitionOperation]:
    items = data.get(member, [])
    if not isinstance(items, list):
        faults.append((f"#/{member}", f"{member} is not a list"))
        return
    for index, item in enumerate(items):
        pointer = f"#/{member}/{index}"
        found = None
        if isinstance(item, dict):
            found = item.get(name)
        if not isinstance(found, str) or not found:
            faults.append((pointer, f"an item of {member} has no {name}"))
            continue
        target = found
        if name == "uriTemplate":
            target = _target(found)
        if target != found:
            message = f"the template {found[:80]} becomes {target[:80]}"
            notes.append(Note(pointer, message, "`*` at the end matches any rest."))
        yield DefinitionOperation(target, verb, pointer=pointer, path_pointer=pointer)


def _target(template: str) -> str:
    """A URI template in which `{x}` is the only kind of expression; others become `*`."""
    start = 0
    while (start := template.find("{", start)) >= 0:
        match = _SIMPLE.match(template, start)
        if match is None:
            return template[:start] + "*"
        start = match.end()
    return template


def _text(data: dict[str, Any], name: str) -> str:
    value = data.get(name)
    if isinstance(value, str):
        return value
    return ""
