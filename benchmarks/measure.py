"""Processor time and memory of processes, from /proc."""

from __future__ import annotations

import os
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")


def cpu_seconds(*pids: int) -> float:
    """User and system time used so far."""
    total = 0.0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        total += (int(fields[11]) + int(fields[12])) / _TICK
    return total


def proportional_mb(*pids: int) -> float:
    """Resident memory of several processes together in MB, each shared page counted once (the sum of their PSS)."""
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
