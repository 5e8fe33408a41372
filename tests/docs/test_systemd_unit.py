"""The unit of systemd: its options are those of the command, and systemd accepts and rates it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from commands import KAPI

UNIT = Path(__file__).parents[2] / "deploy" / "systemd" / "kapi.service"


def test_its_command_line_is_one_of_kapi() -> None:
    text = UNIT.read_text("utf-8")
    lines = re.findall(r"^Exec\w+=/opt/kapi/bin/kapi (\w+) (.*)$", text, re.MULTILINE)
    assert [command for command, _ in lines] == ["up", "reload"]
    for command, line in lines:
        told = subprocess.run(
            [KAPI, command, "--help"],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        ).stdout
        for option in re.findall(r"--[a-z-]+", line):
            assert option in told


@pytest.mark.long
def test_systemd_accepts_it_and_rates_it_well(tmp_path: Path) -> None:
    """Without a running systemd: the syntax, the programs, and the exposure of the service."""
    unit = tmp_path / "kapi.service"
    text = UNIT.read_text("utf-8").replace(
        "/opt/kapi/bin/kapi", str(Path(sys.executable).parent / "kapi")
    )
    unit.write_text(text)
    verified = subprocess.run(
        ["systemd-analyze", "verify", str(unit)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (verified.returncode, verified.stderr) == (0, "")
    # Exit code 1 above the threshold, which is in tenths: 10 of 10 is no protection at all.
    rated = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=14", str(unit)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert rated.returncode == 0, rated.stdout
