"""Does something again whenever files change. It looks at their times and sizes twice a second."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, NoReturn

SECONDS: Final = 0.5
_LOOKS: Final = 6
"""Looks that see no change, until work that failed is done again."""
Stamp = frozenset[tuple[str, int, int]]


def stamp(names: Iterable[str]) -> Stamp:
    """Time of change and size of files, and of all files below folders."""
    found = set()
    for name in names:
        path = Path(name)
        paths = [path]
        if path.is_dir():
            paths = sorted(path.rglob("*"))
        for item in paths:
            try:
                state = item.stat()
            except OSError:
                continue  # it was removed just now
            found.add((str(item), state.st_mtime_ns, state.st_size))
    return frozenset(found)


def watch(
    look: Callable[[], Stamp],
    work: Callable[[], bool],
    pause: Callable[[float], object],
) -> NoReturn:
    """Work once, and again after each change that is complete: two looks see the same.

    `work` says whether it has to be done again also without a change.
    """
    while True:
        before = look()
        again = work()
        looks = 0
        while (now := look()) == before and not (again and looks == _LOOKS):
            pause(SECONDS)
            looks += 1
        while now != before:
            pause(SECONDS)
            before, now = now, look()
