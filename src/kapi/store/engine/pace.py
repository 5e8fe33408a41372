"""Work in small pieces, between which others use the database. For housekeeping."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

_SHORTEST_PAUSE: Final = 0.01

Pause = Callable[[float], object]


def took(work: Callable[[], bool], pause: Pause) -> bool:
    """Do a piece of work, then leave the database to others for as long as that took."""
    began = time.monotonic()
    more = work()
    if more:
        pause(max(_SHORTEST_PAUSE, time.monotonic() - began))
    return more
