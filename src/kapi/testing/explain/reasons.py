"""Why the provider refuses: the clause, and the likely mistake of the client (`reasons.toml`)."""

from __future__ import annotations

from functools import cache
from importlib import resources

from kapi.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Reason:
    """One row: an error code, words of the description, the clause and the mistake."""

    error: str
    words: str
    clause: str
    mistake: str


@cache
def reasons() -> tuple[Reason, ...]:
    """All rows in their order."""
    import tomllib

    text = resources.files(__package__).joinpath("reasons.toml").read_text("utf-8")
    return tuple(Reason(**row) for row in tomllib.loads(text)["reasons"])


def reason_for(error: str, description: str) -> Reason | None:
    """The first row that fits; None for an unknown code."""
    for row in reasons():
        if row.error == error and row.words in description:
            return row
    return None
