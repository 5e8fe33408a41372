"""Does something again whenever files change. It looks at their times and sizes twice a second."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, NoReturn

SECONDS: Final = 0.5
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
    work: Callable[[], None],
    pause: Callable[[float], object],
) -> NoReturn:
    """Work once, and again after each change that is complete: two looks see the same."""
    while True:
        before = look()
        work()
        while (now := look()) == before:
            pause(SECONDS)
        while True:
            pause(SECONDS)
            later = look()
            if later == now:
                break
            now = later
