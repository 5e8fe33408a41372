"""Errors for programs: what a command with `-o json` writes to standard error when it fails.

The format is stable and documented in the CLI reference: members are added, never renamed or
removed. Called by `output.py`, which writes one object on one line.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from kapi.errors import Diagnostic, Invalid, KapiError, SettingsError

_MOST_NOTES: Final = 200


def error_object(
    error: KapiError,
    exit_code: int,
    notes: Sequence[str],
    warnings: Sequence[Diagnostic],
) -> dict[str, Any]:
    """A failure as a JSON object. `notes` and `warnings` are what was said before it."""
    found: Sequence[Diagnostic] = ()
    if isinstance(error, Invalid | SettingsError):
        found = error.diagnostics
    detail = error.detail
    if detail == error.title:
        detail = ""
    return {
        "code": error.code,
        "message": error.title,
        "detail": detail,
        "hints": [error.hint] if error.hint else [],
        "exitCode": exit_code,
        "diagnostics": [_diagnostic(item) for item in (*found, *warnings)],
        "notes": list(notes)[-_MOST_NOTES:],
    }


def _diagnostic(item: Diagnostic) -> dict[str, Any]:
    return {
        "code": item.code,
        "severity": item.severity,
        "message": item.message,
        "file": item.source,
        "line": item.line,
        "column": item.column,
        "pointer": item.pointer,
        "hint": item.hint,
    }


def wants_json(words: Sequence[str]) -> bool:
    """Whether the arguments of a command ask for JSON; the last `-o` decides."""
    form, before = "", ""
    for word in words:
        if word == "--":
            break
        name, _, value = word.partition("=")
        if before in {"-o", "--output"}:
            form = word
        elif name == "--output":
            form = value
        elif word.startswith("-o") and not word.startswith("--"):
            form = word[2:]
        before = word
    return form == "json"
