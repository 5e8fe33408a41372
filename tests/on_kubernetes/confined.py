"""A command confined as the chart confines it, without a container engine: by namespaces of Linux.

Not root, no capability, no new privileges, a read-only root file system, an empty /data that
belongs to another user (as an emptyDir does), a /tmp of its own, and a network with loopback alone.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

USER = 10001
PROJECT = Path(__file__).parents[2]
HIDDEN = {"/root": "0755", "/tmp": "1777"}
"""Folder → its rights."""


@dataclass(slots=True)
class Confined:
    """The namespaces, which a sleeping process keeps; `files` are at /etc/kapi."""

    files: Path
    keeper: subprocess.Popen[bytes]

    @classmethod
    def made(cls, files: Path) -> Confined:
        steps = [
            "mount --make-rprivate /",
            "ip link set lo up",
            f"mount -t tmpfs -o mode=0755 tmpfs /mnt && cp -r {shlex.quote(str(files))}/. /mnt/",
            f"mount -t tmpfs -o mode=02777,gid={USER} tmpfs /srv",
            *_hidden_but_for(Path(sys.base_prefix), PROJECT),
            "mount -o remount,bind,ro /",
            "echo ready",
            "exec sleep 600",
        ]
        keeper = subprocess.Popen(
            ["unshare", "--mount", "--net", "sh", "-ec", "\n".join(steps)],
            stdout=subprocess.PIPE,
        )
        made = cls(files, keeper)
        assert keeper.stdout is not None
        assert keeper.stdout.readline() == b"ready\n"
        return made

    def command(self, *words: str, user: bool = True) -> list[str]:
        """A command line that runs inside."""
        who = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"]
        who += ["--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"]
        enter = ["nsenter", f"--target={self.keeper.pid}", "--mount", "--net"]
        return [*enter, *(who if user else ()), *words]

    def run(
        self, *words: str, user: bool = True, **more: Any
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*words, user=user),
            capture_output=True, text=True, timeout=60, check=False, cwd="/", **more,
        )  # fmt: skip

    def stop(self) -> None:
        os.kill(self.keeper.pid, signal.SIGKILL)
        self.keeper.wait(10)


def _hidden_but_for(*shown: Path) -> list[str]:
    """Root's home is closed to others and /tmp is empty, but for what runs."""
    held = {
        f"/opt/{number}": path for number, path in enumerate(shown) if _is_hidden(path)
    }
    steps = ["mount -t tmpfs -o mode=0755 tmpfs /opt"]
    for place, path in held.items():
        steps.append(f"mkdir {place} && mount --bind {shlex.quote(str(path))} {place}")
    steps += [
        f"mount -t tmpfs -o mode={mode} tmpfs {folder}"
        for folder, mode in HIDDEN.items()
    ]
    for place, path in held.items():
        name = shlex.quote(str(path))
        steps.append(f"mkdir -p {name} && mount --bind {place} {name}")
    return steps


def _is_hidden(path: Path) -> bool:
    return any(path.is_relative_to(folder) for folder in HIDDEN)
