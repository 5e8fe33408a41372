"""Processes for work on untrusted input: limited in time and memory, killed when the caller leaves.

A process starts when there is work and none is idle, and ends after `IDLE_SECONDS` without work. A
child of it does each call and ends, so that no memory of a call is kept.
The work is a function by its dotted name, `kapi.apis.generate:generate`, with arguments that can be
pickled. `process.py` is the process.
"""

from __future__ import annotations

import math
import os
import pickle
import select
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from typing import Any, Final

from kapi import error_codes
from kapi.callers import stopped_by_leaving
from kapi.errors import Problem

IDLE_SECONDS: Final = 30.0
"""Seconds after which an idle process ends."""
_PIECE: Final = 1024 * 1024
LENGTH: Final = 8
"""Bytes of a length between a process and its parent; `process.py` says what they write."""


_SMALLER = "Send a smaller document, or raise apis.work_seconds or apis.work_bytes in the settings."


class TooMuchWork(Problem):
    """The work exceeded its limit of time or memory: `error_codes.TOO_MUCH_WORK`."""

    def __init__(self, detail: str) -> None:
        code = error_codes.TOO_MUCH_WORK
        super().__init__(code.status, code.number, code.text, detail, _SMALLER)


class _Ended(Exception):
    """The process ended before it answered."""


class Pool:
    """At most `size` processes, shared by threads. A thread waits while all are busy."""

    def __init__(
        self, size: int, seconds: float, most_bytes: int, *, niceness: int = 0
    ) -> None:
        """`seconds` and `most_bytes` (of memory) limit one call."""
        self._seconds = seconds
        self._most_bytes = most_bytes
        self._niceness = niceness
        self._turns = threading.BoundedSemaphore(size)
        self._lock = threading.Lock()
        self._idle: list[_Process] = []
        self._timer: threading.Timer | None = None

    def run(self, function: str, *arguments: Any) -> Any:
        """The result of the function. Raises what it raises, TooMuchWork, or CallerLeft."""
        content = pickle.dumps(arguments, pickle.HIGHEST_PROTOCOL)
        with self._turns:
            process = self._taken()
            try:
                with stopped_by_leaving(process.stop):
                    kind, value = process.ask(function, content, self._seconds)
            except _Ended as error:
                process.kill()
                raise self._too_much(process) from error
            except BaseException:
                process.kill()
                raise
            self._give_back(process)
        return self._value(kind, value)

    def close(self) -> None:
        """End the idle processes."""
        with self._lock:
            idle, self._idle = self._idle, []
            if self._timer is not None:
                self._timer.cancel()
        for process in idle:
            process.kill()

    def _taken(self) -> _Process:
        with self._lock:
            while self._idle:
                process = self._idle.pop()
                if process.is_alive:
                    return process
                process.kill()
        return _Process(self._most_bytes, self._seconds, self._niceness)

    def _give_back(self, process: _Process) -> None:
        with self._lock:
            self._idle.append(process)
            if self._timer is not None:
                self._timer.cancel()
            self._timer = threading.Timer(IDLE_SECONDS, self.close)
            self._timer.daemon = True
            self._timer.start()

    def _value(self, kind: str, value: Any) -> Any:
        if kind == "raised":
            raise value
        if kind == "failed":
            raise RuntimeError(f"a process of the pool failed:\n{value}")
        if kind == "memory":
            raise self._too_large()
        return value

    def _too_much(self, process: _Process) -> TooMuchWork:
        if process.is_late:
            return TooMuchWork(f"Reading it took more than {self._seconds:g} seconds.")
        return self._too_large()

    def _too_large(self) -> TooMuchWork:
        return TooMuchWork(
            f"Reading it took more than {self._most_bytes // 1024**2} MiB of memory."
        )


class _Process:
    """A process, which does one call at a time."""

    def __init__(self, most_bytes: int, seconds: float, niceness: int) -> None:
        command = [
            sys.executable,
            "-m",
            "kapi.pool.process",
            str(most_bytes),
            str(math.ceil(seconds)),
            str(niceness),
            str(os.getpid()),
        ]
        # No setting and no secret in a variable reaches the process that reads strangers'
        # documents.
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("KAPI_")
        } | {"MALLOC_ARENA_MAX": "1"}
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            env=environment,
            process_group=0,
        )
        self.is_late = False

    def ask(self, function: str, arguments: bytes, seconds: float) -> tuple[str, Any]:
        """The kind of the answer and its value. Raises _Ended."""
        deadline = time.monotonic() + seconds
        name = function.encode()
        lengths = b"".join(
            len(part).to_bytes(LENGTH, "big") for part in (name, arguments)
        )
        try:
            self._write(lengths + name, deadline)
            self._write(arguments, deadline)
        except OSError as error:
            raise _Ended from error
        size = int.from_bytes(self._read(LENGTH, deadline), "big")
        kind, value = pickle.loads(self._read(size, deadline))  # noqa: S301 - our own process
        return kind, value

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def stop(self) -> None:
        """Let it end at once, whatever it does; another thread may be waiting for its answer."""
        # The group has its child. Its id is that of the process until that is waited for.
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def kill(self) -> None:
        """End it and free what belongs to it; nothing else may be using it. May be called again."""
        self.stop()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def _write(self, content: bytes, deadline: float) -> None:
        descriptor, view = _descriptor(self._process.stdin), memoryview(content)
        os.set_blocking(descriptor, False)
        while view:
            self._wait(descriptor, select.POLLOUT, deadline)
            view = view[os.write(descriptor, view[:_PIECE]) :]

    def _read(self, size: int, deadline: float) -> bytearray:
        descriptor, content = _descriptor(self._process.stdout), bytearray()
        while len(content) < size:
            self._wait(descriptor, select.POLLIN, deadline)
            piece = os.read(descriptor, min(_PIECE, size - len(content)))
            if not piece:
                raise _Ended
            content += piece
        return content

    def _wait(self, descriptor: int, event: int, deadline: float) -> None:
        waiting = select.poll()
        waiting.register(descriptor, event)
        if not waiting.poll(max(0.0, deadline - time.monotonic()) * 1000):
            self.is_late = True
            raise _Ended


def _descriptor(pipe: Any) -> int:
    return int(pipe.fileno())
