"""The blocks of the README and the quick start run as they stand, one shell a document, against a live platform.

A ```sh block is run; a ```text block after it is what it must print, `…` standing for anything.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from harness import Platform, free_port

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```(sh|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


RUN = [
    "README.md",
    "docs/quick-start-http.md",
    "docs/identity/authorization-code.md",
    "docs/identity/refresh.md",
    "docs/identity/openid-connect.md",
    "docs/identity/logout.md",
    "docs/identity/pages.md",
    "docs/identity/client-authentication.md",
    "docs/identity/dpop-and-mtls.md",
    "docs/identity/introspection-revocation.md",
    "docs/identity/registration.md",
    "docs/identity/par-jar-jarm.md",
    "docs/identity/resources.md",
]


@pytest.mark.parametrize("name", RUN)
def test_the_blocks_do_what_they_say(platform: Platform, name: str) -> None:
    backend_port = str(free_port())
    script, expected = ["set -e; trap 'kill $(jobs -p) 2>/dev/null || :' EXIT"], []
    blocks = BLOCK.findall((ROOT / name).read_text("utf-8"))
    assert len(blocks) > 3
    for number, (kind, body) in enumerate(blocks):
        if kind == "sh":
            script += [body, f"printf '\\n--- end of block {number}\\n'"]
        else:
            expected.append((number - 1, body))
    text = "\n".join(script).replace("9095", str(platform.port)).replace("backend.py 8080", f"backend.py {backend_port}")
    text = text.replace("examples/petstore/petstore.apk-conf", str(_conf(platform, backend_port)))
    environment = {**os.environ, "KAPI_DATA_DIR": str(platform.data_dir), "KAPI_GATEWAY__PORT": str(platform.port)}
    shell = subprocess.Popen(
        ["bash", "-c", text], cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )
    try:
        out, errors = shell.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        os.killpg(shell.pid, signal.SIGTERM)
        out, errors = shell.communicate()
    assert shell.returncode == 0, errors
    for number, body in expected:
        printed = (
            out.split(f"\n--- end of block {number}\n")[0].rpartition("--- end of block")[2].partition("\n")[2]
            if number
            else out.split("\n--- end of block 0\n")[0]
        )
        pattern = ".*".join(re.escape(part) for part in body.strip().split("…"))
        assert re.fullmatch(pattern, printed.strip(), re.DOTALL), f"block {number} printed:\n{printed}\n{errors}"


def _conf(platform: Platform, backend_port: str) -> Path:
    """The example's conf with the test's own backend port."""
    path = platform.data_dir.parent / "petstore.apk-conf"
    path.write_text((ROOT / "examples/petstore/petstore.apk-conf").read_text().replace(":8080/", f":{backend_port}/"))
    return path
