"""`python -m kapi.pool.process MEMORY SECONDS NICENESS PARENT`: a process of the pool.

It reads requests from standard input and imports the module that each names. A child does the work,
writes the answer to standard output, and ends. So nothing of a document is left in memory, and the
modules, which take longer to import than most documents to read, are imported once.

A request is the lengths of a name and of a pickle, eight bytes each, and both; an answer is the
length of a pickle and that. Called by `kapi.pool` only, which is the parent.
"""

from __future__ import annotations

import gc
import importlib
import os
import pickle
import resource
import select
import signal
import sys
import threading
import time
import traceback
from contextlib import suppress
from typing import Any, NoReturn

from kapi.dataclass import dataclass
from kapi.errors import KapiError
from kapi.pool import LENGTH

_PIECE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Request:
    function: str
    size: int
    """Of the arguments, which are still to be read."""


def main(argv: list[str]) -> int:
    """Serve until standard input ends, or a child has ended without an answer."""
    most_bytes, seconds, niceness, parent = map(int, argv)
    answers = os.dup(1)
    os.dup2(2, 1)  # What prints must not get between the answers.
    _limit(most_bytes)
    with suppress(OSError):
        os.nice(niceness)
    # What is made for a document lives until it is answered; collecting in between costs a third of
    # the time.
    gc.disable()
    while lengths := _read(2 * LENGTH):
        name = _read(int.from_bytes(lengths[:LENGTH], "big")).decode()
        request = _Request(name, int.from_bytes(lengths[LENGTH:], "big"))
        with suppress(Exception):  # The child has the same error, and answers it.
            importlib.import_module(name.partition(":")[0])
        if not _is_answered(request, answers, seconds, parent):
            return 1
    return 0


def _is_answered(request: _Request, answers: int, seconds: int, parent: int) -> bool:
    """Let a child answer. False if it has ended without; then its answer may be half written."""
    own, (waits, ends) = os.getpid(), os.pipe()
    child = os.fork()
    if not child:
        os.close(waits)
        _work(request, answers, seconds, own)
    os.close(ends)
    try:
        while not select.select([waits], [], [], 1)[0]:
            if os.getppid() != parent:
                os.kill(child, signal.SIGKILL)
    finally:
        os.close(waits)
    return os.waitpid(child, 0)[1] == 0


def _work(request: _Request, answers: int, seconds: int, parent: int) -> NoReturn:
    status = 1
    try:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
        _limit_time(seconds)
        _write(answers, _answer(request))
        status = 0
    finally:
        os._exit(status)


def _answer(request: _Request) -> bytes:
    try:
        answer = "done", _done(request)
    except MemoryError:
        answer = "memory", None
    except KapiError as error:
        answer = "raised", error
    except Exception:
        answer = "failed", traceback.format_exc()
    return pickle.dumps(answer, pickle.HIGHEST_PROTOCOL)


def _done(request: _Request) -> Any:
    arguments = pickle.loads(_read(request.size))  # noqa: S301 - the parent process wrote it
    module, _, function = request.function.partition(":")
    return getattr(importlib.import_module(module), function)(*arguments)


def _read(size: int) -> bytearray:
    """As many bytes of standard input; none if it has ended."""
    content = bytearray()
    while len(content) < size:
        piece = os.read(0, min(_PIECE, size - len(content)))
        if not piece:
            return bytearray()
        content += piece
    return content


def _write(descriptor: int, content: bytes) -> None:
    """A length and the content. The pipe may be one that does not block its other end's process."""
    for part in (len(content).to_bytes(LENGTH, "big"), content):
        view = memoryview(part)
        while view:
            view = view[os.write(descriptor, view[:_PIECE]) :]


def _limit(most_bytes: int) -> None:
    # RLIMIT_DATA counts what can be written to; address space would count libraries and reserved
    # arenas too.
    for kind, most in ((resource.RLIMIT_DATA, most_bytes), (resource.RLIMIT_CORE, 0)):
        with suppress(OSError, ValueError):
            resource.setrlimit(kind, (most, most))


def _limit_time(seconds: int) -> None:
    """Let the process end by SIGXCPU if its request takes more processor time.

    The parent ends it before, unless it was killed. A pattern that is matched, or other work that
    holds the interpreter's lock, keeps `_end_with` waiting then.
    """
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CPU, (seconds + 1, resource.RLIM_INFINITY))


def _end_with(parent: int) -> None:
    """A process of the pool that is killed tells its child nothing."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
