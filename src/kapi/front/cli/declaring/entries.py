"""What files declare: each object with its members, and where each of them comes from.

A document with `kind` declares one object; an apk-conf is an API as it is. The files that a
document names are read here, so that the platform gets texts only.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import field, replace
from pathlib import Path
from typing import Any, Final

from kapi.dataclass import dataclass
from kapi.errors import Diagnostic
from kapi.front.cli.declaring.documents import Document
from kapi.front.cli.declaring.references import Resolved, resolved

API: Final = "API"
_CONF_MEMBERS: Final = frozenset({"basePath", "endpointConfigurations", "operations"})
_FILES: Final = ("conf", "definition")
KIND_HINT: Final = (
    "Such as: API, Client, User, Secret, Issuer, Application, Subscription."
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A declared object. `files` are the texts of its members that are files, by member."""

    kind: str
    document: Document
    members: Mapping[str, Any] = field(repr=False)
    files: Mapping[str, tuple[str, str]] = field(default_factory=dict, repr=False)
    """Member → file name and text."""
    secret_files: tuple[str, ...] = ()
    """Files whose contents are in the members."""

    @property
    def place(self) -> str:
        """File and line, for people."""
        return f"{self.document.source}:{self.document.line}"

    def located(self, mistake: Diagnostic, number: int) -> Diagnostic:
        """A mistake that the platform found in the object with this number, in its file."""
        source = mistake.source.removeprefix(f"#/objects/{number}/")
        if source in self.files:
            return replace(mistake, source=self.files[source][0])
        pointer = mistake.pointer
        if source != mistake.source:
            pointer = f"#/{source}{pointer.removeprefix('#')}"
        else:
            pointer = f"#{pointer.removeprefix(f'#/objects/{number}')}"
        placed = self.document.mistake(pointer, mistake.message, mistake.hint)
        return replace(placed, code=mistake.code)


def is_conf(document: Document) -> bool:
    """Whether a document is an apk-conf as it is."""
    return "kind" not in document.node.entries and bool(
        _CONF_MEMBERS & document.node.entries.keys()
    )


def entry_of(
    document: Document, folder: Path, *, plain: bool
) -> tuple[Entry, list[Diagnostic]]:
    """The object of a document with `kind`, and the mistakes in its references.

    Names of files are relative to the folder. `plain` allows secrets in the file.
    """
    members = document.members
    kind = str(members.pop("kind", ""))
    mistakes: list[Diagnostic] = []
    if not kind:
        mistakes.append(document.mistake("#", "kind is missing", KIND_HINT))
    if kind == API:
        return _api(document, members, folder, mistakes), mistakes
    found: Resolved = resolved(document, kind, members, folder, plain=plain)
    entry = Entry(kind, document, found.members, secret_files=tuple(found.files))
    return entry, [*mistakes, *found.mistakes]


def file_value(content: bytes) -> str | dict[str, str]:
    """The content of a file as the platform reads it: its text, or `{base64: …}`."""
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(content).decode("ascii")}


def _api(
    document: Document,
    members: dict[str, Any],
    folder: Path,
    mistakes: list[Diagnostic],
) -> Entry:
    """An API that names its files, or contains them as texts."""
    files: dict[str, tuple[str, str]] = {}
    for name in _FILES:
        value = members.get(name)
        if isinstance(value, dict) and "base64" in value:
            continue
        if not isinstance(value, str):
            message = f"{name} is missing"
            if name in members:
                message = f"{name} must be the name of a file, or its text"
            mistakes.append(document.mistake(f"#/{name}", message))
        elif "\n" not in value:
            try:
                content = (folder / value).read_bytes()
            except OSError as error:
                message = f"cannot read {value}: {error.strerror}"
                mistakes.append(document.mistake(f"#/{name}", message))
                continue
            members[name] = file_value(content)
            files[name] = (str(folder / value), content.decode("utf-8", "replace"))
    return Entry(API, document, members, files)
