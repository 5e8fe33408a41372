"""How objects are shown: wide tables and descriptions."""

from __future__ import annotations

from typing import Any

import pytest

from kapi.errors import Problem
from kapi.front.cli.kinds.objects import (
    Form,
    described_lines,
    removed,
    show_answer,
)
from kapi.front.cli.kinds.rows import moment
from kapi.front.cli.kinds.table import kind_of

KEY = {
    "kid": "k1",
    "algorithm": "RS256",
    "state": "staged",
    "createdAt": 1_700_000_000,
    "dueAt": 1_700_000_600,
    "usedAt": 1_700_001_200,
}


def test_a_wide_table_shows_each_time_once_and_for_people(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show_answer(kind_of("key"), {"keys": [KEY]}, Form.WIDE)
    shown = capsys.readouterr().out
    for name in ("createdAt", "dueAt", "usedAt"):
        assert shown.count(moment(KEY[name])) == 1
        assert str(KEY[name]) not in shown


def test_sentences_and_empty_texts_of_a_list_are_told_apart() -> None:
    advice = ["Tokens are opaque, at first.", "Roles are not scopes."]
    assert described_lines({"advice": advice, "types": ["", "JWT"], "none": []}) == [
        "advice:",
        f"  - {advice[0]}",
        f"  - {advice[1]}",
        'types: "", JWT',
        "none: none",
    ]


def test_what_cannot_be_deleted_says_what_to_do() -> None:
    platform: Any = None
    with pytest.raises(Problem) as refused:
        removed(kind_of("node"), platform, {"name": "a"})
    assert "kapi down" in refused.value.hint
