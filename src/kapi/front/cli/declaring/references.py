"""Secrets by reference: a document names an environment variable or a file, never the value.

secret: {env: SHOP_SECRET}
password: {file: secrets/ada}
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Any, Final

from kapi.dataclass import dataclass
from kapi.errors import Diagnostic
from kapi.front.cli.declaring.documents import Document
from kapi.settings.written.references import value_of

_SECRET: Final = {"Client": ("secret",), "User": ("password",), "Secret": ("value",)}
"""Members with a secret, by kind."""
_PUBLIC: Final = {"Issuer": ("ca", "certificate", "public_key")}
"""Members that may be a reference as well as a text."""
REFERENCES: Final = {**_SECRET, **_PUBLIC}
"""Members that may be references, by kind."""
_HINT: Final = "Write {env: NAME} or {file: PATH}: a secret is not kept in this file."


@dataclass(frozen=True, slots=True)
class Resolved:
    """The members with the values of their references, and the mistakes."""

    members: dict[str, Any] = field(repr=False)
    mistakes: list[Diagnostic] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    """The files that were read."""


def resolved(
    document: Document,
    kind: str,
    members: Mapping[str, Any],
    folder: Path,
    *,
    plain: bool,
) -> Resolved:
    """The members of a document with the values of their references.

    `plain` allows secrets in the document, for a platform that is for tests.
    """
    found = Resolved(dict(members))
    for name in REFERENCES.get(kind, ()):
        if name not in members:
            continue
        value = members[name]
        if isinstance(value, dict):
            found.members[name] = _resolve(document, name, value, folder, found)
        elif name in _SECRET.get(kind, ()) and not plain:
            found.mistakes.append(
                document.mistake(f"#/{name}", f"{name} is in the file", _HINT)
            )
    return found


def _resolve(
    document: Document,
    name: str,
    value: Mapping[str, Any],
    folder: Path,
    found: Resolved,
) -> str:
    """The value of a reference; a mistake is added if it has none."""
    made = value_of(value, folder, os.environ)
    if made.file:
        found.files.append(made.file)
    if made.mistake:
        found.mistakes.append(document.mistake(f"#/{name}", f"{name}: {made.mistake}"))
    return made.text


def without_secrets(text: str, document: Document, kind: str) -> str:
    """The text of the file of a document, for messages: a line ends where a secret begins."""
    lines = text.splitlines(keepends=True)
    members = document.members
    for name in _SECRET.get(kind, ()):
        value = members.get(name)
        if value is None or _is_reference(value):
            continue
        place = document.mistake(f"#/{name}", "")
        line = lines[place.line - 1]
        colon = line.find(":", place.column - 1)
        lines[place.line - 1] = f"{line[: colon + 1]} …\n"
    return "".join(lines)


def _is_reference(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() <= {"env", "file"}
