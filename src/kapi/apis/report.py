"""Mistakes gathered while a text is read: every code, and the report they are added to.

Called by every reader in this room. A reader never stops at the first mistake; it adds to the
report and goes on, so the person sees all of them at once.
"""

from __future__ import annotations

from typing import Final

from kapi.dataclass import dataclass
from kapi.errors import Diagnostic


@dataclass(frozen=True, slots=True)
class Mark:
    """The place of a value: 1-based line and column, JSON pointer (`#/operations/0/verb`)."""

    line: int = 0
    column: int = 0
    pointer: str = "#"


NO_MARK: Final = Mark()
"""Of what is not read from a text."""

NOT_UTF8: Final = "KAPI1001"
SYNTAX: Final = "KAPI1002"
DUPLICATE_KEY: Final = "KAPI1003"
LIMIT: Final = "KAPI1004"
NOT_ONE_MAPPING: Final = "KAPI1005"
NOT_JSON_LIKE: Final = "KAPI1006"
WRONG_TYPE: Final = "KAPI1101"
MISSING: Final = "KAPI1102"
UNKNOWN_FIELD: Final = "KAPI1103"
NOT_ALLOWED: Final = "KAPI1104"
LENGTH: Final = "KAPI1105"
FORMAT: Final = "KAPI1106"
RANGE: Final = "KAPI1107"
NOT_SUPPORTED: Final = "KAPI1108"
ENDPOINT: Final = "KAPI1201"
TARGET: Final = "KAPI1202"
VERB: Final = "KAPI1203"
SAME_OPERATION: Final = "KAPI1204"
BASE_PATH: Final = "KAPI1205"
NO_ENDPOINT: Final = "KAPI1206"
OPERATIONS: Final = "KAPI1207"
HOST_LABEL: Final = "KAPI1208"
COMBINATION: Final = "KAPI1209"
HEADER: Final = "KAPI1211"
POLICIES: Final = "KAPI1212"
AUTHENTICATION: Final = "KAPI1210"
RATE_LIMITS: Final = "KAPI1213"
DEFINITION: Final = "KAPI1301"
DEFINITION_CONTENT: Final = "KAPI1302"
NOT_IN_DEFINITION: Final = "KAPI1303"
NOT_AS_DEFINED: Final = "KAPI1304"
WEAKER_SIBLING: Final = "KAPI1305"
WHOLE_STREAM: Final = "KAPI1306"
TAKEN_PATH: Final = "KAPI1401"
TAKEN_ID: Final = "KAPI1402"
TAKEN_HOST: Final = "KAPI1403"
MODULE: Final = "KAPI1601"
UNKNOWN_SECRET: Final = "KAPI1501"  # noqa: S105 - a code of diagnostics
UNFIT_SECRET: Final = "KAPI1502"  # noqa: S105

MAX_MISTAKES: Final = 500
"""A text with more mistakes than this is not a conf with mistakes but another kind of file."""


class Report:
    """The mistakes of one input text, in the order they were found."""

    def __init__(self, source: str) -> None:
        self.source = source
        self._items: list[Diagnostic] = []
        self._warnings: list[Diagnostic] = []
        self._inside: set[str] = set()

    def add(self, code: str, message: str, mark: Mark, hint: str = "") -> None:
        """Note one mistake at its place."""
        self.take(
            Diagnostic(
                code,
                message,
                hint,
                mark.pointer,
                mark.line,
                mark.column,
                "error",
                self.source,
            )
        )

    def warn(self, code: str, message: str, mark: Mark, hint: str = "") -> None:
        """Note something that is accepted and may not be what the author wants."""
        item = Diagnostic(
            code,
            message,
            hint,
            mark.pointer,
            mark.line,
            mark.column,
            "warning",
            self.source,
        )
        if len(self._warnings) < MAX_MISTAKES:
            self._warnings.append(item)

    def take(self, item: Diagnostic) -> None:
        """Note a diagnostic made elsewhere."""
        pointer = item.pointer
        while pointer and pointer not in self._inside:
            self._inside.add(pointer)
            pointer = pointer.rpartition("/")[0]
        if len(self._items) < MAX_MISTAKES:
            self._items.append(item)

    def has_within(self, pointer: str) -> bool:
        """Whether a mistake was found at this place or below it."""
        return pointer in self._inside

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """All mistakes, in the order of the text; no warnings."""
        return _ordered(self._items)

    @property
    def warnings(self) -> tuple[Diagnostic, ...]:
        """All warnings, in the order of the text."""
        return _ordered(self._warnings)


def _ordered(items: list[Diagnostic]) -> tuple[Diagnostic, ...]:
    return tuple(sorted(items, key=lambda item: (item.line, item.column)))


def below(pointer: str, key: str | int) -> str:
    """The JSON pointer of a member (RFC 6901 §3)."""
    if type(key) is int:
        return f"{pointer}/{key}"
    return f"{pointer}/{str(key).replace('~', '~0').replace('/', '~1')}"
