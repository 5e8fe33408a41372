"""Divides what is sent: the gateway ends a request after a minute."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Generic, TypeVar

from kapi.dataclass import dataclass

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Portion(Generic[T]):
    """What one request sends."""

    items: Sequence[T]
    is_first: bool
    is_last: bool


def portions(items: Sequence[T], size: int) -> Iterator[Portion[T]]:
    """Portions of `size` items at most; one that is empty if there are no items."""
    for start in range(0, max(1, len(items)), size):
        end = start + size
        yield Portion(items[start:end], start == 0, end >= len(items))
