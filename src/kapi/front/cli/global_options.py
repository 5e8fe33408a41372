"""Options that may be anywhere on the line: before the command, and between group and command."""

from __future__ import annotations

from collections.abc import Sequence

from kapi.front.cli.output import usage
from kapi.front.cli.server.choice import use_server

_SERVER = "--server"
_MOVED = frozenset({"--data-dir", "--config", "-o", "--output"})
"""Options with a value that many commands have."""


def arguments(given: Sequence[str], groups: frozenset[str]) -> list[str]:
    """The arguments in the order that commands read: their options after their names.

    `groups` are the names of commands that have commands. `--server` is taken out, and kept for
    this process.
    """
    words, end = _parts(given)
    names: list[str] = []
    moved: list[str] = []
    rest = _without_server(words)
    while rest:
        word = rest[0]
        option = word.partition("=")[0]
        if option in _MOVED:
            size = 1 if word != option else 2
            moved += rest[:size]
            rest = rest[size:]
        elif word.startswith("-") or (names and names[-1] not in groups):
            break
        else:
            names.append(word)
            rest = rest[1:]
    return [*names, *rest, *moved, *end]


def _parts(given: Sequence[str]) -> tuple[list[str], list[str]]:
    """The words before `--`, and the rest."""
    words = list(given)
    if "--" not in words:
        return words, []
    at = words.index("--")
    return words[:at], words[at:]


def _without_server(words: list[str]) -> list[str]:
    left: list[str] = []
    position = 0
    while position < len(words):
        word = words[position]
        name, equals, value = word.partition("=")
        if name != _SERVER:
            left.append(word)
            position += 1
            continue
        if not equals and position + 1 < len(words):
            value = words[position + 1]
        if not value:
            usage("--server has no value", "Give a URL or the name of a context.")
        use_server(value)
        position += 1 if equals else 2
    return left
