"""How the command line speaks: errors with source line, caret and hint; data as table, JSON or YAML; exit codes."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import Any, NoReturn

from kapi import error_codes
from kapi.errors import (
    Diagnostic,
    EnvoyNotFound,
    GatewayError,
    Invalid,
    KapiError,
    Problem,
    SettingsError,
    StorageError,
)

_WIDEST = 160
"""Characters of a source line that are shown: a JSON document may be one line."""


class Exit(IntEnum):
    """Exit codes; documented in docs/cli.md."""

    OK = 0
    FAILED = 1
    USAGE = 2
    INVALID = 3
    UNAUTHENTICATED = 4
    NOT_FOUND = 5
    REJECTED = 6
    ENVIRONMENT = 7


class Format(StrEnum):
    """Output formats."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


_PLAIN = "up|down|status|deploy|apis|undeploy|token|ca|doctor|config show"
_GROUPS = "api-key|secret|app|subscription|key|user|client|issuer"
_COMMAND = re.compile(
    rf"\bkapi (?:{_PLAIN}|(?:{_GROUPS}) [a-z-]+)\b(?![^`\n]*--data-dir)(?! --help)"
)
"""Commands that find a platform by its data directory."""
_NARROWEST = 8
"""A column is not cut to less."""
_place = {"option": ""}


def stand_in(option: str) -> None:
    """Remember which option (` --data-dir PATH`, or nothing) leads commands to the person's platform."""
    _place["option"] = option


def standing(text: str) -> str:
    """The text with each command in it, as in `kapi status`, completed so that it works where the person is."""
    return _COMMAND.sub(lambda found: found[0] + _place["option"], text)


class InvalidInput(Exception):
    """Mistakes in files, with the files' texts for the source line under each."""

    def __init__(self, problem: Invalid, sources: dict[str, str]) -> None:
        super().__init__(str(problem))
        self.problem = problem
        self.sources = sources


def say(text: str) -> None:
    """Talk to the person."""
    print(standing(text), file=sys.stderr)  # noqa: T201 - this is the terminal


def put(text: str) -> None:
    """Write data."""
    sys.stdout.write(text if text.endswith("\n") else text + "\n")


def put_into(path: Path | None, text: str) -> None:
    """Write data to a file, or to standard output without one. Raises KapiError when the file cannot be written."""
    if path is None:
        put(text)
        return
    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        raise KapiError(
            "output",
            f"cannot write {path}: {error.strerror}",
            hint="Name a file in a folder that you may write to.",
        ) from error
    say(f"wrote {path}")


def show(
    value: Any,
    form: Format,
    rows: Sequence[Mapping[str, Any]] | None = None,
    *,
    fit: Sequence[str] = (),
) -> None:
    """Write `value` as JSON or YAML, or `rows` as a table; `fit` names columns that are cut to the width of a terminal."""
    # JSON and YAML can spell every character in ASCII, for an output that has no other.
    ascii_only = (sys.stdout.encoding or "utf-8").lower().replace("-", "") != "utf8"
    if form is Format.JSON:
        put(json.dumps(value, indent=2, ensure_ascii=ascii_only))
    elif form is Format.YAML:
        import yaml

        put(yaml.safe_dump(value, sort_keys=False, allow_unicode=not ascii_only))
    else:
        table(rows if rows is not None else [value], fit)


def table(rows: Sequence[Mapping[str, Any]], fit: Sequence[str] = ()) -> None:
    """Write rows in columns; nothing at all when there are none."""
    if not rows:
        return
    columns = list(rows[0])
    cells = [
        [column.upper() for column in columns],
        *([_cell(row.get(column)) for column in columns] for row in rows),
    ]
    widths = [max(len(line[number]) for line in cells) for number in range(len(columns))]
    for _ in range(_excess(widths) if fit else 0):
        widest = max(
            (number for number, column in enumerate(columns) if column in fit),
            key=widths.__getitem__,
        )
        widths[widest] = max(widths[widest] - 1, _NARROWEST)
    for line in cells:
        put(
            "  ".join(
                _padded(text, width) for text, width in zip(line, widths, strict=True)
            ).rstrip()
        )


