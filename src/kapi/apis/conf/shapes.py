"""Shapes of a document and the check of a node against them, in the words of APK's own messages.

The vocabulary is what the apk-conf schema (`schema.py`) needs and no more. Called by `reading.py`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping as Table
from dataclasses import field
from typing import Final

from kapi.apis import report as codes
from kapi.apis.report import Report, below
from kapi.apis.yaml_positions import (
    Mapping,
    Node,
    Scalar,
    Sequence,
    key_mark,
    mark,
    type_name,
)
from kapi.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Text:
    """A string. `longest` 0 means no limit."""

    shortest: int = 0
    longest: int = 0
    pattern: str = ""
    one_of: tuple[str, ...] = ()
    hint: str = ""
    """What to write, where length and pattern alone do not say it."""

    def advice(self, length: int) -> str:
        """What to write instead of a text of this length."""
        if self.hint:
            return self.hint
        if self.shortest == self.longest:
            return f"Write exactly {self.longest} characters."
        if length > self.longest > 0:
            return f"Write at most {self.longest} characters."
        if self.shortest == 1:
            return "Write at least one character."
        return f"Write at least {self.shortest} characters."

    def fault(self, value: str) -> tuple[str, str, str] | None:
        """Code, message and hint of what is wrong with a text; None if nothing is."""
        length = len(value)
        if length < self.shortest:
            message = f"expected minLength: {self.shortest}, actual: {length}"
            return codes.LENGTH, message, self.advice(length)
        if length > self.longest > 0:
            message = f"expected maxLength: {self.longest}, actual: {length}"
            return codes.LENGTH, message, self.advice(length)
        if self.one_of and value not in self.one_of:
            hint = (
                _suggest(value, self.one_of) or f"Use one of: {', '.join(self.one_of)}."
            )
            return codes.NOT_ALLOWED, f"{value[:60]} is not a valid enum value", hint
        if self.pattern and not re.fullmatch(self.pattern, value):
            message = f"string [{value[:60]}] does not match pattern {self.pattern}"
            return (
                codes.FORMAT,
                message,
                self.hint or "Use letters, digits, `.`, `_` and `-`.",
            )
        return None


@dataclass(frozen=True, slots=True)
class Flag:
    """true or false."""


@dataclass(frozen=True, slots=True)
class Whole:
    """An integer within bounds."""

    least: int = 0
    most: int = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Items:
    """A list of one shape. `most` 0 means no limit."""

    of: Shape
    most: int = 0


@dataclass(frozen=True, slots=True)
class Record:
    """A mapping with known fields; `more` lets others pass unseen."""

    fields: Table[str, Shape]
    required: tuple[str, ...] = ()
    more: bool = False


@dataclass(frozen=True, slots=True)
class ByField:
    """A mapping whose shape is chosen by the text of one of its fields."""

    name: str
    records: Table[str, Record]


@dataclass(frozen=True, slots=True)
class OneOf:
    """A mapping of one of several shapes: the one that knows most of the fields that it has."""

    records: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class Either:
    """One of two shapes: `other` when the node is of that kind, else `usual`."""

    usual: Shape
    other: Text | Items


@dataclass(frozen=True, slots=True)
class Anything:
    """Accepts any value."""


Shape = Text | Flag | Whole | Items | Record | ByField | OneOf | Either | Anything

FLAG: Final = Flag()
TEXT: Final = Text()
NAME: Final = Text(1, 253)
"""The name of something kept elsewhere: a secret, a key, a model."""
SCRIPT_NAME: Final = Text(1, 64, pattern="[A-Za-z0-9._-]+")
"""The name of a script or module of an API."""
UNIT: Final = Text(one_of=("Minute", "Hour", "Day"))
"""A window of the clock."""
_MAX_LIKENESS_LENGTH: Final = 64


@dataclass(frozen=True, slots=True)
class Checker:
    """Checks nodes against shapes and adds what is wrong to its report."""

    report: Report
    elsewhere: Table[str, str] = field(default_factory=dict)
    """Fields that people put in a wrong place or know under another name: name → hint."""

    def check(self, node: Node, shape: Shape, pointer: str) -> None:
        """Add every mistake of the node to the report."""
        match shape:
            case Text():
                self._text(node, shape, pointer)
            case Flag():
                self._flag(node, pointer)
            case Whole():
                self._whole(node, shape, pointer)
            case Items():
                self._items(node, shape, pointer)
            case Record():
                self._record(node, shape, pointer)
            case ByField():
                self._by_field(node, shape, pointer)
            case OneOf():
                self._record(node, _meant(node, shape.records), pointer)
            case Either():
                self.check(node, _chosen(node, shape), pointer)
            case Anything():
                pass

    def _flag(self, node: Node, pointer: str) -> None:
        if not (isinstance(node, Scalar) and isinstance(node.value, bool)):
            self._wrong_type(
                node, "Boolean", pointer, "Write true or false, without quotes."
            )

    def _wrong_type(
        self, node: Node, expected: str, pointer: str, hint: str = ""
    ) -> None:
        if isinstance(node, Scalar) and node.value is None:
            hint = "Give it a value or remove the line."
        message = f"expected type: {expected}, found: {type_name(node)}"
        self.report.add(codes.WRONG_TYPE, message, mark(node, pointer), hint)

    def _text(self, node: Node, shape: Text, pointer: str) -> None:
        if not isinstance(node, Scalar) or not isinstance(node.value, str):
            quoted = ""
            if isinstance(node, Scalar):
                quoted = f'Quote it: "{node.text[:60]}".'
            self._wrong_type(node, "String", pointer, quoted)
            return
        fault = shape.fault(node.value)
        if fault is not None:
            code, message, hint = fault
            self.report.add(code, message, mark(node, pointer), hint)

    def _whole(self, node: Node, shape: Whole, pointer: str) -> None:
        value = None
        if isinstance(node, Scalar):
            value = node.value
        if type(value) is not int:  # A Boolean is an int too.
            self._wrong_type(
                node, "Integer", pointer, "Write a whole number, without quotes."
            )
            return
        hint = f"Use a number from {shape.least} to {shape.most}."
        bound = ""
        if value < shape.least:
            bound = f"greater or equal to {shape.least}"
        elif value > shape.most:
            bound = f"less or equal to {shape.most}"
        if bound:
            message = f"{str(value)[:40]} is not {bound}"
            self.report.add(codes.RANGE, message, mark(node, pointer), hint)

    def _items(self, node: Node, shape: Items, pointer: str) -> None:
        if not isinstance(node, Sequence):
            self._wrong_type(
                node,
                "JSONArray",
                pointer,
                "Write a list: one `- ` line for each item, or [] for none.",
            )
            return
        if shape.most and len(node.items) > shape.most:
            message = (
                f"expected maximum item count: {shape.most}, found: {len(node.items)}"
            )
            self.report.add(
                codes.LENGTH,
                message,
                mark(node, pointer),
                f"Keep at most {shape.most} of them.",
            )
            return
        for index, item in enumerate(node.items):
            self.check(item, shape.of, below(pointer, index))

    def _record(self, node: Node, shape: Record, pointer: str) -> None:
        if not isinstance(node, Mapping):
            self._wrong_type(node, "JSONObject", pointer, "Write `key: value` lines.")
            return
        for name in shape.required:
            if name not in node.entries:
                self.report.add(
                    codes.MISSING,
                    f"required key [{name}] not found",
                    mark(node, pointer),
                    f"Add `{name}: …` here.",
                )
        for name, value in node.entries.items():
            known = shape.fields.get(name)
            if known is not None:
                self.check(value, known, below(pointer, name))
            elif not shape.more:
                hint = _suggest(name, tuple(shape.fields)) or self.elsewhere.get(
                    name, "Remove it."
                )
                message = f"extraneous key [{name[:60]}] is not permitted"
                self.report.add(
                    codes.UNKNOWN_FIELD, message, key_mark(node, name, pointer), hint
                )

    def _by_field(self, node: Node, shape: ByField, pointer: str) -> None:
        chosen: Record | None = None
        if isinstance(node, Mapping):
            name = node.entries.get(shape.name)
            if isinstance(name, Scalar) and isinstance(name.value, str):
                chosen = shape.records.get(name.value)
        names = Text(one_of=tuple(shape.records))
        if chosen is None:
            # Only the deciding field can be judged: which other fields are right depends on it.
            chosen = Record({shape.name: names}, (shape.name,), more=True)
        self._record(node, chosen, pointer)


def _meant(node: Node, records: tuple[Record, ...]) -> Record:
    given: set[str] = set()
    if isinstance(node, Mapping):
        given = set(node.entries)
    return max(records, key=lambda record: len(given & set(record.fields)))


def _chosen(node: Node, shape: Either) -> Shape:
    if isinstance(shape.other, Items):
        is_other = isinstance(node, Sequence)
    else:
        is_other = isinstance(node, Scalar)
    if is_other:
        return shape.other
    return shape.usual


def _suggest(given: str, known: tuple[str, ...]) -> str:
    """A "did you mean" hint; empty when nothing is near."""
    if len(given) > _MAX_LIKENESS_LENGTH:
        return ""
    by_lower = {name.lower(): name for name in known}
    near = difflib.get_close_matches(given.lower(), list(by_lower), n=1, cutoff=0.6)
    if near:
        return f"Did you mean {by_lower[near[0]]}?"
    return ""
