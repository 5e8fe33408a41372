"""What the supervisor reads while control restores many APIs: a start with progress is not given
up.
"""

from __future__ import annotations

import os
from math import inf
from pathlib import Path

from kapi.app.process import sign_of_life, signs_until
from kapi.run_files import touched
from waiting import until


def test_a_file_is_touched_while_work_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "restoring"
    assert touched(path) == -inf
    with sign_of_life(path):
        until(path.exists)
        os.utime(path, (0, 0))
        long_ago = touched(path)
        until(lambda: touched(path) > long_ago)


def test_it_is_touched_until_the_work_of_another_process_is_over(
    tmp_path: Path,
) -> None:
    path, states = tmp_path / "restoring", ["away", "working", "over"]
    touches = []

    def is_over() -> bool:
        touches.append(path.exists())
        return states[0] == "over"

    signs_until(path, is_over, lambda: states.pop(0) == "working")
    assert touches == [False, False, True]
