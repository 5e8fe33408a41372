"""Forked children: what they keep of their process, and how they end."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import psutil

from waiting import until

_CODE = """
import json, os, signal, socket, sys, time
from pathlib import Path
from kapi.app.children import Child
from kapi.forking import fork_child, run_forkable

folder = Path(sys.argv[1])
kept, other = socket.socketpair()
lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT)

def work():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))
    found = {
        "files": sorted(int(name) for name in os.listdir("/proc/self/fd"))[:-1],
        "kept": kept.fileno(),
        "session": os.getsid(0) == os.getpid(),
        "hang_up": signal.getsignal(signal.SIGHUP) == signal.SIG_IGN,
        "arenas": os.environ["MALLOC_ARENA_MAX"],
    }
    (folder / "found.part").write_text(json.dumps(found))
    (folder / "found.part").rename(folder / "found")
    print("it works")
    sys.stdout.flush()
    while True:
        time.sleep(60)

def leave():
    other.close()
    os.close(lock)
    return kept.fileno()

def run():
    with open(folder / "log", "wb") as log:
        process = fork_child("control", work, log.fileno(), leave)
    print(process.pid, flush=True)
    sys.stdin.readline()
    process.terminate()
    print(process.wait(30), flush=True)
    return 0

sys.exit(run_forkable(run))
"""


def _started(folder: Path) -> tuple[subprocess.Popen[str], psutil.Process]:
    """A process with a forked child, and the child."""
    process = subprocess.Popen(
        [sys.executable, "-c", _CODE, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    return process, psutil.Process(int(process.stdout.readline()))


def test_a_child_has_its_own_name_output_and_files(tmp_path: Path) -> None:
    process, child = _started(tmp_path)
    until((tmp_path / "found").exists)
    found = json.loads((tmp_path / "found").read_text())

    assert child.cmdline()[:2] == ["kapi", "control"]
    assert child.name() == "kapi control"
    assert found.pop("kept") in found["files"]
    assert len(found.pop("files")) == 4
    assert found == {"session": True, "hang_up": True, "arenas": "2"}
    until(lambda: "it works" in (tmp_path / "log").read_text())
    output, _ = process.communicate("end\n", timeout=60)
    assert output == "3\n"
    assert process.returncode == 0


def test_a_child_ends_with_the_process_that_forked_it(tmp_path: Path) -> None:
    process, child = _started(tmp_path)
    until((tmp_path / "found").exists)
    process.send_signal(signal.SIGKILL)
    process.wait(60)

    until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)
