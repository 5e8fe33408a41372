"""Runs the tests of one mutant after another, in a copy of the tree: a fork for each, which has the
libraries imported already.

Called by `run.py`, one JSON line for each run: {"module", "source", "tests", "seconds", "log"}; it
answers one line for each: `passed`, `failed` or `timeout`. The current directory is the copy.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

LIBRARIES = (
    "pytest _pytest.assertion.rewrite hypothesis.strategies joserfc.jwt joserfc.jws joserfc.jwe "
    "joserfc.jwk"
    " cryptography.x509 cryptography.hazmat.primitives.asymmetric.ec argon2 starlette.routing"
    " jinja2 yaml orjson graphql typer re2 anyio httptools python_multipart uuid_utils uvicorn"
)
NO_TESTS = 5


def main() -> None:
    """Serve until the input ends."""
    for name in LIBRARIES.split():
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    for line in sys.stdin:
        print(run(json.loads(line)), flush=True)


def run(asked: dict[str, Any]) -> str:
    """The outcome of the tests while the module has this source."""
    module = Path(asked["module"])
    before = module.read_bytes()
    module.write_text(asked["source"])
    try:
        return tested(asked["tests"], asked["seconds"], asked["log"])
    finally:
        module.write_bytes(before)


def tested(tests: list[str], seconds: float, log: str) -> str:
    """Run pytest in a process group of its own, and end all of it."""
    child = os.fork()
    if child == 0:
        os.setsid()
        _become_pytest(tests, log)
    deadline = time.monotonic() + seconds
    try:
        while time.monotonic() < deadline:
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                return "passed" if os.waitstatus_to_exitcode(status) == 0 else "failed"
            time.sleep(0.02)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return "timeout"
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child, signal.SIGKILL)


def _become_pytest(tests: list[str], log: str) -> None:
    code = 1
    try:
        out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(out, 1)
        os.dup2(out, 2)
        import pytest

        options = [
            "-x",
            "-q",
            "--no-header",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:xdist",
        ]
        code = int(pytest.main([*options, "-m", "not long", *tests]))
    finally:
        os._exit(code)


if __name__ == "__main__":
    main()
