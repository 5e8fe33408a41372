"""What a terminal shows while a command waits."""

from __future__ import annotations

import io

from kapi.front.cli.terminal.progress import progress
from waiting import until


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_that_work_goes_on_and_nothing_remains():
    terminal = Terminal()
    with progress("deploying", terminal):
        until(lambda: "deploying … 1 s" in terminal.getvalue())
    assert terminal.getvalue().endswith("\r\x1b[K")


def test_a_log_gets_no_line():
    log = io.StringIO()
    with progress("deploying", log):
        pass
    assert log.getvalue() == ""
