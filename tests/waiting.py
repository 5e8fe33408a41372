"""Waiting for a state. The limit is one that a busy machine does not reach: a test never measures
time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

LIMIT = 60.0
Answer = TypeVar("Answer")


def until(
    condition: Callable[[], object],
    told: Callable[[], str] = lambda: "it did not happen",
) -> None:
    """Return when `condition` is true; fail with what `told` answers when it is not within a
    minute.
    """
    deadline = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < deadline, told()
        time.sleep(0.02)


def awaited(ask: Callable[[], Answer], right: Callable[[Answer], object]) -> Answer:
    """The first answer that is right; fail with the last one when none is within a minute."""
    deadline = time.monotonic() + LIMIT
    while not right(answer := ask()):
        assert time.monotonic() < deadline, answer
        time.sleep(0.02)
    return answer
