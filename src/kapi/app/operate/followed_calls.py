"""The access log, followed: for the metrics of the calls, and for the history of the console."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from typing import Final

from kapi.figures import Family, counter
from kapi.front.web.operate.metrics import Source
from kapi.gateway.calls.alike import count_lines
from kapi.gateway.calls.call_figures import CallFigures
from kapi.gateway.calls.call_log import newest_lines
from kapi.gateway.calls.following import Following
from kapi.gateway.calls.history import CallHistory
from kapi.run_files import log_path
from kapi.settings import Settings

_BYTES_BEFORE: Final = 8 * 1024 * 1024
"""Bytes of the access log that the history is filled from at the start."""


def followed_calls(settings: Settings, history: CallHistory) -> Iterator[Source]:
    """The metrics of the calls, and `history` filled meanwhile. Nothing without the access log."""
    if not settings.gateway.access_log:
        return
    figures, path = CallFigures(settings), log_path(settings, "access")
    end = path.stat().st_size if path.exists() else 0

    following = Following(path, lambda lines: count_lines(lines, figures, history))
    following.start()
    before = newest_lines(path, _BYTES_BEFORE, end)
    threading.Thread(
        target=history.fill, args=(before,), name="call-history", daemon=True
    ).start()

    def unread() -> Iterable[Family]:
        text = "Lines of the access log that could not be counted."
        yield counter(
            "kapi_access_log_unread_lines_total", text, [({}, following.unread)]
        )

    yield figures.families
    yield unread
