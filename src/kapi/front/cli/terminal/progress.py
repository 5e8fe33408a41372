"""A line on the terminal while a command waits for longer than a second."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator
from typing import TextIO

_SECONDS = 1.0
"""Until the first line, and between two."""
_ERASE = "\r\x1b[K"


@contextlib.contextmanager
def progress(what: str, stream: TextIO | None = None) -> Iterator[None]:
    """Show `what` and the seconds so far after each second, on one line that is erased at the end.

    Nothing if the stream (standard error) is not a terminal: it is a log then.
    """
    shown = stream or sys.stderr
    if not shown.isatty():
        yield
        return
    over = threading.Event()

    def show() -> None:
        seconds = 0
        while not over.wait(_SECONDS):
            seconds += 1
            shown.write(f"{_ERASE}{what} … {seconds} s")
            shown.flush()

    showing = threading.Thread(target=show, name="progress", daemon=True)
    showing.start()
    try:
        yield
    finally:
        over.set()
        showing.join()
        shown.write(_ERASE)
        shown.flush()
