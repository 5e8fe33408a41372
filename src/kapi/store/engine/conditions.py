"""Conditions of writes: what must still hold when the transaction that changes something begins.

A caller that has read an object says with `only_if` what it has read. The first transaction of its
block compares that with what is stored. No other transaction runs meanwhile, on any node.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

Condition = Callable[[], None]
"""Reads the database, and raises an error if the condition does not hold."""

_CONDITION: Final[ContextVar[Condition | None]] = ContextVar("condition", default=None)


@contextmanager
def only_if(condition: Condition) -> Iterator[None]:
    """Check the condition in the first transaction of this thread in the block.

    Its error undoes the transaction and reaches the caller.
    """
    token = _CONDITION.set(condition)
    try:
        yield
    finally:
        _CONDITION.reset(token)


def check_condition() -> None:
    """Check the condition of this thread. Called at the start of each transaction."""
    condition = _CONDITION.get()
    if condition is not None:
        condition()


def condition_met() -> None:
    """A transaction has begun with the condition and is stored: later ones have none."""
    _CONDITION.set(None)
