"""One encoded resource of Envoy, with its version."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from kapi.dataclass import dataclass


@dataclass(frozen=True, slots=True, repr=False)
class Resource:
    """One resource as Envoy gets it. Its repr hides the body: a secret's body is a private key."""

    type_url: str
    name: str
    version: str
    body: bytes

    def __repr__(self) -> str:
        return f"Resource({self.name!r}, {self.version!r}, {len(self.body)} bytes)"


Encode = Callable[[str, dict[str, Any]], Resource]
"""Encodes one resource of a type from its JSON form; its `name` field is its name."""


def resource(type_url: str, name: str, body: bytes) -> Resource:
    """A resource with a hash as its version: a restarted control process sends nothing again."""
    return Resource(type_url, name, hashlib.sha256(body).hexdigest()[:16], body)
