"""Reads the text format of Prometheus, as far as the platform writes it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import Final

from kapi.dataclass import dataclass

_LINE: Final = re.compile(
    r"(?P<name>[a-zA-Z_:][\w:]*)(?:\{(?P<labels>.*)\})? (?P<value>\S+)"
)
_LABEL: Final = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_ESCAPES: Final = {r"\\": "\\", r"\"": '"', r"\n": "\n"}
_ESCAPED: Final = re.compile(r'\\[\\"n]')
Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Reading:
    """All metrics at one time, in seconds; rows by the name of the metric."""

    at: float
    rows: Mapping[str, Mapping[tuple[tuple[str, str], ...], float]] = field(
        default_factory=dict
    )

    def of(self, name: str) -> Iterator[tuple[Labels, float]]:
        """The rows of a metric: labels and value."""
        for labels, value in self.rows.get(name, {}).items():
            yield dict(labels), value

    def value(self, name: str) -> float:
        """The sum of the rows of a metric; 0 without any."""
        return sum(self.rows.get(name, {}).values())

    def since(self, before: Reading, name: str) -> Iterator[tuple[Labels, float]]:
        """What each row of a counter grew by; a counter that began again counts from 0."""
        earlier = before.rows.get(name, {})
        for labels, value in self.rows.get(name, {}).items():
            grown = value - earlier.get(labels, 0.0)
            if grown < 0:
                grown = value
            yield dict(labels), grown


def read(text: str, at: float) -> Reading:
    """The metrics of an answer. Lines of another form are left out."""
    rows: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
    for line in text.splitlines():
        found = _LINE.fullmatch(line)
        if found is None:
            continue
        try:
            value = float(found["value"])
        except ValueError:
            continue
        labels = tuple(map(_label, _LABEL.finditer(found["labels"] or "")))
        rows.setdefault(found["name"], {})[labels] = value
    return Reading(at, rows)


def _label(found: re.Match[str]) -> tuple[str, str]:
    return found[1], _ESCAPED.sub(lambda escape: _ESCAPES[escape[0]], found[2])
