"""The child processes of the supervisor: how each is started, found dead, and ended."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

from kapi.dataclass import dataclass
from kapi.forking import CAN_FORK, LEAN, ForkedProcess, beginning, fork_child
from kapi.gateway.envoy.process.output import Output
from kapi.log_files import open_log, set_aside
from kapi.run_files import log_path
from kapi.settings import Settings

HEALTHY_SECONDS = 10.0
"""A child that ran for so long is restarted at once; otherwise each pause is longer."""
MAX_PAUSE = 5.0
END_SECONDS = 30.0
"""A child that was asked to end and has not ended by then is killed."""


Process = subprocess.Popen[bytes] | ForkedProcess


@dataclass(slots=True)
class Child:
    """One child process and how to start it again."""

    name: str
    command: tuple[str, ...] = ()
    """What it executes; none: it is a Python child with `arguments`."""
    arguments: tuple[str, ...] = ()
    listener: socket.socket | None = None
    probe: str = ""
    """Path that answers 200 when it is ready."""
    output: Output | None = None
    """Filters its output; without one its output is written to its log unchanged."""
    fault: str = ""
    """Why it was killed; empty if it ended by itself."""
    process: Process | None = None
    started: float = 0.0
    restarts: int = 0
    quick_deaths: int = 0
    start_at: float = 0.0
    asked: bool = False
    """It was asked to end, and starts again with other settings."""
    kill_at: float = 0.0
    """When it is killed if it was asked to end."""

    def start(
        self, settings: Settings, now: float, leave: Callable[[], None] = lambda: None
    ) -> None:
        """Start it, with its output appended to its log. It ends with this process.

        A forked child calls `leave`, which closes what is not its own.
        """
        log_file = log_path(settings, self.name)
        set_aside(log_file)
        sink = open_log(log_file) if self.output is None else self.output.begin()
        try:
            if CAN_FORK and not self.command:
                self.process = self._forked(sink, leave)
            else:
                self.process = self._executed(sink)
        finally:
            os.close(sink)
        self.started = now
        self.asked = False
        self.fault = ""

    def _forked(self, log: int, leave: Callable[[], None]) -> ForkedProcess:
        import kapi.app.process  # noqa: F401 - what all of them need is in memory once
        from kapi.app.__main__ import main

        def left() -> int:
            kept = -1
            if self.listener is not None:
                kept = self.listener.detach()
            leave()
            return kept

        return fork_child(self.name, lambda: main(self.arguments), log, left)

    def _executed(self, log: int) -> subprocess.Popen[bytes]:
        fds = () if self.listener is None else (self.listener.fileno(),)
        command = self.command or (sys.executable, "-m", "kapi.app", *self.arguments)
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            env=LEAN | os.environ,
            stdout=log,
            stderr=log,
            pass_fds=fds,
            start_new_session=True,
            preexec_fn=beginning(),
        )

    def end(self, now: float) -> None:
        """Ask it to end; it is started again. To ask again gives it no more time."""
        if self.process is None or self.process.poll() is not None:
            return
        if not self.asked:
            self.kill_at = now + END_SECONDS
        self.asked = True
        self.process.terminate()

    def kill_if_overdue(self, now: float) -> bool:
        """Kill it if it was asked to end and did not; whether it was killed."""
        is_due = self.asked and now >= self.kill_at
        if self.process is None or not is_due:
            return False
        self.kill_at = now + END_SECONDS
        self.kill(f"did not end within {END_SECONDS:.0f} s of being asked")
        return True

    def kill(self, why: str) -> None:
        """End it at once; it is started again."""
        if self.process is not None:
            self.fault = why
            self.process.kill()

    def last_words(self) -> str:
        """What is known about its end, as a part of a sentence that begins with its name."""
        fault, self.fault = self.fault, ""
        if fault or self.output is None:
            return fault or "ended unexpectedly"
        return str(self.output.death())

    def reap(self, now: float) -> bool:
        """Whether it has just ended. If so, `start_at` is the time of its restart."""
        if self.process is None or self.process.poll() is None:
            return False
        self.process = None
        self.restarts += 1
        self.quick_deaths += 1
        if now - self.started > HEALTHY_SECONDS:
            self.quick_deaths = 0
        self.start_at = now
        # The first restart is immediate; the pauses before the following ones double.
        if self.quick_deaths > 1:
            self.start_at += min(0.1 * 2 ** (self.quick_deaths - 2), MAX_PAUSE)
        return True

    def state(self) -> dict[str, int | None]:
        """Its process id, None while it does not run, and the number of its restarts."""
        pid = None if self.process is None else self.process.pid
        return {"pid": pid, "restarts": self.restarts}


def end_all(processes: Sequence[Process]) -> None:
    """Ask processes to end, and kill those that do not within five seconds."""
    for process in processes:
        if process.poll() is None:
            process.terminate()
    deadline = time.monotonic() + 5
    for process in processes:
        try:
            process.wait(max(0.05, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
