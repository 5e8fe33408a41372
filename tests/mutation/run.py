"""Mutation testing: plants faults into copies of the tree, one at a time, and says which of them the near tests do not notice.

python tests/mutation/run.py                      the sample, as `make mutation` runs it
python tests/mutation/run.py identity/tokens      the sample of the modules whose path contains this
python tests/mutation/run.py --all fetch.py       every mutant of them; takes long
"""

from __future__ import annotations

import argparse
import compileall
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from py_compile import PycInvalidationMode
from queue import Empty, SimpleQueue
from typing import Any

from equivalent import EQUIVALENT
from mutants import Mutant, mutants
from rooms import ROOMS, Room

ROOT = Path(__file__).parents[2]
MODULES = Path("src/kapi")
COPIED = ("src", "tests", "wasm", "docs", "examples", "pyproject.toml", "README.md", "Makefile")
SAMPLE = 0.05
"""Part of the mutants that is taken."""
SECONDS = 480
"""The run ends after this; mutants that are left are not judged."""
WORKERS = 2


@dataclass(slots=True)
class Report:
    """What became of the mutants."""

    killed: list[Mutant] = field(default_factory=list)
    survived: list[Mutant] = field(default_factory=list)
    not_judged: int = 0

    @property
    def score(self) -> float:
        """Part of the judged mutants that some near test noticed."""
        judged = len(self.killed) + len(self.survived)
        return len(self.killed) / judged if judged else 0.0

    def __str__(self) -> str:
        judged = len(self.killed) + len(self.survived)
        lines = [f"survived: {mutant}" for mutant in sorted(self.survived, key=str)]
        last = f"{len(self.killed)} of {judged} mutants killed ({self.score:.1%})"
        return "\n".join([*lines, f"{last}, {self.not_judged} not judged"])


@dataclass(frozen=True, slots=True)
class Job:
    """A mutant with its tests, and the seconds that they may take."""

    mutant: Mutant
    room: Room
    seconds: float


class Worker:
    """A copy of the tree with a server that runs tests there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                ignored = shutil.ignore_patterns("__pycache__", "node_modules", "target")
                shutil.copytree(source, folder / name, ignore=ignored)
            else:
                shutil.copy(source, folder / name)
        # A module is compiled again when its content changes, even within a second.
        compileall.compile_dir(
            folder / "src", quiet=2, invalidation_mode=PycInvalidationMode.CHECKED_HASH
        )
        (folder / "tmp").mkdir()
        environment = {
            **os.environ,
            "PYTHONPATH": str(folder / "src"),
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "TMPDIR": str(folder / "tmp"),
            "HYPOTHESIS_STORAGE_DIRECTORY": str(folder / "tmp/hypothesis"),
        }
        self._server = subprocess.Popen(
            [sys.executable, str(folder / "tests/mutation/fork_server.py")],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, module: str, source: str, room: Room, seconds: float) -> str:
        """Run the tests of the room with this source of the module: `passed`, `failed` or `timeout`."""
        tests = [*(f"tests/{name}" for name in room.tests), "-k", room.select]
        asked: dict[str, Any] = {"module": str(MODULES / module), "source": source}
        asked |= {"tests": tests, "seconds": seconds}
        asked["log"] = str(self.folder / "tests.log")
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(json.dumps(asked) + "\n")
        self._server.stdin.flush()
        return self._server.stdout.readline().strip()

    def log(self) -> str:
        """What the last tests printed."""
        return (self.folder / "tests.log").read_text("utf-8", "replace")

    def stop(self) -> None:
        """End the server."""
        assert self._server.stdin is not None
        self._server.stdin.close()
        self._server.wait(60)


def modules(root: Path) -> dict[str, Room]:
    """The room of each module; the first that claims it."""
    found: dict[str, Room] = {}
    for room in ROOMS:
        for pattern in room.modules:
            for path in sorted(root.glob(pattern)):
                found.setdefault(path.relative_to(root).as_posix(), room)
    return found


def sampled(root: Path, room: Room, wanted: str, part: float) -> list[Mutant]:
    """The mutants of a room in the sample, in the order of their hashes."""
    own = (name for name, its in modules(root).items() if its is room and wanted in name)
    found = [made for name in own for made in mutants(root, name) if made.hash < part]
    return sorted(filter(_is_noticeable, found), key=lambda made: made.hash)


def _is_noticeable(mutant: Mutant) -> bool:
    return (mutant.module, mutant.operator, mutant.text) not in EQUIVALENT


def prepare(worker: Worker, room: Room, wanted: str, part: float) -> list[Job]:
    """The jobs of a room, after its tests have passed without a fault."""
    root = worker.folder / MODULES
    chosen = sampled(root, room, wanted, part)
    if not chosen:
        return []
    module, begun = chosen[0].module, time.monotonic()
    outcome = worker.run(module, (root / module).read_text(), room, SECONDS)
    if outcome != "passed":
        raise RuntimeError(f"The tests fail without a fault ({outcome}):\n{worker.log()}")
    seconds = 10 + 4 * (time.monotonic() - begun)
    return [Job(mutant, room, seconds) for mutant in chosen]


def prepared(workers: Sequence[Worker], wanted: str, part: float) -> list[Job]:
    """The jobs of all rooms in the order of their mutants' hashes."""
    free: SimpleQueue[Worker] = SimpleQueue()
    for worker in workers:
        free.put(worker)

    def one(room: Room) -> list[Job]:
        worker = free.get()
        try:
            return prepare(worker, room, wanted, part)
        finally:
            free.put(worker)

    with ThreadPoolExecutor(len(workers)) as threads:
        found = [job for jobs in threads.map(one, ROOMS) for job in jobs]
    return sorted(found, key=lambda job: job.mutant.hash)


def judge(worker: Worker, jobs: SimpleQueue[Job], report: Report, until: float) -> None:
    """Take jobs until none is left or the time is over."""
    while True:
        try:
            job = jobs.get_nowait()
        except Empty:
            return
        if time.monotonic() > until:
            report.not_judged += 1
            continue
        source = (worker.folder / MODULES / job.mutant.module).read_text()
        mutated = job.mutant.apply(source)
        outcome = worker.run(job.mutant.module, mutated, job.room, job.seconds)
        into = report.survived if outcome == "passed" else report.killed
        into.append(job.mutant)
        print(f"{outcome}: {job.mutant}", flush=True)


def run(folder: Path, wanted: str = "", part: float = SAMPLE, seconds: float = SECONDS) -> Report:
    """Judge the mutants of the modules whose path contains `wanted`, in copies under `folder`."""
    until, report = time.monotonic() + seconds, Report()
    workers = [Worker(folder / f"copy-{number}") for number in range(WORKERS)]
    try:
        jobs: SimpleQueue[Job] = SimpleQueue()
        for job in prepared(workers, wanted, part):
            jobs.put(job)
        threads = [
            threading.Thread(target=judge, args=(worker, jobs, report, until)) for worker in workers
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        for worker in workers:
            worker.stop()
    return report


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description="Plant faults and say which ones no test notices.")
    parser.add_argument("modules", nargs="?", default="", help="a part of the modules' paths")
    parser.add_argument("--part", type=float, default=SAMPLE, help="part of the mutants, to 1.0")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="the end of the run")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kapi-mutation-") as folder:
        print(run(Path(folder), asked.modules, asked.part, asked.seconds))


if __name__ == "__main__":
    main()
