"""What differs between two settings, without secrets."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from kapi.dataclass import dataclass
from kapi.settings.written.shown import field_shown, key_of

_ANOTHER: Final = "*** (another)"


@dataclass(frozen=True, slots=True)
class Change:
    """A setting that differs, with both values without secrets; None: it is not there."""

    name: str
    before: Any
    after: Any


def changes(before: Any, after: Any, prefix: str = "") -> Iterator[Change]:
    """The settings that differ below a settings object, by their dotted names."""
    for field in dataclasses.fields(before):
        name = f"{prefix}{field.name}"
        old, new = getattr(before, field.name), getattr(after, field.name)
        if not field.compare or old == new:
            continue
        if dataclasses.is_dataclass(old):
            yield from changes(old, new, f"{name}.")
        elif _are_tables(old) and _are_tables(new):
            yield from _changed_items(old, new, name)
        else:
            yield _change(field, name, old, new)


def _change(field: dataclasses.Field[Any], name: str, old: Any, new: Any) -> Change:
    first, second = field_shown(field, old), field_shown(field, new)
    if first == second:
        second = _ANOTHER
    return Change(name, _json(first), _json(second))


def _changed_items(
    old: Sequence[Any], new: Sequence[Any], name: str
) -> Iterator[Change]:
    before, after = _named(old), _named(new)
    if before == after:
        yield Change(name, None, "in another order")
    for key in dict.fromkeys((*before, *after)):
        place = f"{name}[{key}]"
        if key not in before:
            yield Change(place, None, "added")
        elif key not in after:
            yield Change(place, "removed", None)
        else:
            yield from changes(before[key], after[key], f"{place}.")


def _named(items: Sequence[Any]) -> Mapping[str, Any]:
    """The items by what names them. Several may have one name: the values of one secret."""
    named: dict[str, Any] = {}
    numbers: Counter[str] = Counter()
    for item in items:
        key = key_of(item)
        numbers[key] += 1
        if numbers[key] > 1:
            key = f"{key} ({numbers[key]})"
        named[key] = item
    return named


def _are_tables(value: Any) -> bool:
    return isinstance(value, tuple) and all(map(dataclasses.is_dataclass, value))


def _json(value: Any) -> Any:
    if isinstance(value, bool | int | float | str | list | dict) or value is None:
        return value
    return str(value)
