"""Completion of kinds and names. Names are those of the platform; without an answer there are none.

A shell calls this at each Tab: it says nothing, and gives up after two seconds.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

_SECONDS: Final = 2


def complete_kinds(incomplete: str) -> list[str]:
    """The kinds whose names begin so."""
    from kapi.front.cli.kinds.table import plurals

    return [name for name in plurals() if name.startswith(incomplete)]


def complete_names(ctx: Any, incomplete: str) -> list[str]:
    """The names of objects, of the kind in the line, that begin so."""
    return _completed(str(ctx.params.get("kind") or ""), ctx.params, incomplete)


def completing(kind: str) -> Callable[[Any, str], list[str]]:
    """Completion of the names of one kind."""

    def complete(ctx: Any, incomplete: str) -> list[str]:
        return _completed(kind, ctx.params, incomplete)

    return complete


def _completed(name: str, given: Any, incomplete: str) -> list[str]:
    from kapi.front.cli.kinds.table import kind_named

    kind = kind_named(name)
    if kind is None:
        return []
    with _silent():
        try:
            _give_up_after(_SECONDS)
            return _names(kind, given, incomplete)
        except BaseException:
            return []
        finally:
            _give_up_after(0)


def _give_up_after(seconds: int) -> None:
    """Let TimeoutError interrupt what runs after this number of seconds; 0: never."""
    signal.signal(signal.SIGALRM, _too_late)
    signal.setitimer(signal.ITIMER_REAL, seconds)


def _too_late(*_: Any) -> None:
    raise TimeoutError


def _names(kind: Any, given: Any, incomplete: str) -> list[str]:
    from kapi.front.cli.client import Client
    from kapi.front.cli.kinds.objects import answered
    from kapi.front.cli.options import settings_of

    client = Client(settings_of(given.get("data_dir"), given.get("config")))
    found = set()
    for item in answered(kind, client)[kind.member]:
        for name in kind.names_of(item):
            if name.startswith(incomplete) and " " not in name:
                found.add(name)
    return sorted(found)


@contextmanager
def _silent() -> Iterator[None]:
    """Discard what is written to standard error."""
    kept, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)
