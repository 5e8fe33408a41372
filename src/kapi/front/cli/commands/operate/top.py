"""`kapi top`: live figures in the terminal."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Final
from urllib.parse import urlsplit

import typer

from kapi.front.cli.client import Client, succeeded
from kapi.front.cli.options import Config, DataDir, Output, settings_of
from kapi.front.cli.output import Format, put, show
from kapi.front.cli.top.rates import figures
from kapi.front.cli.top.samples import read
from kapi.front.cli.top.screen import lines

if TYPE_CHECKING:
    from kapi.front.cli.top.samples import Reading

_SCOPE: Final = "kapi:metrics"
_PATH: Final = "/api/metrics"
_ENTER, _LEAVE, _HOME, _REST = (
    "\x1b[?1049h\x1b[?25l",
    "\x1b[?25h\x1b[?1049l",
    "\x1b[H",
    "\x1b[J",
)
_END_OF_LINE: Final = "\x1b[K\r\n"


def top(
    once: Annotated[
        bool, typer.Option("--once", help="One reading, then end.")
    ] = False,
    interval: Annotated[
        float,
        typer.Option(
            "--interval", min=0.5, max=3600, help="Seconds between two readings."
        ),
    ] = 2.0,
    output: Output = Format.TABLE,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Show requests, latency, refusals, tokens and processes, live until Ctrl-C.

    With -o json each reading is a line; with --once it is the whole output.

    Examples:
      kapi top
      kapi top --once -o json --interval 10
    """
    source = _Source(Client(settings_of(data_dir, config)))
    found = _readings(source, interval)
    if once:
        value = next(found)
        if output is Format.TABLE:
            put("\n".join(lines(value, source.place, *_size(rows=False))).rstrip())
        else:
            show(value, output)
    elif output is not Format.TABLE:
        for value in found:
            put(json.dumps(value))
            sys.stdout.flush()
    else:
        _watch(source, found)


class _Source:
    """The metrics of a platform."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.place = urlsplit(client.api_url).netloc

    def read(self) -> Reading:
        """All metrics now. Raises Problem."""
        answer = succeeded(self._client.answer("GET", _PATH, scopes=(_SCOPE,)))
        return read(answer.body.decode("utf-8", "replace"), time.monotonic())


def _readings(source: _Source, interval: float) -> Iterator[dict[str, Any]]:
    """Figures after each interval."""
    before = source.read()
    while True:
        time.sleep(interval)
        now = source.read()
        yield figures(before, now)
        before = now


def _watch(source: _Source, found: Iterator[dict[str, Any]]) -> None:
    if not sys.stdout.isatty():
        for value in found:
            put("\n".join(lines(value, source.place, *_size(rows=False))))
            sys.stdout.flush()
        return
    with _whole_screen():
        for value in found:
            shown = lines(value, source.place, *_size(rows=True))
            sys.stdout.write(_HOME + _END_OF_LINE.join(shown) + _REST)
            sys.stdout.flush()


@contextmanager
def _whole_screen() -> Iterator[None]:
    """The terminal's other screen without a cursor; the terminal is as before at the end."""
    sys.stdout.write(_ENTER + _HOME + _REST)
    sys.stdout.flush()
    try:
        yield
    finally:
        sys.stdout.write(_LEAVE)
        sys.stdout.flush()


def _size(*, rows: bool) -> tuple[int, int]:
    """Columns and rows: those of a terminal, and of no terminal as many as there are."""
    size = shutil.get_terminal_size((200, 1000))
    columns, height = size.columns, size.lines
    if not sys.stdout.isatty() and not os.environ.get("COLUMNS"):
        columns = 200
    return columns, height if rows else 1000
