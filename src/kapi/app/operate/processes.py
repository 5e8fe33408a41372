"""CPU time and memory of the platform's processes, from `/proc`; nothing on another system."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from kapi.figures import Family, counter, gauge
from kapi.run_files import read_state
from kapi.settings import Settings

_PROC: Final = Path("/proc")
_USER, _SYSTEM, _PAGES = 11, 12, 21
"""Fields of `/proc/PID/stat` behind the name of the program (proc_pid_stat(5): 14, 15, 24)."""


def process_figures(settings: Settings) -> Iterator[Family]:
    """Of the supervisor, Envoy and the Python processes, by name."""
    cpu: list[tuple[dict[str, str], float]] = []
    memory: list[tuple[dict[str, str], float]] = []
    for name, pid in _pids(settings).items():
        fields = _stat(pid)
        if not fields:
            continue
        ticks = int(fields[_USER]) + int(fields[_SYSTEM])
        cpu.append(({"process": name}, ticks / os.sysconf("SC_CLK_TCK")))
        memory.append(
            ({"process": name}, int(fields[_PAGES]) * os.sysconf("SC_PAGE_SIZE"))
        )
    yield counter("kapi_process_cpu_seconds_total", "CPU time of a process.", cpu)
    yield gauge(
        "kapi_process_resident_memory_bytes", "Memory that a process occupies.", memory
    )


def _pids(settings: Settings) -> dict[str, int]:
    state = read_state(settings.data_dir)
    if state is None:
        return {}
    found = {"supervisor": int(state["pid"])}
    for name, child in state["children"].items():
        if child["pid"] is not None:
            found[name] = int(child["pid"])
    return found


def _stat(pid: int) -> list[str]:
    """The fields behind the name of the program; empty without the process."""
    try:
        text = (_PROC / str(pid) / "stat").read_text("ascii", "replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()
