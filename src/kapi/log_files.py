"""Log files: readable by their owner only, bounded in size, opened again after a rotation.

Used by the supervisor, its Python children and `kapi up --detach`. A log that has grown too large
is set aside as `NAME.log.1`; its writer then opens the log again. `logrotate` does the
same from outside, with SIGHUP to the supervisor.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

LOG_BYTES = 5 * 1024 * 1024
"""Largest log of a process; one older file is kept."""


def open_log(path: Path) -> int:
    """A descriptor that appends to the log, which only its owner can read."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.fchmod(descriptor, 0o600)
    return descriptor


def set_aside(path: Path, most: int = LOG_BYTES) -> bool:
    """Rename a log of more than `most` bytes to `NAME.log.1`; whether it was. 0: no limit."""
    try:
        if not most or path.stat().st_size <= most:
            return False
        path.replace(path.with_suffix(".log.1"))
    except FileNotFoundError:
        return False
    return True


def is_output(path: Path) -> bool:
    """Whether this process writes its errors to that file."""
    try:
        return os.path.samestat(os.fstat(2), path.stat())
    except OSError:
        return False


def reopen_output(path: Path) -> None:
    """Let standard output and standard error of this process append to `path`."""
    sys.stdout.flush()
    sys.stderr.flush()
    descriptor = open_log(path)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)


def say(text: str) -> None:
    """Talk to the person who started the platform; the terminal may be closed by now."""
    with contextlib.suppress(OSError):
        sys.stderr.write(text + "\n")
        sys.stderr.flush()