def _padded(text: str, width: int) -> str:
    return text.ljust(width) if len(text) <= width else text[: width - 1] + "…"


def _excess(widths: Sequence[int]) -> int:
    """How many columns a line is longer than the terminal; none where the output is no terminal."""
    if not sys.stdout.isatty() and not os.environ.get("COLUMNS"):
        return 0
    return max(0, sum(widths) + 2 * (len(widths) - 1) - shutil.get_terminal_size().columns)


def _cell(value: Any) -> str:
    if isinstance(value, list | tuple):
        return " ".join(map(str, value))
    return "" if value is None else str(value)


def fail(error: KapiError, sources: Mapping[str, str] | None = None) -> int:
    """Explain an error; `sources` maps the names diagnostics use to the texts they are about. Returns the exit code."""
    diagnostics: Sequence[Diagnostic] = (
        error.diagnostics if isinstance(error, Invalid | SettingsError) else ()
    )
    if diagnostics:
        texts = {name: text.splitlines() for name, text in (sources or {}).items()}
        for item in diagnostics:
            explain(item, texts.get(item.source, []))
    else:
        say(
            _red("error: ")
            + error.title
            + (f"\n  {error.detail}" if error.detail and error.detail != error.title else "")
        )
        if error.hint:
            say(f"hint: {error.hint}")
    return exit_code(error)


def exit_code(error: KapiError) -> int:
    """The exit code of an error."""
    if isinstance(error, Invalid | SettingsError):
        return Exit.INVALID
    if isinstance(error, Problem):
        by_status = {
            400: Exit.INVALID,
            406: Exit.INVALID,
            413: Exit.INVALID,
            401: Exit.UNAUTHENTICATED,
            403: Exit.UNAUTHENTICATED,
            404: Exit.NOT_FOUND,
            507: Exit.ENVIRONMENT,
        }
        rejected = error.code == error_codes.GATEWAY_REFUSED.number
        return Exit.REJECTED if rejected else by_status.get(error.status, Exit.FAILED)
    if isinstance(error, EnvoyNotFound):
        return Exit.ENVIRONMENT
    if isinstance(error, GatewayError):
        return Exit.REJECTED
    at_fault = isinstance(error, StorageError) or error.code in {
        "not-running",
        "address",
        "data-dir",
        "start",
    }
    return Exit.ENVIRONMENT if at_fault else Exit.FAILED


def usage(message: str, hint: str) -> NoReturn:
    """Stop with a usage error."""
    say(f"{_red('error: ')}{message}\nhint: {hint}")
    raise SystemExit(Exit.USAGE)


def explain(item: Diagnostic, lines: Sequence[str]) -> None:
    """Write a diagnostic: where it is, what it says, the line of the source with a caret, and the hint."""
    place = (
        f"{item.source}:{item.line}:{item.column}: "
        if item.line
        else (f"{item.source}: " if item.source else "")
    )
    word = _red("error: ") if item.severity == "error" else "warning: "
    say(
        f"{word}{place}{item.message}"
        + (f"  [{item.code}]" if item.code.startswith("KAPI") else "")
    )
    if 0 < item.line <= len(lines):
        before, text = _excerpt(lines[item.line - 1], item.column)
        say(f"  {item.line:>4} | {text}")
        say(f"       | {' ' * before}^")
    if item.hint:
        say(f"hint: {item.hint}")


def _excerpt(line: str, column: int) -> tuple[int, str]:
    """A line, or the part of a long one around a column, and how many characters of it are before that column."""
    before = max(column - 1, 0)
    if len(line) <= _WIDEST:
        return before, line
    start = max(before - _WIDEST // 2, 0)
    return before - start, line[start : start + _WIDEST]


def _red(text: str) -> str:
    coloured = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    return f"\x1b[31m{text}\x1b[0m" if coloured else text
