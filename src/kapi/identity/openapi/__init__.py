"""The catalogue of the identity provider: `operations.yaml`, `refusals.yaml` and `schemas.yaml` beside this file.

An operation is named by its endpoint's module and the method. Tests compare the catalogue with what
is registered, send what it allows, and provoke every refusal.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from kapi.openapi import FORM, HTML, Refusal, Row
from kapi.openapi.catalogue import Catalogue

CATALOGUE: Final = Catalogue(Path(__file__).parent)
TAGS: Final[Mapping[str, str]] = {
    "discovery": "Documents",
    "jwks": "Documents",
    "openapi": "Documents",
    "health": "Documents",
    "authorize": "Signing in",
    "sign_in": "Signing in",
    "select": "Signing in",
    "consent": "Signing in",
    "callback": "Signing in",
    "end_session": "Signing in",
    "device": "Signing in",
    "approvals": "Signing in",
    "register": "Clients",
    "client_configuration": "Clients",
}
"""Tag by the name of the endpoint's module; the tag of the others is Tokens."""
NOT_DESCRIBED: Final = frozenset({"sign_in_paths", "home"})
"""Endpoints that belong to pages: their style sheet, wrong addresses, the start page."""


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
