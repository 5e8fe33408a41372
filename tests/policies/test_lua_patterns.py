"""The patterns of the gateway's own Lua scripts need linear time."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import kapi.policies.lua

SCRIPTS = sorted(Path(kapi.policies.lua.__file__).parent.glob("*.lua"))
QUADRATIC = re.compile(r"""(["'])(?!\^)(?:\\.|(?!\1).)*[*+-]\)?\$\1""")
"""A text with a repetition up to its end, which is tried from each place if it has no `^`."""


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_no_pattern_is_tried_from_each_place_up_to_the_end(path: Path) -> None:
    found = []
    for line in path.read_text("utf-8").splitlines():
        if QUADRATIC.search(line):
            found.append(line.strip())
    assert not found
