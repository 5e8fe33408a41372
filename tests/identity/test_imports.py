"""What an identity worker imports: neither the compiler of APIs, nor YAML (memory at rest), nor the
powers of a test."""

from __future__ import annotations

import subprocess
import sys

_CODE = """
import sys
import kapi.app.identity
import kapi.front.web.identity.app
import kapi.front.web.identity.token_lane
import kapi.identity.people.ended
import kapi.identity.wiring
rooms = ("kapi.apis", "kapi.policies", "kapi.testing", "yaml")
print([name for name in sys.modules if name.startswith(rooms)])
"""
"""The imports of `kapi.app.identity`, at the top and in `run_identity`."""


def test_identity_workers_import_neither_the_apis_nor_yaml() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _CODE], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "[]"
