"""What a worker of the provider counts: tokens by grant and client, refusals, sign-ins.

Control adds the counts of all workers (`app/operate/figures.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from kapi.figures import Counter, Family

PATH: Final = "/kapi-figures"
"""The path of a worker's counts, on its Unix socket. The gateway has no route to it."""
_CLIENTS: Final = 1000
"""Rows at most of tokens by grant and client; further clients are counted under `other`."""
_FEW: Final = 500


class ProviderFigures:
    """Counters of tokens, sign-ins and refusals."""

    def __init__(self) -> None:
        self.tokens = Counter(
            "kapi_tokens_issued_total",
            "Answers of the token endpoint with an access token.",
            ("grant", "client"),
            _CLIENTS,
            frozenset({"grant"}),
        )
        self.refusals = Counter(
            "kapi_token_refusals_total",
            "Requests that the token endpoint refused, by grant and error.",
            ("grant", "error"),
            _FEW,
        )
        self.sign_ins = Counter(
            "kapi_sign_ins_total",
            "Passwords that were checked, by outcome.",
            ("outcome",),
            _FEW,
        )

    def _all(self) -> tuple[Counter, ...]:
        return (self.tokens, self.refusals, self.sign_ins)

    def families(self) -> Iterator[Family]:
        """What was counted until now."""
        return (item.family() for item in self._all())

    def rows(self) -> dict[str, list[tuple[list[str], float]]]:
        """The counts as JSON-ready values."""
        return {
            family.name: [
                (list(labels.values()), value) for _, labels, value in family.samples
            ]
            for family in self.families()
        }

    def add(self, rows: Mapping[str, Iterable[Any]]) -> None:
        """Add the counts of a worker."""
        for item in self._all():
            for values, number in rows.get(item.name, ()):
                item.add(tuple(values), number)
