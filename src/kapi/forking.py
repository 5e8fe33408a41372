"""Forked children of the supervisor, which need not import anything twice.

A child shares the memory of what the supervisor has imported. It continues where `run_forkable`
was called, the outermost function of the process, so that nothing of the supervisor is left in it.
On Linux only: libraries of macOS do not work after a fork, there a child is an interpreter of its
own.
"""

from __future__ import annotations

import gc
import math
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

_LINUX = sys.platform.startswith("linux")
CAN_FORK = _LINUX and Path("/proc/self/stat").exists()
_POLL_SECONDS = 0.01
_STANDARD = (0, 1, 2)
"""Standard input, output and error."""
_DEATH_SIGNAL, _NAME = 1, 15  # PR_SET_PDEATHSIG, PR_SET_NAME
_ARGUMENTS = 45
"""Where `arg_start` is in /proc/self/stat, after the name of the command (proc(5))."""
_ARENAS = -8  # M_ARENA_MAX
_MOST_ARENAS = 2
LEAN = {"MALLOC_ARENA_MAX": str(_MOST_ARENAS)}
"""Fewer heaps: several megabytes less in a process with threads."""


class _InChild(BaseException):
    """Raised in a child: the outermost function does its work."""

    def __init__(self, work: Callable[[], int]) -> None:
        super().__init__()
        self.work = work


def run_forkable(run: Callable[[], int]) -> int:
    """Call `run`; in a child that it has forked, the work of the child. Returns the exit code."""
    try:
        return run()
    except _InChild as child:
        work = child.work
    return work()


class ForkedProcess:
    """A forked child: what `subprocess.Popen` is for a command."""

    __slots__ = ("pid", "returncode")

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Its exit code, negative for a signal; None while it runs."""
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout: float = math.inf) -> int:
        """Its exit code. Raises TimeoutExpired."""
        from subprocess import TimeoutExpired

        deadline = time.monotonic() + timeout
        while (code := self.poll()) is None:
            if time.monotonic() >= deadline:
                raise TimeoutExpired(str(self.pid), timeout)
            time.sleep(_POLL_SECONDS)
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)


def fork_child(
    name: str, work: Callable[[], int], log: int, leave: Callable[[], int]
) -> ForkedProcess:
    """Fork a child that does `work`, with its output in `log`. It ends with this process.

    `leave` is called in the child: it closes the files of the supervisor, and returns the
    descriptor that the child keeps. The caller closes `log`, in the child too.
    """
    begin = beginning()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    gc.freeze()  # No child writes to what is here, so it is in memory once.
    pid = os.fork()
    if pid:
        return ForkedProcess(pid)
    try:
        _forget_signals()
        begin()
        os.setsid()
        _use_output(log)
        _close_all_but({*_STANDARD, log, leave()})
        _use_little_memory()
        _use_own_name(name)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    raise _InChild(work)


def beginning() -> Callable[[], None]:
    """What a child does first: ignore SIGHUP, and end with this process (Linux).

    It leaves no core file: that would hold the credentials of all callers.
    """
    import resource

    if _LINUX:
        prctl = _library().prctl
    parent = os.getpid()

    def begin() -> None:
        # A signal that arrives before the program has a handler of its own would end it.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if _LINUX:
            prctl(_DEATH_SIGNAL, signal.SIGKILL)
            if os.getppid() != parent:
                os._exit(1)

    return begin


def _library() -> Any:
    import ctypes

    return ctypes.CDLL(None)


def _forget_signals() -> None:
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)


def _use_output(log: int) -> None:
    nothing = os.open(os.devnull, os.O_RDONLY)
    for descriptor, number in zip((nothing, log, log), _STANDARD, strict=True):
        os.dup2(descriptor, number)
    os.close(nothing)


def _close_all_but(kept: set[int]) -> None:
    for path in Path("/proc/self/fd").iterdir():
        descriptor = int(path.name)
        if descriptor not in kept:
            with suppress(OSError):  # that of this list
                os.close(descriptor)


def _use_little_memory() -> None:
    """As `LEAN` says, for this process and those that it starts."""
    if LEAN.keys() <= os.environ.keys():
        return
    os.environ.update(LEAN)
    with suppress(AttributeError):  # Not every C library has it.
        _library().mallopt(_ARENAS, _MOST_ARENAS)


def _use_own_name(name: str) -> None:
    """Let `ps` and `top` show a name: Linux reads the arguments where the process has them."""
    import ctypes

    _library().prctl(_NAME, f"kapi {name}".encode()[:15], 0, 0, 0)
    fields = Path("/proc/self/stat").read_text("ascii").rpartition(")")[2].split()
    begin, end = int(fields[_ARGUMENTS]), int(fields[_ARGUMENTS + 1])
    text = f"kapi\0{name}\0".encode()
    if end - begin >= len(text):
        ctypes.memset(begin, 0, end - begin)
        ctypes.memmove(begin, text, len(text))
