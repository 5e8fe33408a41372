"""What an API definition says that matters here: its name, its operations and where its backend is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from kapi.apis.report import Report


@dataclass(frozen=True, slots=True)
class DefinitionOperation:
    """One operation, in the words of the apk-conf. `server` is an absolute URL of its own, or ""."""

    target: str
    verb: str
    secured: bool = True
    scopes: tuple[str, ...] = ()
    server: str = ""


@dataclass(frozen=True, slots=True)
class Definition:
    """An OpenAPI document, GraphQL schema or set of proto files. `base_path` "" means that it names none; `servers` are absolute URLs."""

    type: str
    name: str
    version: str
    base_path: str
    operations: tuple[DefinitionOperation, ...]
    servers: tuple[str, ...] = ()


class DefinitionFormat(Protocol):
    """What each module of this package offers."""

    @property
    def TYPE(self) -> str:  # noqa: N802  a module constant
        """The apk-conf type it makes."""

    def detect(self, content: bytes, file_name: str) -> bool:
        """Whether the content looks like this format; cheap, and never raises."""

    def parse(self, content: bytes, report: Report) -> Definition | None:
        """The definition, or None; every mistake goes to the report."""
