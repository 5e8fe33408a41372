"""`python -m kapi.pool.process MEMORY SECONDS NICENESS PARENT`: a process of the pool.

It reads requests from standard input, and writes responses to standard output.

Each is a length of eight bytes and a pickle; the parent process wrote the request. Called by
`pool.py` only.
"""

from __future__ import annotations

import gc
import importlib
import os
import pickle
import resource
import sys
import threading
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from kapi.errors import KapiError

_HEADER = 8
_LARGE = 96 * 1024**2
"""A process that used more memory than this (bytes) ends, so that the memory is free again."""


def main(argv: list[str]) -> int:
    """Serve until standard input ends."""
    most_bytes, seconds, niceness, parent = map(int, argv)
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # What prints must not get between the answers.
    _limit(most_bytes)
    with suppress(OSError):
        os.nice(niceness)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    # What is made for a document lives until it is answered; collecting in between costs a third of
    # the time.
    gc.disable()
    while header := requests.read(_HEADER):
        request = requests.read(int.from_bytes(header, "big"))
        _limit_time(seconds)
        if _answer(request, answers):
            return 0
        gc.collect()
    return 0


def _answer(request: bytes, answers: BinaryIO) -> bool:
    """Answer a request; whether it was the last."""
    try:
        kind, value = "done", _done(request)
    except MemoryError:
        kind, value = "memory", None
    except KapiError as error:
        kind, value = "raised", error
    except Exception:
        kind, value = "failed", traceback.format_exc()
    is_last = kind == "memory" or _peak() > _LARGE
    content = pickle.dumps((kind, value, is_last), pickle.HIGHEST_PROTOCOL)
    answers.write(len(content).to_bytes(_HEADER, "big") + content)
    answers.flush()
    return is_last


def _done(request: bytes) -> Any:
    name, arguments = pickle.loads(request)  # noqa: S301 - the parent process wrote it
    module, _, function = name.partition(":")
    return getattr(importlib.import_module(module), function)(*arguments)


def _limit(most_bytes: int) -> None:
    # RLIMIT_DATA counts what can be written to; address space would count libraries and reserved
    # arenas too.
    for kind, most in ((resource.RLIMIT_DATA, most_bytes), (resource.RLIMIT_CORE, 0)):
        with suppress(OSError, ValueError):
            resource.setrlimit(kind, (most, most))


def _limit_time(seconds: int) -> None:
    """Let the process end by SIGXCPU if a request takes more processor time.

    The parent ends it before, unless it was killed. A pattern that is matched, or other work that
    holds the interpreter's lock, keeps `_end_with` waiting then.
    """
    usage = resource.getrusage(resource.RUSAGE_SELF)
    end = int(usage.ru_utime + usage.ru_stime) + seconds + 1
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CPU, (end, resource.RLIM_INFINITY))


def _peak() -> int:
    """The most memory that this process had so far, in bytes."""
    try:
        # What getrusage says includes the process that started this one.
        lines = Path("/proc/self/status").read_text("ascii").splitlines()
        return next(
            int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")
        )
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _end_with(parent: int) -> None:
    """A platform that is killed closes no pipe that a busy process reads."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
