"""Regular work of the supervisor: it limits the size of logs, and handles SIGHUP.

SIGHUP opens every log file again, Envoy's too, so that `logrotate` may rename them; it reads the
settings again, and restarts the Python children when they have changed. It never stops the
platform. The settings are read by a process of its own (`front/cli/starting.py`), so that the
supervisor stays small.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from kapi.app.children import Child
from kapi.gateway.envoy.process import process as envoy
from kapi.log_files import LOG_BYTES, reopen_output, set_aside
from kapi.run_files import admin_socket, log_path, write_private
from kapi.settings import Settings, from_json_value, to_json_value

LOG_SECONDS = 2.0
"""How often the sizes of the logs are looked at."""
_IDLE_SECONDS = 1.0
_READING_SECONDS = 0.05
_FIXED = (
    "data_dir",
    "identity.enabled",
    "identity.workers",
    "gateway.listen",
    "gateway.port",
    "gateway.envoy",
    "gateway.concurrency",
    "gateway.max_heap_bytes",
    "gateway.watchdog_seconds",
    "gateway.max_connections",
)
"""Settings of the supervisor and of Envoy's start, which only a restart changes."""


def say(text: str) -> None:
    """Talk to the person who started the platform; the terminal may be closed by now."""
    with contextlib.suppress(OSError):
        sys.stderr.write(text + "\n")
        sys.stderr.flush()


@dataclass(slots=True)
class _Reading:
    """A process that reads the settings again into a file without a name: they hold secrets."""

    process: subprocess.Popen[bytes]
    output: IO[bytes]

    def settings(self) -> Settings | None:
        """What it read; None when there were mistakes, which it has explained."""
        with self.output:
            if self.process.returncode:
                return None
            self.output.seek(0)
            return from_json_value(json.loads(self.output.read()))


@dataclass(slots=True)
class Upkeep:
    """Reload settings and log files. `given` are the arguments of `kapi up`.

    `own_log`: whether this process writes to `kapi.log`.
    """

    given: str
    own_log: bool
    hung_up: bool = False
    read_again: bool = False
    loaded: float = field(default_factory=time.time)
    """When the settings that hold were read, in seconds since 1970."""
    reading: _Reading | None = None
    next_look: float = 0.0

    def hang_up(self, *_: object) -> None:
        """Take note of SIGHUP."""
        self.hung_up = True

    def pause(self) -> float:
        """Most seconds until `look` is wanted again."""
        if self.reading is None:
            return _IDLE_SECONDS
        return _READING_SECONDS

    def look(
        self, settings: Settings, file: Path, children: Sequence[Child], now: float
    ) -> Settings:
        """Do what is due; returns the current settings, which `file` then contains."""
        asked, self.hung_up = self.hung_up, False
        if asked or now >= self.next_look:
            self.next_look = now + LOG_SECONDS
            self.read_again |= _is_newer(settings.gateway.certificate_file, self.loaded)
            self._keep_logs(settings, children, asked=asked)
        self.read_again = self.read_again or asked
        if self.read_again and self.reading is None:
            self.read_again = False
            self.reading = self._read()
        if self.reading is None or self.reading.process.poll() is None:
            return settings
        read, self.reading = self.reading.settings(), None
        before, self.loaded = self.loaded, time.time()
        if read is None:
            say(
                "log files are opened again; the settings were not reloaded: mend them, and"
                " send SIGHUP again"
            )
            return settings
        return _take_up(settings, read, file, children, before)

    def _keep_logs(self, settings: Settings, children: Sequence[Child], *, asked: bool) -> None:
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

    def _read(self) -> _Reading:
        import tempfile  # megabytes that an idle supervisor does not need

        output = tempfile.TemporaryFile()  # noqa: SIM115 - closed when it was read
        command = [sys.executable, "-m", "kapi.front.cli.starting", self.given]
        return _Reading(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output), output)


def _take_up(
    settings: Settings, read: Settings, file: Path, children: Sequence[Child], loaded: float
) -> Settings:
    new, kept = _merged(settings, read)
    if kept:
        say(f"these settings change by a restart only: {', '.join(kept)}")
    read_at_start = (new.identity.client_ca_file, new.gateway.certificate_file)
    if new == settings and not any(_is_newer(name, loaded) for name in read_at_start):
        say("log files are opened again; no other setting has changed")
        return settings
    write_private(file, json.dumps(to_json_value(new)).encode())
    for child in children:
        if child.listener is not None:
            child.end()
    say("log files are opened again; the settings are reloaded")
    return new


def _is_newer(file: str, than: float) -> bool:
    """Whether a file that is read at start has changed since."""
    try:
        return bool(file) and Path(file).stat().st_mtime > than
    except OSError:
        return False


def _merged(settings: Settings, read: Settings) -> tuple[Settings, list[str]]:
    """The settings that were read, without the fixed ones, and the names of changed fixed ones."""
    kept = []
    before: Any
    after: Any
    for name in _FIXED:
        section, _, key = name.rpartition(".")
        before, after = (getattr(item, section) if section else item for item in (settings, read))
        if getattr(before, key) == getattr(after, key):
            continue
        kept.append(name)
        after = dataclasses.replace(after, **{key: getattr(before, key)})
        change: dict[str, Any] = {section: after}
        read = dataclasses.replace(read, **change) if section else after
    return read, kept
