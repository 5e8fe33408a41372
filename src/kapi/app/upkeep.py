"""Regular work of the supervisor: it limits the size of logs and handles SIGHUP.

SIGHUP opens every log file again, Envoy's too, so that `logrotate` may rename them; it reads the
settings again, and restarts the Python children when they have changed (`reloading.py`). It never
stops the platform.
"""

from __future__ import annotations

import signal
from collections.abc import Sequence
from pathlib import Path

from kapi.app.children import Child
from kapi.app.reloading import Reloading
from kapi.dataclass import dataclass
from kapi.gateway.envoy.process import process as envoy
from kapi.log_files import LOG_BYTES, reopen_output, set_aside
from kapi.run_files import admin_socket, log_path
from kapi.settings import Settings

LOG_SECONDS = 2.0
"""How often the sizes of the logs are looked at."""
_IDLE_SECONDS = 1.0
_READING_SECONDS = 0.05


@dataclass(slots=True)
class Upkeep:
    """Reload settings and log files. `own_log`: whether this process writes to `kapi.log`."""

    reloading: Reloading
    own_log: bool
    hung_up: bool = False
    next_look: float = 0.0

    def hang_up(self, *_: object) -> None:
        """Take note of SIGHUP."""
        self.hung_up = True

    def pause(self) -> float:
        """Most seconds until `look` is wanted again."""
        if self.reloading.reading is None:
            return _IDLE_SECONDS
        return _READING_SECONDS

    def look(
        self, settings: Settings, file: Path, children: Sequence[Child], now: float
    ) -> Settings:
        """Do what is due; returns the current settings, which `file` then contains."""
        asked, self.hung_up = self.hung_up, False
        if asked or now >= self.next_look:
            self.next_look = now + LOG_SECONDS
            self.reloading.look_at_certificate(settings)
            self._keep_logs(settings, children, asked=asked)
        self.reloading.wanted |= asked
        return self.reloading.look(settings, file, children, now)

    def _keep_logs(
        self, settings: Settings, children: Sequence[Child], *, asked: bool
    ) -> None:
        most = {
            "kapi": LOG_BYTES,
            **{child.name: LOG_BYTES for child in children},
            "backends": LOG_BYTES,
        }
        most["access"] = settings.gateway.access_log_bytes
        most["audit"] = settings.audit.file_bytes
        aside = []
        for name, size in most.items():
            if set_aside(log_path(settings, name), size):
                aside.append(name)
        if not aside and not asked:
            return
        if self.own_log:
            reopen_output(log_path(settings, "kapi"))
        for child in children:
            if child.listener is not None and child.process is not None:
                child.process.send_signal(signal.SIGHUP)
            if child.output is not None:
                child.output.reopen()
        envoy.reopen_logs(admin_socket(settings))
