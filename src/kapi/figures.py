"""Figures for Prometheus: counters and histograms with a limit of rows, and their text format.

Names follow Prometheus' conventions: base units, `_total` for counters. When a family has as many
rows as it may, new label values are counted under `other`.
https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field

from kapi.dataclass import dataclass

OTHER = "other"
MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_ESCAPED = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})

Values = tuple[str, ...]
"""The values of labels, in the order of their names."""
Sample = tuple[str, Mapping[str, str], float]
"""Suffix of the name, labels, value."""


@dataclass(frozen=True, slots=True)
class Family:
    """One metric with all its rows."""

    name: str
    kind: str
    text: str
    samples: Sequence[Sample]


def gauge(
    name: str, text: str, rows: Iterable[tuple[Mapping[str, str], float]]
) -> Family:
    """A gauge: labels and value of each row."""
    return Family(name, "gauge", text, [("", labels, value) for labels, value in rows])


def counter(
    name: str, text: str, rows: Iterable[tuple[Mapping[str, str], float]]
) -> Family:
    """A counter that is counted elsewhere."""
    return Family(
        name, "counter", text, [("", labels, value) for labels, value in rows]
    )


@dataclass(slots=True)
class Counter:
    """A counter by the values of its labels. Thread-safe."""

    name: str
    text: str
    labels: Values
    most: int
    """Rows at most; then those of `other` come."""
    kept: frozenset[str] = frozenset()
    """Labels whose values are few, which `other` keeps."""
    _sums: dict[Values, float] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, values: Values, number: float = 1) -> None:
        """Count; `values` are those of the labels."""
        with self._lock:
            if values not in self._sums and len(self._sums) >= self.most:
                values = _as_other(self.labels, values, self.kept)
            self._sums[values] = self._sums.get(values, 0) + number

    def family(self) -> Family:
        """What was counted until now."""
        with self._lock:
            rows = list(self._sums.items())
        named = ((_named(self.labels, values), number) for values, number in rows)
        return counter(self.name, self.text, named)


@dataclass(slots=True)
class _Row:
    buckets: list[int]
    total: int = 0


@dataclass(slots=True)
class Histogram:
    """A histogram by the values of its labels. Thread-safe."""

    name: str
    text: str
    labels: Values
    most: int
    bounds: tuple[int, ...]
    """Upper bounds of the buckets, ascending, in the unit of the numbers."""
    scale: int = 1
    """What a number is divided by when it is shown: whole numbers add up exactly."""
    kept: frozenset[str] = frozenset()
    _rows: dict[Values, _Row] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def observe(self, values: Values, numbers: Sequence[int]) -> None:
        """Count numbers, in the unit of the bounds."""
        bounds = self.bounds
        with self._lock:
            row = self._rows.get(values)
            if row is None:
                if len(self._rows) >= self.most:
                    values = _as_other(self.labels, values, self.kept)
                row = self._rows.setdefault(values, _Row([0] * (len(self.bounds) + 1)))
            buckets = row.buckets
            for number in numbers:
                buckets[bisect_left(bounds, number)] += 1
            row.total += sum(numbers)

    def family(self) -> Family:
        """What was counted until now."""
        with self._lock:
            rows = [
                (values, list(row.buckets), row.total)
                for values, row in self._rows.items()
            ]
        samples = [sample for row in rows for sample in self._samples(*row)]
        return Family(self.name, "histogram", self.text, samples)

    def _samples(
        self, values: Values, buckets: list[int], total: int
    ) -> Iterator[Sample]:
        labels, count = _named(self.labels, values), 0
        shown = [_number(bound / self.scale) for bound in self.bounds]
        for bound, number in zip((*shown, "+Inf"), buckets, strict=True):
            count += number
            yield "_bucket", {**labels, "le": bound}, count
        yield "_sum", labels, total / self.scale
        yield "_count", labels, count


def text_of(families: Iterable[Family]) -> str:
    """The families in Prometheus' text exposition format."""
    return "".join(f"{line}\n" for family in families for line in _lines(family))


def _lines(family: Family) -> Iterator[str]:
    yield f"# HELP {family.name} {family.text}"
    yield f"# TYPE {family.name} {family.kind}"
    for suffix, labels, value in family.samples:
        shown = ",".join(
            f'{name}="{item.translate(_ESCAPED)}"' for name, item in labels.items()
        )
        yield f"{family.name}{suffix}{{{shown}}} {_number(value)}"


def _number(value: float) -> str:
    """A whole number as such: 12 digits and more would lose some in `%g`."""
    if value == int(value):
        return str(int(value))
    return repr(float(value))


def _named(labels: Values, values: Values) -> dict[str, str]:
    return dict(zip(labels, values, strict=True))


def _as_other(labels: Values, values: Values, kept: frozenset[str]) -> Values:
    pairs = zip(labels, values, strict=True)
    return tuple(value if name in kept else OTHER for name, value in pairs)
