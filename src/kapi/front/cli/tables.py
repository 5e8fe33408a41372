"""Rows as lines of text, in columns that fit the terminal."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

_NARROWEST: Final = 8
"""A column is not cut to less."""


def lines_of(
    rows: Sequence[Mapping[str, Any]], fit: Sequence[str] = ()
) -> Iterator[str]:
    """The lines of a table with these rows; none without a row.

    `fit` names the columns that are cut to the width of a terminal.
    """
    if not rows:
        return
    columns = list(rows[0])
    lines = [[column.upper() for column in columns]]
    lines += [[printable(_cell(row.get(column))) for column in columns] for row in rows]
    widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
    fitted = []
    for number, column in enumerate(columns):
        if column in fit:
            fitted.append(number)
    _narrow(widths, fitted)
    for line in lines:
        yield "  ".join(map(_padded, line, widths)).rstrip()


def _narrow(widths: list[int], fit: Sequence[int]) -> None:
    """Make the columns of `fit` narrower until a line fits the terminal, the widest first."""
    if not fit:
        return
    for _ in range(_excess(widths)):
        widest = max(fit, key=widths.__getitem__)
        widths[widest] = max(widths[widest] - 1, _NARROWEST)


def _padded(text: str, width: int) -> str:
    if len(text) <= width:
        return text.ljust(width)
    return text[: width - 1] + "…"


def _excess(widths: Sequence[int]) -> int:
    """By how many columns a line is longer than the terminal; 0 without a terminal."""
    if not sys.stdout.isatty() and not os.environ.get("COLUMNS"):
        return 0
    return max(
        0, sum(widths) + 2 * (len(widths) - 1) - shutil.get_terminal_size().columns
    )


def _cell(value: Any) -> str:
    if isinstance(value, list | tuple):
        return " ".join(map(str, value))
    if value is None:
        return ""
    return str(value)


def printable(line: str) -> str:
    """The text of one line: names that others chose must not command the terminal."""
    return "".join(character if character.isprintable() else "?" for character in line)
