"""JSON merge patch (RFC 7396): how a PATCH of the system APIs changes an object."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def merged(before: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """The object with the members of the patch; null removes one, objects are merged."""
    made = dict(before)
    for name, value in patch.items():
        if value is None:
            made.pop(name, None)
        elif isinstance(value, Mapping):
            inner = made.get(name)
            if not isinstance(inner, Mapping):
                inner = {}
            made[name] = merged(inner, value)
        else:
            made[name] = value
    return made
