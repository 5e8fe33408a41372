"""YAML documents of one file, each a mapping with the places of its members.

`---` at the start of a line ends a document (YAML 1.2.2 §9.1), also inside a text. So a file is
divided there, and each part is read by itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import field, replace
from typing import Any, Final

from kapi.apis.report import Mark, Report
from kapi.apis.yaml_positions import Mapping, find, plain, read_yaml
from kapi.dataclass import dataclass
from kapi.errors import Diagnostic

_END: Final = re.compile(r"^---(?=\s|$)", re.MULTILINE)
_EMPTY: Final = re.compile(r"(?:\s|#.*$)*", re.MULTILINE)
MOST_DOCUMENTS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Document:
    """One mapping of a file. `offset` is the number of lines before it."""

    source: str
    node: Mapping = field(repr=False)
    offset: int
    text: str = field(repr=False)

    @property
    def members(self) -> dict[str, Any]:
        """The mapping as plain data."""
        made: dict[str, Any] = plain(self.node)
        return made

    @property
    def line(self) -> int:
        """The line of the file on which it starts."""
        return self.node.line + self.offset

    def mistake(self, pointer: str, message: str, hint: str = "") -> Diagnostic:
        """A mistake at a place of the document (`#/grants/0`)."""
        place: Mark = find(self.node, pointer)
        line = place.line + self.offset
        return Diagnostic(
            "object", message, hint, pointer, line, place.column, source=self.source
        )


def documents_of(
    content: bytes, source: str
) -> tuple[tuple[Document, ...], tuple[Diagnostic, ...]]:
    """The documents of a file, and the mistakes in its YAML."""
    found: list[Document] = []
    mistakes: list[Diagnostic] = []
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        what = Diagnostic(
            "object", "the file is not UTF-8", "Save it as UTF-8.", source=source
        )
        return (), (what,)
    for part, offset in _parts(text):
        report = Report(source)
        node = read_yaml(part.encode(), report)
        if node is not None:
            found.append(Document(source, node, offset, part))
        mistakes += [
            replace(item, line=item.line + offset) for item in report.diagnostics
        ]
    return tuple(found), tuple(mistakes)


def _parts(text: str) -> Iterator[tuple[str, int]]:
    """The parts between the ends, each with the number of lines before it; no empty ones."""
    start, line = 0, 0
    for end in (*_END.finditer(text), None):
        part = text[start : None if end is None else end.start()]
        if not _EMPTY.fullmatch(part):
            yield part, line
        line += part.count("\n")
        start = len(text) if end is None else end.end()
