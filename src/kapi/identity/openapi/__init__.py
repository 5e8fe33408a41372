"""The catalogue of the provider: `operations.yaml`, `refusals.yaml`, `schemas.yaml` in this folder.

An operation is named by its endpoint's module and the method. Tests compare the catalogue with what
is registered, send what it allows, and cause every refusal.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from kapi.openapi import FORM, HTML, Refusal, Row
from kapi.openapi.catalogue import Catalogue

CATALOGUE: Final = Catalogue(Path(__file__).parent)
TAGS: Final[Mapping[str, str]] = {
    "documents": "Documents",
    "browser": "Signing in",
    "registration": "Clients",
    "clients": "Tokens",
}
"""Tag by the folder of the endpoint's module."""
NOT_DESCRIBED: Final = frozenset({"sign_in_paths", "home"})
"""Endpoints of pages: the style sheet, unknown addresses, the start page."""


def refusals_of(row: Row, method: str) -> Iterator[tuple[str, Refusal]]:
    """The refusals of an operation: its own, then those of its body and its security scheme."""
    names = list(row.refuses)
    if HTML in row.answers.values():
        names.append("page")
    elif row.media_type == FORM:
        names += ["invalid_request", "invalid_media_type"]
    if row.security == "client":
        names.append("invalid_client")
    if method != "GET":
        names += ["too_slow", "too_large"]
    return CATALOGUE.select(names)
