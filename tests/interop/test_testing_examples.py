"""The example of the test provider for Node runs as its README says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "examples" / "testing" / "node"


def test_the_module_for_nodes_test_runner() -> None:
    done = subprocess.run(
        ["node", "--test"],
        cwd=EXAMPLE,
        env={**os.environ, "KAPI_PYTHON": sys.executable},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "# pass 2" in done.stdout
