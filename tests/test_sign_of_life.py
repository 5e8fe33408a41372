"""What the supervisor reads while control restores many APIs: a start with progress is not given up."""

from __future__ import annotations

import time
from pathlib import Path

from kapi.app.process import sign_of_life
from kapi.run_files import touched
from waiting import until


def test_a_file_is_touched_while_work_goes_on(tmp_path: Path) -> None:
    path, begun = tmp_path / "restoring", time.monotonic()
    assert touched(path) < begun
    with sign_of_life(path):
        until(path.exists)
    # The time of a file has the ticks of the kernel, 10 ms at most.
    assert begun - 0.1 <= touched(path) <= time.monotonic() + 0.1
