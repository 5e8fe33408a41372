"""All benchmarks, one after the other: `make bench`. Figures seen, and how to read them:
docs/benchmarks.md.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROGRAMS = (
    "token_cpu.py",
    "token_tail.py",
    "workers_cpu.py",
    "flows_cpu.py",
    "gateway_cpu.py",
    "proxies_cpu.py",
    "policies_cpu.py",
    "rate_limit_cpu.py",
    "frames_cpu.py",
    "events_first_byte.py",
    "mediation_cpu.py",
    "mcp_cpu.py",
    "graphql_cpu.py",
    "ai_cpu.py",
    "grpc_cpu.py",
    "testing_peers.py",
    "platform_size.py",
    "deploying.py",
    "deploying_kinds.py",
    "restarting.py",
    "soak.py",
    "metrics_cpu.py",
    "kubernetes_export.py",
)


def main() -> int:
    failed = 0
    for program in PROGRAMS:
        print(f"\n== {program}", flush=True)
        failed |= subprocess.call(
            [sys.executable, str(Path(__file__).with_name(program))]
        )
    return failed


if __name__ == "__main__":
    sys.exit(main())
