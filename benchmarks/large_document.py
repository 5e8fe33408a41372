"""CPU of `kapi deploy` with a large OpenAPI document, as JSON and as YAML, in turn.

An argument names the document (JSON); the figures in docs/benchmarks.md are of GitHub's.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import yaml
from measure import cpu_seconds
from platform_size import wait_ready

from commands import KAPI
from harness import Platform, free_port

TIMES = 3


def kapi(platform: Platform, *arguments: str) -> None:
    own = {
        "KAPI_DATA_DIR": str(platform.data_dir),
        "KAPI_GATEWAY__PORT": str(platform.port),
    }
    subprocess.run(
        [KAPI, *arguments],
        env={**os.environ, **own},
        check=True,
        stdout=subprocess.PIPE,
    )


def of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def of_children_of(pid: int) -> float:
    """CPU of the processes that a process has started, and of those that these have."""
    found = ticks(pid)[2:]
    for listed in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in listed.read_text().split():
            found += ticks(int(child))
    return sum(found) / os.sysconf("SC_CLK_TCK")


def ticks(pid: int) -> list[int]:
    """Of a process in user and kernel mode, and of its children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return list(map(int, fields[11:15]))


def measured(platform: Platform, work: Callable[[], None]) -> dict[str, float]:
    """CPU seconds of each process."""
    pids = {name: platform.pid(name) for name in ("control", "envoy")}

    def used() -> dict[str, float]:
        return {
            "command": of_children(),
            "pool": of_children_of(pids["control"]),
            **{name: cpu_seconds(pid) for name, pid in pids.items()},
        }

    before, begun = used(), time.perf_counter()
    work()
    took = time.perf_counter() - begun
    time.sleep(0.5)  # A child of a process of the pool is counted when it has ended.
    after = used()
    return {**{name: after[name] - before[name] for name in after}, "wall": took}


def main() -> None:
    document = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        as_yaml = here / "document.yaml"
        text = yaml.dump(
            json.loads(document.read_bytes()), Dumper=yaml.CSafeDumper, sort_keys=False
        )
        as_yaml.write_text(text)
        platform = Platform(free_port(), here / "data")
        platform.start()
        try:
            wait_ready(platform)
            options = ("--endpoint", "http://127.0.0.1:9/x", "--base-path", "/large")
            found: dict[str, list[dict[str, float]]] = {"JSON": [], "YAML": []}
            for _ in range(TIMES):
                for form, path in (("JSON", document), ("YAML", as_yaml)):
                    work = (platform, "deploy", str(path), *options)
                    found[form].append(
                        measured(platform, lambda work=work: kapi(*work))
                    )
            for form, rows in found.items():
                parts = {
                    name: statistics.median(row[name] for row in rows)
                    for name in rows[0]
                }
                total = sum(
                    value
                    for name, value in parts.items()
                    if name not in ("wall", "envoy")
                )
                print(
                    f"{form}: "
                    + ", ".join(
                        f"{name} {value:.2f} s" for name, value in parts.items()
                    )
                    + f"; command, pool and control together {total:.2f} s of CPU"
                )
        finally:
            platform.stop()


if __name__ == "__main__":
    main()
