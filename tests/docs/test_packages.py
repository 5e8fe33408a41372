"""The wheel and the source distribution: their content; each runs without the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def ran(*command: str, cwd: Path, **environment: str) -> str:
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def built(source: Path, target: str, out: Path) -> Path:
    """By hatchling of this environment: no network."""
    ran(
        sys.executable,
        "-m",
        "hatchling",
        "build",
        "-t",
        target,
        "-d",
        str(out),
        cwd=source,
    )
    (found,) = out.glob("*.whl" if target == "wheel" else "*.tar.gz")
    return found


@pytest.mark.long
def test_the_wheel_of_the_source_distribution_runs_alone(tmp_path: Path) -> None:
    """All files of it come from the source distribution, and the command needs no other."""
    archive = built(ROOT, "sdist", tmp_path / "sdist")
    with tarfile.open(archive) as file:
        file.extractall(tmp_path / "source", filter="data")
    (source,) = (tmp_path / "source").iterdir()
    wheel = built(source, "wheel", tmp_path / "wheel")
    place = tmp_path / "env"
    pip = (
        sys.executable,
        "-m",
        "pip",
        "install",
        "--no-index",
        "--no-deps",
        "--no-compile",
    )
    pip += ("--ignore-installed",)  # Otherwise it removes the one of this environment.
    ran(*pip, "--prefix", str(place), str(wheel), cwd=tmp_path)
    (packages,) = place.glob("lib/python*/site-packages")
    shared = place / "share" / "kapi"
    for name in ("docs/index.md", "docs/policies/cors.md", "examples/sign-in.sh"):
        assert (shared / name).read_bytes() == (ROOT / name).read_bytes()
    modules = {path.name for path in (ROOT / "src/kapi/policies").glob("*.wasm")}
    assert {
        path.name for path in (packages / "kapi/policies").glob("*.wasm")
    } == modules
    environment = {"PYTHONPATH": str(packages), "KAPI_DATA_DIR": str(tmp_path / "data")}
    command = (sys.executable, str(place / "bin" / "kapi"))
    where = "import kapi; print(kapi.__file__)"
    assert str(packages) in ran(
        sys.executable, "-c", where, cwd=tmp_path, **environment
    )
    assert ran(*command, "--version", cwd=tmp_path, **environment).strip()
    definition = next((shared / "examples" / "petstore").glob("*.yaml"))
    more = (str(definition), "--endpoint", "http://127.0.0.1:8080")
    ran(*command, "init", *more, cwd=tmp_path, **environment)
    assert list(tmp_path.glob("*.apk-conf"))
