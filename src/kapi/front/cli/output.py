"""The output of the command line, and its exit codes.

Errors have the source line, a caret and a hint. Data is a table, JSON or YAML.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field, replace
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import Any, NoReturn

from kapi import error_codes
from kapi.dataclass import dataclass
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
from kapi.front.cli.tables import lines_of

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
_ENVIRONMENT_CODES = frozenset(
    {"environment", "not-running", "address", "data-dir", "start"}
)


class Format(StrEnum):
    """The values of `--output`."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


_PLAIN = (
    "up|call|down|reload|status|logs|why|audit|deploy|apis|undeploy|get|delete|token|ca|doctor"
    "|config show"
)
_GROUPS = "api-key|secret|app|subscription|key|user|client|session|consent|issuer"
_COMMAND = re.compile(
    rf"\bkapi (?:{_PLAIN}|(?:{_GROUPS}) [a-z-]+)\b(?![^`\n]*--data-dir)(?! --help)"
)
"""Commands that find a platform by its data directory."""
_place = {"option": ""}


def use_place(option: str) -> None:
    """Keep the option (` --data-dir PATH`, or none) with which commands find this platform."""
    _place["option"] = option


def with_place(text: str) -> str:
    """The text, with that option after each command in it, as in `kapi status`."""
    return _COMMAND.sub(lambda found: found[0] + _place["option"], text)


@dataclass(slots=True)
class _Messages:
    """How this process talks: to people at once, or to a program, with one object at the end."""

    as_json: bool = False
    failed: bool = False
    """Whether the object was written."""
    notes: list[str] = field(default_factory=list)
    warnings: list[tuple[Diagnostic, Sequence[str]]] = field(default_factory=list)


_messages = _Messages()
_MOST_KEPT = 1000


def use_json_errors() -> None:
    """Write errors as JSON objects, and keep other messages until the end."""
    _messages.as_json = True


def ended(code: int) -> int:
    """Write the messages that were kept; to be called at the end. Returns the exit code.

    If the command failed without an error, the last of them is the error.
    """
    if not _messages.as_json:
        return code
    notes, warnings = _messages.notes, _messages.warnings
    if code and not _messages.failed and notes:
        last = notes.pop()
        return fail(KapiError("failed", last), code=code)
    _messages.as_json = False
    if not _messages.failed:
        for item, lines in warnings:
            explain(item, lines)
        for note in notes:
            say(note)
    return code


class InvalidInput(Exception):
    """Mistakes in files, with the files' texts for the source line under each."""

    def __init__(self, problem: Invalid, sources: dict[str, str]) -> None:
        super().__init__(str(problem))
        self.problem = problem
        self.sources = sources


def say(text: str) -> None:
    """Write a message for people, to standard error; with JSON errors, at the end."""
    if _messages.as_json:
        _messages.notes.append(text)
        del _messages.notes[:-_MOST_KEPT]
        return
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
        hint = "Name a file in a folder that you may write to."
        if not path.parent.exists():
            hint = f"Make its folder first: mkdir -p {shlex.quote(str(path.parent))}"
        reason = f"cannot write {path}: {error.strerror}"
        raise KapiError("output", reason, hint=hint) from error
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
    for line in lines_of(rows, fit):
        put(line)


def fail(
    error: KapiError, sources: Mapping[str, str] | None = None, *, code: int = 0
) -> int:
    """Explain an error, and return its exit code, which is `code` if that is not 0.

    `sources` are the texts that the diagnostics are about, by the names that they use.
    """
    code = code or exit_code(error)
    if _messages.as_json:
        _fail_as_json(error, code)
        return code
    if isinstance(error, Invalid | SettingsError) and error.diagnostics:
        texts = {name: text.splitlines() for name, text in (sources or {}).items()}
        for item in error.diagnostics:
            explain(item, texts.get(item.source, []))
        return code
    detail = ""
    if error.detail not in {"", error.title}:
        detail = f"\n  {error.detail}"
    say(f"{_red('error: ')}{error.title}{detail}")
    if error.hint:
        say(f"hint: {error.hint}")
    return code


def _fail_as_json(error: KapiError, code: int) -> None:
    """Write an error as one line of JSON, with what was kept before it."""
    from kapi.front.cli.terminal.machine_errors import error_object

    warnings = [item for item, _ in _messages.warnings]
    value = error_object(error, code, _messages.notes, warnings)
    _messages.failed = True
    _messages.notes.clear()
    _messages.warnings.clear()
    # Commands in hints name this platform, as in messages for people.
    print(json.dumps(_placed(value), ensure_ascii=True), file=sys.stderr, flush=True)  # noqa: T201


def _placed(value: Any) -> Any:
    if isinstance(value, str):
        return with_place(value)
    if isinstance(value, list):
        return list(map(_placed, value))
    if isinstance(value, dict):
        return {name: _placed(item) for name, item in value.items()}
    return value


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
    if _messages.as_json:
        raise SystemExit(fail(KapiError("usage", message, hint=hint), code=Exit.USAGE))
    say(f"{_red('error: ')}{message}\nhint: {hint}")
    raise SystemExit(Exit.USAGE)


def explain(item: Diagnostic, lines: Sequence[str]) -> None:
    """Write a diagnostic: its place, message, source line with a caret, and hint."""
    if _messages.as_json:
        _messages.warnings.append((item, lines))
        return
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


def explain_all(items: Iterable[Diagnostic], name: str, content: bytes) -> None:
    """Write diagnostics about one file, under its name."""
    items = tuple(items)
    lines: list[str] = []
    if items:
        lines = content.decode("utf-8", "replace").splitlines()
    for item in items:
        explain(replace(item, source=name), lines)


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
