"""The places of keys in a TOML file, by dotted name, so that a mistake in `kapi.toml` has a line.

The standard library reads the values without their places. This finds tables and keys by line, in a
file that was read without a mistake. A value in an array or an inline table has the place of its
key.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import field

from kapi.dataclass import dataclass

_PART = r"""(?:"(?:[^"\\]|\\.)*"|'[^']*'|[A-Za-z0-9_-]+)"""
_NAME = rf"{_PART}(?:\s*\.\s*{_PART})*"
_HEADER = re.compile(rf"\s*(\[\[?)\s*({_NAME})\s*\]")
_KEY = re.compile(rf"\s*({_NAME})\s*=")
_TOKEN = re.compile(r'''"""|\'\'\'|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'|[\[\]{}#]''')
_AT = re.compile(r"at line (\d+), column (\d+)")
_LAST = re.compile(r"(?:\.[^.\[\]]*|\[\d+\]|^[^.\[\]]*|(?s:.))$")
"""The last part of a dotted name, the whole of one without parts, else one character."""
_DEPTHS = {"[": 1, "{": 1, "]": -1, "}": -1}
"""Bracket → how many more are open after it."""

Place = tuple[int, int]
"""Line and column, from 1; zeros are an unknown place."""
NOWHERE: Place = (0, 0)


@dataclass(frozen=True, slots=True)
class Places:
    """Places by name: `gateway.port`, `identity.clients[0].id`."""

    found: Mapping[str, Place] = field(default_factory=dict)

    def find(self, name: str) -> Place:
        """The place of a setting, else of the nearest table or key that it is in."""
        while name:
            if name in self.found:
                return self.found[name]
            name = _LAST.sub("", name)
        return NOWHERE


def place_of_error(message: str) -> Place:
    """The place in the message of a syntax error of the standard library."""
    at = _AT.search(message)
    if at is None:
        return NOWHERE
    return int(at[1]), int(at[2])


def places_of(text: str) -> Places:
    """The places of all tables and keys of a TOML text."""
    found: dict[str, Place] = {}
    lists: dict[str, int] = {}
    table = ""
    for number, line in _beginnings(text):
        header = _HEADER.match(line)
        if header:
            is_item = header[1] == "[["
            table = _table(_parts(header[2]), lists, new=is_item)
            found.setdefault(table, (number, header.start(1) + 1))
            continue
        key = _KEY.match(line)
        if key:
            place = (number, key.start(1) + 1)
            name = table
            for part in _parts(key[1]):
                name = _below(name, part)
                found.setdefault(name, place)
    return Places(found)


def _below(name: str, part: str) -> str:
    if name:
        return f"{name}.{part}"
    return part


def _parts(name: str) -> list[str]:
    """The parts of a dotted name, without their quotes."""
    found = []
    for part in re.findall(_PART, name):
        is_quoted = part[0] in "\"'"
        found.append(part[1:-1] if is_quoted else part)
    return found


def _table(parts: list[str], lists: dict[str, int], *, new: bool) -> str:
    """The dotted name of a table; in a list of tables, the last item."""
    if new:
        whole = _item(parts[:-1], lists)
        own = _below(whole, parts[-1])
        lists[own] = lists.get(own, -1) + 1
    return _item(parts, lists)


def _item(parts: list[str], lists: Mapping[str, int]) -> str:
    name = ""
    for part in parts:
        name = _below(name, part)
        if name in lists:
            name = f"{name}[{lists[name]}]"
    return name


def _beginnings(text: str) -> Iterator[tuple[int, str]]:
    """The numbered lines where a table or key may begin: no array or text continues there."""
    depth, quotes = 0, ""
    for number, line in enumerate(text.split("\n"), 1):
        header = None
        if not depth and not quotes:
            yield number, line
            header = _HEADER.match(line)
        if not header:
            depth, quotes = _after(line, depth, quotes)


def _after(line: str, depth: int, quotes: str) -> tuple[int, str]:
    """How many brackets are open after a line, and which quotes of a text of several lines."""
    position = 0
    while position < len(line):
        if quotes:
            end = line.find(quotes, position)
            if end < 0:
                return depth, quotes
            position, quotes = end + 3, ""
            continue
        token = _TOKEN.search(line, position)
        if token is None or token[0] == "#":
            return depth, ""
        position = token.end()
        depth += _DEPTHS.get(token[0], 0)
        if token[0] in ('"""', "'''"):
            quotes = token[0]
    return depth, quotes
