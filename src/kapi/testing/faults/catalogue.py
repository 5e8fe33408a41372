"""All kinds of fault, by name; documented in docs/testing/faults.md."""

from __future__ import annotations

from kapi.testing.faults import answers, bodies, documents, front_channel, tokens
from kapi.testing.faults.kind import Kind

KINDS: tuple[Kind, ...] = (
    *answers.KINDS,
    *bodies.KINDS,
    *tokens.KINDS,
    *documents.KINDS,
    *front_channel.KINDS,
)
_BY_NAME = {kind.name: kind for kind in KINDS}


def kind_of(name: str) -> Kind:
    """The kind with this name; `_` and `-` are the same. Raises ValueError."""
    found = _BY_NAME.get(name.replace("_", "-"))
    if found is None:
        raise ValueError(f"{name!r} is not a fault; known: {', '.join(_BY_NAME)}")
    return found
