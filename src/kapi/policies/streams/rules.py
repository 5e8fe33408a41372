"""A name for who may call an operation: it changes when a deployment changes that.

Each route with open calls carries it. When a published route with a name is gone, the calls that
were let in by it end (`gateway/changed_streams.py`). Pure.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import fields, is_dataclass
from typing import Any, Final

from kapi.apis.ir import SecretRef
from kapi.policies.contract import Place

PREFIX: Final = "kapi.rules:"
_DECIDE: Final = frozenset(
    {
        "authentication",
        "basic_authentication",
        "external_authorization",
        "graphql",
        "ip_restriction",
        "mcp",
        "revocation",
        "scopes",
        "subscriptions",
    }
)
"""Policies that decide who may call."""


def rules(place: Place) -> str:
    """The name of the rules of an operation at a place."""
    operation = place.operation
    nodes = sorted(
        _text(node, place) for node in operation.policies if node.policy in _DECIDE
    )
    where = (
        place.api.id,
        place.host,
        place.base_path,
        operation.verb,
        operation.target,
    )
    text = "\n".join((*where, *nodes))
    return PREFIX + hashlib.sha256(text.encode()).hexdigest()[:32]


def _text(value: Any, place: Place) -> str:
    """A text that is the same in each process; of a secret, also its value."""
    if isinstance(value, SecretRef):
        secret = hashlib.sha256((place.secret(value) or "").encode()).hexdigest()
        return f"{value.name}/{value.key}/{secret}"
    if is_dataclass(value):
        parts = [
            f"{item.name}={_text(getattr(value, item.name), place)}"
            for item in fields(value)
        ]
        return f"{type(value).__name__}({', '.join(parts)})"
    if isinstance(value, Mapping):
        return str(
            sorted(
                (_text(key, place), _text(item, place)) for key, item in value.items()
            )
        )
    if isinstance(value, AbstractSet):
        return str(sorted(_text(item, place) for item in value))
    if isinstance(value, tuple | list):
        return str([_text(item, place) for item in value])
    return repr(value)
