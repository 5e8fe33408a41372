"""Whether a running Envoy still does its work, seen from outside. Asked by the supervisor.

Envoy's own watchdogs end a process of which one thread hangs. This is for what they do not see: a
process that is stopped or silent, and memory that its own limit does not count (scripts and
modules of APIs). Standard library only.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from kapi.dataclass import dataclass
from kapi.gateway.envoy.process.process import responds
from kapi.run_files import admin_socket, counters_socket
from kapi.settings import Settings

PATIENCE = 2
"""Times `gateway.watchdog_seconds` until a process that does not answer is given up."""
MEMORY = 1.5
"""Times `gateway.max_heap_bytes` that the process may hold."""
_PROBE_SECONDS = 0.5


@dataclass(slots=True)
class Watch:
    """The state of one platform's Envoy."""

    pid: int = 0
    answered: float = 0.0
    """When it last answered."""
    sockets: frozenset[Path] = frozenset()
    """Where this process has answered before: only there its silence means something."""

    def fault(self, settings: Settings, pid: int, now: float) -> str:
        """Why the process must be started again; empty when it need not."""
        if pid != self.pid:
            self.pid, self.answered = pid, now
            self.sockets = frozenset({admin_socket(settings)})
        held = resident_bytes(pid)
        most = int(MEMORY * settings.gateway.max_heap_bytes)
        if held > most:
            return f"held {held >> 20} MiB of memory (at most {most >> 20}: gateway.max_heap_bytes)"
        asked = (admin_socket(settings), counters_socket(settings))
        if all(map(self._answers, asked)):
            self.answered = now
        if now - self.answered > PATIENCE * settings.gateway.watchdog_seconds:
            return f"did not answer for {now - self.answered:.0f} s"
        return ""

    def _answers(self, path: Path) -> bool:
        if responds(path, "/ready", _PROBE_SECONDS):
            self.sockets |= {path}
            return True
        return path not in self.sockets


def resident_bytes(pid: int) -> int:
    """The memory that a process holds, in bytes; 0 where the kernel does not say."""
    if not sys.platform.startswith("linux"):
        return 0
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
