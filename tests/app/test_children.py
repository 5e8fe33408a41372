"""Children of the supervisor: one that does not end when it is asked."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from kapi.app.children import END_SECONDS, Child
from kapi.run_files import log_path
from kapi.settings import Settings
from waiting import until

DEAF = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("it runs", flush=True)
time.sleep(600)
"""


def test_a_child_that_does_not_end_is_killed_and_starts_again(tmp_path: Path) -> None:
    settings = Settings(tmp_path)
    log = log_path(settings, "deaf")
    log.parent.mkdir(parents=True)
    child = Child("deaf", (sys.executable, "-c", DEAF))
    child.start(settings, 0.0)
    assert child.process is not None
    until(lambda: log.exists() and "it runs" in log.read_text())
    assert not child.kill_if_overdue(1e9)
    child.end(100.0)
    child.end(99.0 + END_SECONDS)
    assert not child.kill_if_overdue(99.0 + END_SECONDS)
    assert child.kill_if_overdue(100.0 + END_SECONDS)
    assert not child.kill_if_overdue(101.0 + END_SECONDS)
    assert child.fault == "did not end within 30 s of being asked"
    assert child.process.wait(60) == -signal.SIGKILL
    assert child.reap(200.0)
    assert child.state() == {"pid": None, "restarts": 1}
    child.start(settings, 200.0)
    assert child.process is not None
    child.process.kill()
    child.process.wait(60)
    # What the one before was killed for is not told of this one.
    assert child.last_words() == "ended unexpectedly"
