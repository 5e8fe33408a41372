"""Checks of settings, in the metadata of their fields, and the walk that runs all of them.

A field names its check in its metadata: `field(metadata={"check": check_url})`. It is called with
the value and yields mistakes. A check of several fields is the method `mistakes` of their class.
A mistake says its place relative to the field or class, which do not know where they are used.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple


class Mistake(NamedTuple):
    """What is wrong with a setting, and what to do."""

    what: str
    hint: str = ""
    where: str = ""
    """The rest of the name, with its separator: `.url`, `[0].id`. Empty: the setting itself."""

    def below(self, name: str) -> Mistake:
        """The same mistake as seen from further up the tree."""
        return self._replace(where=name + self.where)


def below(name: str, mistakes: Iterable[Mistake]) -> Iterator[Mistake]:
    """The mistakes of a part of something, as seen from there."""
    for mistake in mistakes:
        yield mistake.below(name)


Check = Callable[[Any], Iterator[Mistake]]


class OuterCheck(NamedTuple):
    """A check of a setting by facts that a room above the settings states."""

    written: Check
    """Called with the value as it was written, which may have a wrong type."""
    read: Check
    """Called with the value of the setting."""


def check_text(accepts: Callable[[str], Any], what: str, hint: str = "") -> Check:
    """A check of a text. `what` is the mistake, with `{}` for the text, if `accepts` is false."""

    def check(value: str) -> Iterator[Mistake]:
        if not accepts(value):
            yield Mistake(what.format(repr(value)), hint)

    return check


def check_each(check: Check) -> Check:
    """A check of each item of a list."""

    def check_items(values: Iterable[Any]) -> Iterator[Mistake]:
        for value in values:
            yield from check(value)

    return check_items


def mistakes_of(settings: Any) -> Iterator[Mistake]:
    """All mistakes in a settings object and the objects in it."""
    for field in dataclasses.fields(settings):
        found = _mistakes_of_field(field, getattr(settings, field.name))
        yield from below(f".{field.name}", found)
    if hasattr(settings, "mistakes"):
        yield from settings.mistakes()


def _mistakes_of_field(field: dataclasses.Field[Any], value: Any) -> Iterator[Mistake]:
    check: Check | None = field.metadata.get("check")
    if check is not None:
        yield from check(value)
    if dataclasses.is_dataclass(value):
        yield from mistakes_of(value)
    if isinstance(value, tuple):
        yield from _mistakes_of_items(value)


def _mistakes_of_items(items: tuple[Any, ...]) -> Iterator[Mistake]:
    for number, item in enumerate(items):
        if dataclasses.is_dataclass(item):
            yield from below(f"[{number}]", mistakes_of(item))
