"""What Envoy's admission filter asks, and what it is answered: lines of fields between tabs.

The other side is `wasm/admission/src/permits.rs`. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence

from kapi.dataclass import dataclass

MOST_QUESTIONS = 4096
"""Limits of one call: a GraphQL document has those of each field that it names."""
_FIELDS = 6
_MOST = 2**32 - 1


class NotQuestions(Exception):
    """The body is not a list of questions."""


@dataclass(frozen=True, slots=True)
class Question:
    """One limit of a call, which takes `times` of the `allowed` in each window of `unit` seconds.

    `spent` are tokens of earlier answers, which count in any case.
    """

    unit: int
    allowed: int
    times: int
    spent: int
    ahead: bool
    """Whether the node may take more than the call needs."""
    key: bytes
    """Printable ASCII; other bytes are percent-encoded."""


@dataclass(frozen=True, slots=True)
class Ruling:
    """The answer to all questions of one call: they pass together or not at all."""

    passes: bool
    counts: Sequence[tuple[int, int]]
    """Of each question: the permits that were given, and the count of all nodes with them."""


def questions(body: bytes) -> tuple[Question, ...]:
    """The questions of a call. Raises NotQuestions."""
    lines = body.splitlines()
    if not 0 < len(lines) <= MOST_QUESTIONS:
        raise NotQuestions
    return tuple(map(_question, lines))


def _question(line: bytes) -> Question:
    fields = line.split(b"\t")
    if len(fields) != _FIELDS:
        raise NotQuestions
    *texts, key = fields
    try:
        unit, allowed, times, spent, ahead = map(int, texts)
    except ValueError:
        raise NotQuestions from None
    if (
        unit < 1
        or min(allowed, times, spent) < 0
        or max(unit, allowed, times, spent) > _MOST
    ):
        raise NotQuestions
    return Question(unit, allowed, times, spent, ahead == 1, key)


def answer(ruling: Ruling, milliseconds: int, nodes: int) -> bytes:
    """What the filter reads; `milliseconds` since the epoch are those of Redis."""
    lines = [f"{milliseconds}\t{nodes}\t{ruling.passes:d}"]
    lines += [f"{given}\t{min(count, _MOST)}" for given, count in ruling.counts]
    return "\n".join(lines).encode("ascii")
