"""The parts of a JWT, read without its key."""

from __future__ import annotations

import base64
import json
from typing import Any


def header_and_claims(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims; the signature is not verified."""
    header, claims, _ = token.split(".")
    return _decoded(header), _decoded(claims)


def _decoded(part: str) -> dict[str, Any]:
    members: dict[str, Any] = json.loads(
        base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    )
    return members
