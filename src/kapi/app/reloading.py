"""Reads the settings of a running platform again, and restarts its Python children with them.

The settings are read by a process of its own (`front/cli/running/starting.py`), so that the
supervisor stays small. `kapi reload` shows what came of it. Called by `upkeep.py`.
"""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import field
from pathlib import Path
from typing import IO, Any

from kapi.app.children import Child
from kapi.dataclass import dataclass
from kapi.log_files import say
from kapi.run_files import write_private, write_reload
from kapi.settings import Settings, from_json_value, to_json_value
from kapi.settings.reloading.reloaded import Reloaded, reloaded

LONGEST_READING = 45.0
"""Seconds after which a process that reads the settings is killed: a file may never be there."""


@dataclass(slots=True)
class _Reading:
    """A process that reads the settings again into a file without a name: they hold secrets."""

    process: subprocess.Popen[bytes]
    output: IO[bytes]
    begun: float
    """In seconds since 1970."""
    kill_at: float
    """When it is killed, by the clock of `look`."""

    def is_over(self, now: float) -> bool:
        """Whether it ended; it is killed if it takes too long."""
        if self.process.poll() is not None:
            return True
        if now >= self.kill_at:
            self.process.kill()
        return False

    def settings(self) -> Settings | dict[str, Any]:
        """What it read, or the error for programs; it has explained that to people."""
        with self.output:
            self.output.seek(0)
            content = self.output.read()
        if self.process.returncode == 0:
            return from_json_value(json.loads(content))
        try:
            error: dict[str, Any] = json.loads(content)
        except ValueError:
            message = f"the process that reads the settings ended with {self.process.returncode}"
            return {"code": "unexpected", "message": message}
        return error


@dataclass(slots=True)
class Reloading:
    """When settings are read, and what comes of it. `given` are the arguments of `kapi up`."""

    given: str
    wanted: bool = False
    """Whether the settings are read again when none are being read."""
    loaded: float = field(default_factory=time.time)
    """When the settings that hold were read, in seconds since 1970."""
    tried: float = 0.0
    """When settings were read last, with or without mistakes."""
    reading: _Reading | None = None

    def look_at_certificate(self, settings: Settings) -> None:
        """Read the settings again if the certificate of the gateway has changed."""
        since = max(self.loaded, self.tried)
        self.wanted |= _is_newer(settings.gateway.certificate_file, since)

    def look(
        self, settings: Settings, file: Path, children: Sequence[Child], now: float
    ) -> Settings:
        """Begin to read, or take up what was read; returns the current settings."""
        if self.wanted and self.reading is None:
            self.wanted = False
            self.reading = self._read(now)
        if self.reading is None or not self.reading.is_over(now):
            return settings
        reading, self.reading = self.reading, None
        self.tried = reading.begun
        read = reading.settings()
        if isinstance(read, dict):
            say(
                "log files are opened again; the settings were not reloaded: mend them, and"
                " send SIGHUP again"
            )
            write_reload(settings, {"begun": reading.begun, "error": read})
            return settings
        before, self.loaded = self.loaded, reading.begun
        found = reloaded(settings, read)
        files, pids = _newer_files(found.settings, before), {}
        if found.taken_up or files:
            pids = _restarted(found.settings, file, children, now)
        _tell(found, changed=bool(pids))
        answer = {
            "begun": reading.begun,
            "pids": pids,
            "taken_up": list(map(dataclasses.asdict, found.taken_up)),
            "left": list(map(dataclasses.asdict, found.left)),
            "files": files,
        }
        write_reload(settings, answer)
        return found.settings

    def leave(self) -> None:
        """Close what a reading process writes to. Called in a child."""
        if self.reading is not None:
            self.reading.output.close()

    def _read(self, now: float) -> _Reading:
        import tempfile  # megabytes that an idle supervisor does not need

        output = tempfile.TemporaryFile()  # noqa: SIM115 - closed when it was read
        command = [sys.executable, "-m", "kapi.front.cli.running.starting", self.given]
        begun = time.time()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output)
        return _Reading(process, output, begun, now + LONGEST_READING)


def _newer_files(settings: Settings, loaded: float) -> list[str]:
    """The files that are read at start and have changed since."""
    named = (settings.identity.client_ca_file, settings.gateway.certificate_file)
    return [name for name in named if _is_newer(name, loaded)]


def _restarted(
    settings: Settings, file: Path, children: Sequence[Child], now: float
) -> dict[str, int]:
    """Let the Python children start again with these settings; their process ids until then."""
    write_private(file, json.dumps(to_json_value(settings)).encode())
    pids = {}
    for child in children:
        if child.listener is None:
            continue
        pids[child.name] = child.process.pid if child.process else 0
        child.end(now)
    return pids


def _tell(found: Reloaded, *, changed: bool) -> None:
    if found.left:
        names = ", ".join(change.name for change in found.left)
        say(f"these settings change by a restart only: {names}")
    if changed:
        say("log files are opened again; the settings are reloaded")
    else:
        say("log files are opened again; no other setting has changed")


def _is_newer(file: str, than: float) -> bool:
    """Whether a file that is read at start has changed since."""
    try:
        return bool(file) and Path(file).stat().st_mtime > than
    except OSError:
        return False
