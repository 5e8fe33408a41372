"""Processor time of the export of 1,000 APIs to Kubernetes: compiling, making the objects, writing
the YAML.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from harness import DEFINITION, conf
from kapi.apis.compile import compile_api
from kapi.gateway.kubernetes.context import export_context
from kapi.gateway.kubernetes.export import export_api
from kapi.gateway.kubernetes.files import as_one_text
from kapi.policies import POLICIES
from kapi.settings import Settings

MANY = 1000


def main() -> int:
    context = export_context(Settings(Path("/data")))
    spent = dict.fromkeys(("compiling", "making the objects", "writing the YAML"), 0.0)
    objects = size = 0
    for number in range(MANY):
        text = conf(f"API {number}", f"/api{number}", port=8080).encode()
        start = time.process_time()
        api = compile_api(
            text, DEFINITION.encode(), organization="default", policies=POLICIES
        ).api
        compiled = time.process_time()
        made = export_api(api, context)
        exported = time.process_time()
        size += len(as_one_text(made))
        written = time.process_time()
        objects += len(made)
        for name, seconds in zip(
            spent,
            (compiled - start, exported - compiled, written - exported),
            strict=True,
        ):
            spent[name] += seconds
    for name, seconds in spent.items():
        print(
            f"{name:20} {seconds:6.2f} s, {seconds / MANY * 1000:5.2f} ms for each API"
        )
    print(
        f"{'all':20} {sum(spent.values()):6.2f} s, {objects} objects, {size / 1e6:.1f} MB"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
