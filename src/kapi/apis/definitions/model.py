"""What is read of an API definition: its name, its operations and the URL of its backend."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Any, Protocol

from kapi.apis.report import Mark
from kapi.dataclass import dataclass

if TYPE_CHECKING:
    from kapi.apis.report import Report

Places = Callable[[Iterable[str]], Mapping[str, Mark]]
"""Where pointers into a definition are in its text."""


def nowhere(pointers: Iterable[str]) -> Mapping[str, Mark]:
    """For a definition whose places are unknown."""
    return {pointer: Mark(pointer=pointer) for pointer in pointers}


@dataclass(frozen=True, slots=True)
class Note:
    """Something in a definition that is left out, changed or not enforced; `pointer` says where."""

    pointer: str
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Server:
    """A server URL of a definition, with its variables filled in; it may be relative.

    An unusable one has a `fault` instead.
    """

    pointer: str
    url: str
    fault: str = ""


@dataclass(frozen=True, slots=True)
class DefinitionOperation:
    """One operation, in the words of the apk-conf.

    `servers` are its own; none means those of the definition.
    """

    target: str
    verb: str
    secured: bool = True
    scopes: tuple[str, ...] = ()
    scope_alternatives: tuple[tuple[str, ...], ...] = ()
    servers: tuple[Server, ...] = ()
    pointer: str = "#"
    path_pointer: str = "#"
    streams: bool = False
    """Whether a call has several requests or several answers."""


@dataclass(frozen=True, slots=True)
class Definition:
    """An OpenAPI document, GraphQL schema or set of proto files.

    `base_path` "" means that it names none. `notes` are about what a generated conf does not
    say as the definition does. `origins` says where name, version and base path are.
    """

    type: str
    name: str
    version: str
    base_path: str
    operations: tuple[DefinitionOperation, ...]
    servers: tuple[Server, ...] = ()
    notes: tuple[Note, ...] = ()
    origins: Mapping[str, str] = field(default_factory=dict)
    places: Places = field(default=nowhere, compare=False, repr=False)
    names_api: bool = True
    """Whether the language has a name and a version of the API."""
    document: Mapping[str, Any] | None = field(default=None, compare=False, repr=False)
    """The OpenAPI document, or that of an MCP server, as plain data."""
    no_operations: str = "the definition has no operations"
    """What to say of a definition without operations."""


class DefinitionFormat(Protocol):
    """What each module of this package offers."""

    @property
    def TYPE(self) -> str:  # noqa: N802  a module constant
        """The apk-conf type it makes."""

    def detect(self, content: bytes, file_name: str) -> bool:
        """Whether the content looks like this format; cheap, and never raises."""

    def parse(self, content: bytes, report: Report) -> Definition | None:
        """The definition, or None; every mistake goes to the report."""
