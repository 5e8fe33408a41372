"""Values of the OpenAPI 3.1 documents of the provider and the system APIs. Pure.

Paths, methods and descriptions are read from the registered code. What a request contains and how
it is answered is in catalogues, YAML documents beside the code, which `catalogue.py` reads on
demand. `document.py` builds the served documents. Tests read the same catalogues: they send
requests made from the documents, refuse any answer that these do not name, and provoke every
example.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any, Final

from kapi.dataclass import dataclass

FORM: Final = "application/x-www-form-urlencoded"
JSON: Final = "application/json"
HTML: Final = "text/html"
YAML: Final = "application/yaml"
TEXT: Final = "text/plain"
MULTIPART: Final = "multipart/form-data"
HTML_PATH: Final = "/openapi.html"
"""Path of the document as a page, on both hosts."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error answer: its status, its condition, and an example of its body."""

    status: int
    when: str
    example: Mapping[str, Any] | None = None
    """The exact body; None: the body is a page."""
    schema: str = ""
    """Name of the schema of the body; empty: the document's default."""


@dataclass(frozen=True, slots=True)
class Row:
    """One operation: its parameters and its answers."""

    takes: Mapping[str, str] = field(default_factory=dict)
    """Names of form fields, JSON members or query parameters, and their descriptions.

    A name that ends in `!` is required.
    """
    media_type: str = ""
    """Of the body; empty: `takes` are query parameters."""
    answers: Mapping[int, str] = field(default_factory=lambda: {200: JSON})
    """Status and media type; an empty media type means that there is no body."""
    schema: str = ""
    """Name of the schema of the JSON answer; empty: any JSON."""
    summary: str = ""
    """Summary for readers; empty: the first line of the docstring."""
    also: str = ""
    """A second media type of the answer."""
    security: str = ""
    """Name of the security scheme; empty: none."""
    refuses: tuple[str, ...] = ()
    """Names of its own refusals; those of its body and its security scheme are added."""
    conditional: bool = False
    """Whether it answers with an ETag, and honours If-Match and If-None-Match (RFC 9110 §13)."""


@dataclass(frozen=True, slots=True)
class Described:
    """What the code says about an operation."""

    text: str
    """Its docstring; the first line is the summary."""
    tag: str
    parameters: Sequence[str] = ()
    """Parameters of its path."""
