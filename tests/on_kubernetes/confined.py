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
HOME = Path("/root")


@dataclass(slots=True)
class Confined:
    """The namespaces, which a sleeping process keeps; `files` are at /etc/kapi."""

    files: Path
    keeper: subprocess.Popen[bytes]

    @classmethod
    def made(cls, files: Path) -> Confined:
        python = Path(sys.base_prefix)
        steps = [
            "mount --make-rprivate /",
            "ip link set lo up",
            *_readable(python),
            f"mount -t tmpfs -o mode=0755 tmpfs /mnt && cp -r {shlex.quote(str(files))}/. /mnt/",
            f"mount -t tmpfs -o mode=02777,gid={USER} tmpfs /srv",
            "mount -t tmpfs -o mode=1777 tmpfs /tmp",
            "mount -o remount,bind,ro /",
            "echo ready",
            "exec sleep 600",
        ]
        keeper = subprocess.Popen(
            ["unshare", "--mount", "--net", "sh", "-ec", "\n".join(steps)], stdout=subprocess.PIPE
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

    def run(self, *words: str, user: bool = True, **more: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*words, user=user),
            capture_output=True, text=True, timeout=60, check=False, cwd="/", **more,
        )  # fmt: skip

    def stop(self) -> None:
        os.kill(self.keeper.pid, signal.SIGKILL)
        self.keeper.wait(10)


def _readable(python: Path) -> list[str]:
    """Root's home is closed to others; an interpreter in it is shown alone."""
    if not python.is_relative_to(HOME):
        return []
    name = shlex.quote(str(python))
    return [
        f"mount --bind {name} /opt",
        "mount -t tmpfs -o mode=0755 tmpfs /root",
        f"mkdir -p {name} && mount --bind /opt {name}",
    ]
