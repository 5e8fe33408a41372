"""The catalogue of the system APIs: `operations.yaml`, `refusals.yaml`, `schemas.yaml`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from kapi.openapi import Refusal, Row
from kapi.openapi.catalogue import Catalogue

CATALOGUE: Final = Catalogue(Path(__file__).parent)
_SCOPES: Final = {
    "users": "kapi:users",
    "keys": "kapi:keys",
    "clients": "kapi:clients",
    "issuers": "kapi:issuers",
    "metrics": "kapi:metrics",
    "logs": "kapi:logs",
    "audit": "kapi:audit",
}
"""Scope by the second segment of the path; the others need apk:api_create."""


def refusals_of(row: Row, path: str) -> Iterator[tuple[str, Refusal]]:
    """The refusals of an operation: its own, then those of its security scheme and its path."""
    names = list(row.refuses)
    if row.security == "bearer":
        scope = _SCOPES.get(path.split("/")[2], "apk:api_create")
        names += ["no_token", "invalid_token", f"scope {scope}"]
    if "{" in path:
        names += ["no_http", "no_path"]
    names.append("restarting")
    return CATALOGUE.select(names)
