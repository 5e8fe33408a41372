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
    "sessions": "kapi:users",
    "consents": "kapi:users",
    "keys": "kapi:keys",
    "clients": "kapi:clients",
    "issuers": "kapi:issuers",
    "metrics": "kapi:metrics",
    "logs": "kapi:logs",
    "audit": "kapi:audit",
    "dump": "kapi:backup",
    "restore": "kapi:backup",
    "apply": "apk:api_create kapi:clients kapi:issuers kapi:users",
}
"""Scope by the second segment of the path; the others need apk:api_create."""
_WITHOUT_SCOPE: Final = frozenset({"whoami"})
"""Any valid token is enough."""


def refusals_of(row: Row, path: str) -> Iterator[tuple[str, Refusal]]:
    """The refusals of an operation: its own, then those of its security scheme and its path."""
    names = list(row.refuses)
    if row.security == "bearer":
        segment = path.split("/")[2]
        names += ["no_token", "invalid_token"]
        if segment not in _WITHOUT_SCOPE:
            names.append(f"scope {_SCOPES.get(segment, 'apk:api_create')}")
    if "{" in path:
        names += ["no_http", "no_path"]
        if row.conditional and 304 not in row.answers:
            names += ["changed_meanwhile", "exists_already"]
    names.append("restarting")
    return CATALOGUE.select(names)
