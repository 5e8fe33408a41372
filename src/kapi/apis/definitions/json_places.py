"""Lines and columns in a JSON text, for pointers into it (RFC 6901).

Called by `openapi.py`, for texts that have been read as JSON. One pass over strings and brackets:
reading ten megabytes of JSON with the place of every value would take a minute.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from dataclasses import field
from typing import TYPE_CHECKING, Final

from kapi.apis.report import Mark, below
from kapi.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_TOKEN: Final = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\],]')
_SPACE: Final = re.compile(r"\s*")
_VALUE: Final = re.compile(r"\s*:\s*([^\s,{}\[\]]+)")
_MOST_EQUAL_KEYS: Final = 100


@dataclass(slots=True)
class _Frame:
    """An object or list that is still open.

    `pointer` is None where no pointer that is wanted leads.
    """

    pointer: str | None
    is_object: bool
    index: int = 0
    key: str | None = None
    seen: set[str] = field(default_factory=set)


@dataclass(slots=True)
class _Scan:
    """One pass.

    `wanted` holds the pointers and all their beginnings; None means that equal keys are looked
    for everywhere.
    """

    text: str
    wanted: frozenset[str] | None
    found: dict[str, int] = field(default_factory=dict)
    equal: list[tuple[str, int]] = field(default_factory=list)
    stack: list[_Frame] = field(default_factory=list)

    def run(self) -> None:
        for match in _TOKEN.finditer(self.text):
            sign = match.group()
            if sign in "{[":
                self._open(match)
            elif sign in "}]":
                self.stack.pop()
            elif sign == ",":
                self._next(match)
            elif self._expects_key():
                self._key(json.loads(sign), match.start())

    def _expects_key(self) -> bool:
        if not self.stack:
            return False
        frame = self.stack[-1]
        return frame.is_object and frame.key is None

    def _open(self, match: re.Match[str]) -> None:
        pointer = self._here()
        frame = _Frame(pointer, match.group() == "{")
        self.stack.append(frame)
        if not frame.is_object:
            self._item(frame, match.end())

    def _here(self) -> str | None:
        if not self.stack:
            return "#"
        frame = self.stack[-1]
        if frame.is_object:
            return self._child(frame, frame.key or "")
        return self._child(frame, frame.index)

    def _child(self, frame: _Frame, name: str | int) -> str | None:
        if frame.pointer is None:
            return None
        pointer = below(frame.pointer, name)
        if self.wanted is None or pointer in self.wanted:
            return pointer
        return None

    def _next(self, match: re.Match[str]) -> None:
        frame = self.stack[-1]
        frame.key = None
        frame.index += 1
        if not frame.is_object:
            self._item(frame, match.end())

    def _item(self, frame: _Frame, end: int) -> None:
        pointer = self._child(frame, frame.index)
        if pointer is not None and self.wanted is not None:
            space = _SPACE.match(self.text, end)
            self.found.setdefault(pointer, space.end() if space else end)

    def _key(self, name: str, start: int) -> None:
        frame = self.stack[-1]
        frame.key = name
        if self.wanted is None:
            if name in frame.seen and len(self.equal) < _MOST_EQUAL_KEYS:
                self.equal.append((below(frame.pointer or "#", name), start))
            frame.seen.add(name)
            return
        pointer = self._child(frame, name)
        if pointer is not None:
            self.found.setdefault(pointer, start)


def places(text: str, pointers: Iterable[str]) -> Mapping[str, Mark]:
    """The position of each pointer: a key, an item of a list, or the nearest value that exists."""
    pointers = tuple(pointers)
    scan = _scan(text, pointers)
    starts = _line_starts(text)
    return {
        pointer: _mark(starts, _nearest(pointer, scan.found), pointer)
        for pointer in pointers
    }


def written(text: str, pointer: str) -> str:
    """A number as the text has it: `1.10`, not 1.1; empty when there is no such member."""
    start = _scan(text, (pointer,)).found.get(pointer)
    key = None
    if start is not None:
        key = _TOKEN.match(text, start)
    value = None
    if key is not None:
        value = _VALUE.match(text, key.end())
    if value is None:
        return ""
    return value.group(1)


def equal_keys(text: str) -> tuple[Mark, ...]:
    """Keys that their object has already; at most a hundred."""
    scan = _Scan(text, None)
    scan.run()
    starts = _line_starts(text)
    return tuple(_mark(starts, start, pointer) for pointer, start in scan.equal)


def _scan(text: str, pointers: Iterable[str]) -> _Scan:
    wanted = {"#"}
    for pointer in pointers:
        here = pointer
        while here and here not in wanted:
            wanted.add(here)
            here = here.rpartition("/")[0]
    scan = _Scan(text, frozenset(wanted))
    scan.run()
    return scan


def _nearest(pointer: str, found: Mapping[str, int]) -> int:
    here = pointer
    while here and here not in found:
        here = here.rpartition("/")[0]
    return found.get(here, 0)


def _line_starts(text: str) -> list[int]:
    return [0, *(match.end() for match in re.finditer("\n", text))]


def _mark(starts: list[int], offset: int, pointer: str) -> Mark:
    line = bisect_right(starts, offset)
    return Mark(line, offset - starts[line - 1] + 1, pointer)
