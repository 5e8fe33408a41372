"""Processor time and memory of processes, from /proc."""

from __future__ import annotations

import os
import time
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")


def cpu_seconds(*pids: int) -> float:
    """User and system time used so far."""
    total = 0.0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        total += (int(fields[11]) + int(fields[12])) / _TICK
    return total


def thread_seconds(*pids: int) -> float:
    """Like `cpu_seconds` but to the nanosecond, for processes whose threads do not end; the ticks
    there are 10 ms long.
    """
    files = (
        task / "schedstat"
        for pid in pids
        for task in Path(f"/proc/{pid}/task").iterdir()
    )
    return sum(int(file.read_text().split()[0]) for file in files) / 1e9


def process_seconds(*pids: int) -> float:
    """Like `thread_seconds`, with the threads that have ended: the processor clock of each process,
    as clock_getcpuclockid(3) names it.
    """
    return sum(time.clock_gettime(~pid << 3 | 2) for pid in pids)


def proportional_mb(*pids: int) -> float:
    """Resident memory of several processes together in MB, each shared page counted once (the sum
    of their PSS).
    """
    return sum(
        int(line.split()[1]) * 1024 / 1e6
        for pid in pids
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        if line.startswith("Pss:")
    )


def resident_mb(*pids: int) -> dict[int, float]:
    """Resident set size in MB (10^6 bytes), each process counted whole, shared pages too."""
    sizes = {}
    for pid in pids:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                sizes[pid] = int(line.split()[1]) * 1024 / 1e6
    return sizes
