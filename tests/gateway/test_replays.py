"""The memory of used proofs: each once, bounded, and nothing is forgotten while it could still be
used.
"""

from __future__ import annotations

import pytest

from kapi.errors import Problem
from kapi.gateway.enforcer.replays import Replays


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def test_a_proof_counts_once() -> None:
    replays = Replays(Clock())
    assert [replays.seen(digest, 1_301) for digest in ("a", "b", "a", "b")] == [
        False,
        False,
        True,
        True,
    ]


def test_a_full_memory_refuses_rather_than_forgets() -> None:
    clock = Clock()
    replays = Replays(clock, most=2)
    assert not replays.seen("a", 1_301)
    assert not replays.seen("b", 1_302)
    with pytest.raises(Problem):
        replays.seen("c", 1_303)
    assert replays.seen("a", 1_301)
    clock.now = 1_301.0
    assert not replays.seen("c", 1_603)
    assert replays.seen("b", 1_302)
    with pytest.raises(Problem):
        replays.seen("d", 1_603)
