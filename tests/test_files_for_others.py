"""Files that foreign programs read are valid by the schemas of those programs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
COMPOSE, ACTION = "vendor.compose-spec", "vendor.github-actions"


def judged(schema: str, file: Path) -> subprocess.CompletedProcess[str]:
    """What check-jsonschema says; it contains the schemas, so no network is needed."""
    command = (
        sys.executable,
        "-m",
        "check_jsonschema",
        "--builtin-schema",
        schema,
        str(file),
    )
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=120
    )


@pytest.mark.parametrize(
    ("file", "schema"), [("deploy/compose.yaml", COMPOSE), ("action.yml", ACTION)]
)
def test_a_file_is_valid(file: str, schema: str) -> None:
    done = judged(schema, ROOT / file)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("text", "schema", "named"),
    [
        ("services: {kapi: {image: x, read_onyl: true}}\n", COMPOSE, "read_onyl"),
        (
            "name: x\ndescription: y\nrun: {using: composite, steps: []}\n",
            ACTION,
            "runs",
        ),
    ],
)
def test_a_mistake_is_found(tmp_path: Path, text: str, schema: str, named: str) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(text)
    done = judged(schema, wrong)
    assert done.returncode == 1
    assert named in done.stdout
