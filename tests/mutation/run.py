"""Mutation testing: plants faults into copies of the tree, one at a time, and says which of them
the near tests do not notice.

python tests/mutation/run.py                      the sample, as `make mutation` runs it
python tests/mutation/run.py identity/tokens      the sample of the modules whose path has this
python tests/mutation/run.py --part 1 fetch.py    every mutant of them; takes long
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
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from py_compile import PycInvalidationMode
from queue import Empty, SimpleQueue
from typing import Any

from equivalent import EQUIVALENT
from mutants import Mutant, mutants
from rooms import ROOMS, SLOW, Room

ROOT = Path(__file__).parents[2]
MODULES = Path("src/kapi")
COPIED = (
    "src",
    "tests",
    "wasm",
    "docs",
    "examples",
    "pyproject.toml",
    "README.md",
    "Makefile",
)
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
    not_judged: list[Mutant] = field(default_factory=list)

    @property
    def judged(self) -> int:
        """How many mutants were judged."""
        return len(self.killed) + len(self.survived)

    @property
    def score(self) -> float:
        """Part of the judged mutants that some near test noticed."""
        return len(self.killed) / self.judged if self.judged else 0.0

    def __str__(self) -> str:
        lines = [f"survived: {mutant}" for mutant in sorted(self.survived, key=str)]
        last = f"{len(self.killed)} of {self.judged} mutants killed ({self.score:.1%})"
        return "\n".join([*lines, f"{last}, {len(self.not_judged)} not judged"])


class Worker:
    """A copy of the tree with a server that runs tests there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                ignored = shutil.ignore_patterns(
                    "__pycache__", "node_modules", "target"
                )
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
        """Run the tests of the room with this source of the module: `passed`, `failed` or
        `timeout`.
        """
        left_out = f"not ({' or '.join(SLOW)})"
        selected = f"({room.select}) and {left_out}" if room.select else left_out
        tests = [*(f"tests/{name}" for name in room.tests), "-k", selected]
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


def sampled(root: Path, wanted: str, part: float) -> list[tuple[Mutant, Room]]:
    """The mutants in the sample with their rooms, in the order of their hashes."""
    found = [
        (made, room)
        for name, room in modules(root).items()
        if wanted in name
        for made in mutants(root, name)
        if made.hash < part and _is_noticeable(made)
    ]
    return sorted(found, key=lambda each: each[0].hash)


def _is_noticeable(mutant: Mutant) -> bool:
    return (mutant.module, mutant.operator, mutant.text) not in EQUIVALENT


class OutOfTimeError(Exception):
    """The run ends, so the outcome is not known."""


class Judge:
    """Judges mutants until the time is over. The methods may be called by several threads."""

    def __init__(self, until: float) -> None:
        self._until = until
        self._seconds: dict[Room, float] = {}
        self._locks = {room: threading.Lock() for room in ROOMS}

    def is_killed(self, worker: Worker, mutant: Mutant, room: Room) -> bool:
        """Whether some near test fails with the fault.

        Tests that take too long count as failed only if they end in the same time without the
        fault: otherwise the machine was slow.

        Raises OutOfTimeError.
        """
        seconds = self._limit(worker, mutant.module, room)
        source = (worker.folder / MODULES / mutant.module).read_text()
        outcome = self._run(worker, mutant.module, mutant.apply(source), room, seconds)
        if outcome != "timeout":
            return outcome == "failed"
        if self._run(worker, mutant.module, source, room, seconds) == "passed":
            return True
        with self._locks[room]:
            self._seconds[room] = 2 * seconds
        return self.is_killed(worker, mutant, room)

    def _limit(self, worker: Worker, module: str, room: Room) -> float:
        """Seconds that the tests of the room may take, after they have passed without a fault."""
        with self._locks[room]:
            if room not in self._seconds:
                begun = time.monotonic()
                self._check_passes(worker, module, room)
                self._seconds[room] = 10 + 3 * (time.monotonic() - begun)
            return self._seconds[room]

    def _check_passes(self, worker: Worker, module: str, room: Room) -> None:
        """Twice, because a test may need longer on a busy machine than it allows."""
        source = (worker.folder / MODULES / module).read_text()
        for _ in range(2):
            if self._run(worker, module, source, room, float("inf")) == "passed":
                return
        raise RuntimeError(f"The tests fail without a fault:\n{worker.log()}")

    def _run(
        self, worker: Worker, module: str, source: str, room: Room, seconds: float
    ) -> str:
        left = self._until - time.monotonic()
        if left <= 0:
            raise OutOfTimeError
        outcome = worker.run(module, source, room, min(seconds, left))
        if outcome == "timeout" and left <= seconds:
            raise OutOfTimeError
        return outcome


def work(
    worker: Worker,
    judge: Judge,
    mutants: SimpleQueue[tuple[Mutant, Room]],
    report: Report,
) -> None:
    """Take mutants until none is left."""
    while True:
        try:
            mutant, room = mutants.get_nowait()
        except Empty:
            return
        try:
            killed = judge.is_killed(worker, mutant, room)
        except OutOfTimeError:
            report.not_judged.append(mutant)
            continue
        (report.killed if killed else report.survived).append(mutant)
        print(f"{'killed' if killed else 'survived'}: {mutant}", flush=True)


def run(wanted: str = "", part: float = SAMPLE, seconds: float = SECONDS) -> Report:
    """Judge the mutants of the modules whose path contains `wanted`.

    The copies of the tree have short paths, because the near tests make sockets below them.
    """
    judge, report = Judge(time.monotonic() + seconds), Report()
    with tempfile.TemporaryDirectory(prefix="kapi-") as name, ExitStack() as started:
        workers = [Worker(Path(name, f"copy-{number}")) for number in range(WORKERS)]
        for worker in workers:
            started.callback(worker.stop)
        taken: SimpleQueue[tuple[Mutant, Room]] = SimpleQueue()
        for each in sampled(workers[0].folder / MODULES, wanted, part):
            taken.put(each)
        with ThreadPoolExecutor(len(workers)) as threads:
            ends = [
                threads.submit(work, worker, judge, taken, report) for worker in workers
            ]
            for end in ends:
                end.result()
    return report


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        description="Plant faults and say which ones no test notices."
    )
    parser.add_argument(
        "modules", nargs="?", default="", help="a part of the modules' paths"
    )
    parser.add_argument(
        "--part", type=float, default=SAMPLE, help="part of the mutants, to 1.0"
    )
    parser.add_argument(
        "--seconds", type=float, default=SECONDS, help="the end of the run"
    )
    asked = parser.parse_args()
    print(run(asked.modules, asked.part, asked.seconds))


if __name__ == "__main__":
    main()
