"""Names of APIs that are not deployed, in subscriptions and API keys: a warning, not a mistake.

The API may come later, or the name is misspelt. Called by the endpoints that take such names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from typing import Any, Protocol

_MOST = 10
_LONGEST = 64


class Named(Protocol):
    """Name, version and organization of a deployed API."""

    @property
    def name(self) -> str:
        """Its name in its conf."""


Deployed = Callable[[str], Sequence[Named]]
"""From an organization to its deployed APIs."""


def warnings_of(names: Iterable[str], deployed: Sequence[Named]) -> dict[str, Any]:
    """The member `warnings` of an answer: a sentence for each unknown name. Empty without one."""
    known = sorted({item.name for item in deployed})
    unknown = []
    for name in dict.fromkeys(names):
        if name != "*" and name not in known:
            unknown.append(_warning(name, known))
    return {"warnings": unknown[:_MOST]} if unknown else {}


def _warning(name: str, known: Sequence[str]) -> str:
    close = get_close_matches(name[:_LONGEST], known, 1)
    question = ""
    if close:
        question = f"; did you mean {close[0]}?"
    return f"no API named {name[:_LONGEST]!r} is deployed{question}"
