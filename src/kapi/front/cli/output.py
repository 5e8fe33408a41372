"""The output of the command line, and its exit codes.

Errors have the source line, a caret and a hint. Data is a table, JSON or YAML.
"""

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


_EXIT_OF_STATUS: Mapping[int, Exit] = {
    400: Exit.INVALID,
    406: Exit.INVALID,
    413: Exit.INVALID,
    401: Exit.UNAUTHENTICATED,
    403: Exit.UNAUTHENTICATED,
    404: Exit.NOT_FOUND,
    507: Exit.ENVIRONMENT,
}
_ENVIRONMENT_CODES = frozenset({"environment", "not-running", "address", "data-dir", "start"})


class Format(StrEnum):
    """Output formats."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


_PLAIN = "up|call|down|status|logs|why|audit|deploy|apis|undeploy|token|ca|doctor|config show"
_GROUPS = "api-key|secret|app|subscription|key|user|client|issuer"
_COMMAND = re.compile(
    rf"\bkapi (?:{_PLAIN}|(?:{_GROUPS}) [a-z-]+)\b(?![^`\n]*--data-dir)(?! --help)"
)
"""Commands that find a platform by its data directory."""
_NARROWEST = 8
"""A column is not cut to less."""
_place = {"option": ""}


def use_place(option: str) -> None:
    """Keep the option (` --data-dir PATH`, or none) with which commands find this platform."""
    _place["option"] = option


def with_place(text: str) -> str:
    """The text, with that option after each command in it, as in `kapi status`."""
    return _COMMAND.sub(lambda found: found[0] + _place["option"], text)


class InvalidInput(Exception):
    """Mistakes in files, with the files' texts for the source line under each."""

    def __init__(self, problem: Invalid, sources: dict[str, str]) -> None:
        super().__init__(str(problem))
        self.problem = problem
        self.sources = sources


def say(text: str) -> None:
    """Write a message for people, to standard error."""
    print(with_place(text), file=sys.stderr)  # noqa: T201 - this is the terminal


def put(text: str) -> None:
    """Write data to standard output."""
    sys.stdout.write(text if text.endswith("\n") else text + "\n")


def put_bytes(content: bytes) -> None:
    """Write bytes to standard output as they are, and a line end after text on a terminal."""
    sys.stdout.flush()
    sys.stdout.buffer.write(content)
    if content and sys.stdout.isatty() and not content.endswith(b"\n"):
        sys.stdout.buffer.write(b"\n")
    sys.stdout.buffer.flush()


def put_into(path: Path | None, text: str) -> None:
    """Write data to a file, or to standard output. Raises KapiError if it cannot be written."""
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
    """Write `value` as JSON or YAML, or `rows` as a table.

    `fit` names the columns that are cut to the width of a terminal.
    """
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
    lines = [[column.upper() for column in columns]]
    lines += [[_cell(row.get(column)) for column in columns] for row in rows]
    widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
    fitted = []
    for number, column in enumerate(columns):
        if column in fit:
            fitted.append(number)
    _narrow(widths, fitted)
    for line in lines:
        put("  ".join(map(_padded, line, widths)).rstrip())


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
    return max(0, sum(widths) + 2 * (len(widths) - 1) - shutil.get_terminal_size().columns)


def _cell(value: Any) -> str:
    if isinstance(value, list | tuple):
        return " ".join(map(str, value))
    if value is None:
        return ""
    return str(value)


def fail(error: KapiError, sources: Mapping[str, str] | None = None) -> int:
    """Explain an error, and return its exit code.

    `sources` are the texts that the diagnostics are about, by the names that they use.
    """
    if isinstance(error, Invalid | SettingsError) and error.diagnostics:
        texts = {name: text.splitlines() for name, text in (sources or {}).items()}
        for item in error.diagnostics:
            explain(item, texts.get(item.source, []))
        return exit_code(error)
    detail = ""
    if error.detail not in {"", error.title}:
        detail = f"\n  {error.detail}"
    say(f"{_red('error: ')}{error.title}{detail}")
    if error.hint:
        say(f"hint: {error.hint}")
    return exit_code(error)


def exit_of_status(status: int) -> Exit:
    """The exit code of an HTTP status of 400 or more."""
    return _EXIT_OF_STATUS.get(status, Exit.FAILED)


def exit_code(error: KapiError) -> int:
    """The exit code of an error."""
    if isinstance(error, Invalid | SettingsError):
        return Exit.INVALID
    if isinstance(error, Problem):
        rejected = error.code == error_codes.GATEWAY_REFUSED.number
        if rejected:
            return Exit.REJECTED
        return exit_of_status(error.status)
    if isinstance(error, EnvoyNotFound):
        return Exit.ENVIRONMENT
    if isinstance(error, GatewayError):
        return Exit.REJECTED
    if isinstance(error, StorageError) or error.code in _ENVIRONMENT_CODES:
        return Exit.ENVIRONMENT
    return Exit.FAILED


def usage(message: str, hint: str) -> NoReturn:
    """Stop with a usage error."""
    say(f"{_red('error: ')}{message}\nhint: {hint}")
    raise SystemExit(Exit.USAGE)


def explain(item: Diagnostic, lines: Sequence[str]) -> None:
    """Write a diagnostic: its place, message, source line with a caret, and hint."""
    word = "warning: "
    if item.severity == "error":
        word = _red("error: ")
    code = ""
    if item.code.startswith("KAPI"):
        code = f"  [{item.code}]"
    say(f"{word}{_place_of(item)}{item.message}{code}")
    if 0 < item.line <= len(lines):
        before, text = _excerpt(lines[item.line - 1], item.column)
        say(f"  {item.line:>4} | {text}")
        say(f"       | {' ' * before}^")
    if item.hint:
        say(f"hint: {item.hint}")


def _place_of(item: Diagnostic) -> str:
    if item.line:
        return f"{item.source}:{item.line}:{item.column}: "
    if item.source:
        return f"{item.source}: "
    return ""


def _excerpt(line: str, column: int) -> tuple[int, str]:
    """A line, or the part of a long one around a column; first the characters before it."""
    before = max(column - 1, 0)
    if len(line) <= _WIDEST:
        return before, line
    start = max(before - _WIDEST // 2, 0)
    return before - start, line[start : start + _WIDEST]


def _red(text: str) -> str:
    coloured = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    if coloured:
        return f"\x1b[31m{text}\x1b[0m"
    return text
