"""Where a running platform keeps its files: sockets, logs, state, lock. Used by the supervisor, its children and the CLI."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
from pathlib import Path
from typing import Any

from kapi.errors import KapiError
from kapi.settings import Settings, from_json_value, to_json_value

_LONGEST_SOCKET_DIR = 80
"""A Unix socket's path holds at most 107 bytes (104 on macOS), file name included."""
_LOG_BYTES = 5 * 1024 * 1024


def run_dir(settings: Settings) -> Path:
    """Folder of the sockets: below the data directory, or a short private one when that path is too long."""
    inside = settings.data_dir / "run"
    if len(os.fsencode(inside)) <= _LONGEST_SOCKET_DIR:
        return inside
    # Rarely needed, and five megabytes in the small supervisor.
    import hashlib
    import tempfile

    digest = hashlib.sha256(os.fsencode(settings.data_dir)).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"kapi-{os.getuid()}-{digest}"


def control_socket(settings: Settings) -> Path:
    """HTTP of the control process: system APIs."""
    return run_dir(settings) / "control.sock"


def identity_socket(settings: Settings, worker: int) -> Path:
    """HTTP of one identity worker."""
    return run_dir(settings) / f"identity-{worker}.sock"


def admin_socket(settings: Settings) -> Path:
    """Envoy's admin interface."""
    return run_dir(settings) / "admin.sock"


def xds_socket(settings: Settings) -> Path:
    """gRPC of the control process: Envoy's configuration stream."""
    return run_dir(settings) / "xds.sock"


def ledger_socket(settings: Settings) -> Path:
    """HTTP of Envoy for the control process alone: counters, and who may call what."""
    return run_dir(settings) / "ledger.sock"


def refusals_socket(settings: Settings) -> Path:
    """gRPC of the control process: Envoy tells which tokens it refused, and why."""
    return run_dir(settings) / "refusals.sock"


def database_path(settings: Settings) -> Path:
    """The SQLite database."""
    return settings.data_dir / "kapi.db"


def log_path(settings: Settings, name: str) -> Path:
    """Log of one child."""
    return settings.data_dir / "logs" / f"{name}.log"


def prepare_directories(settings: Settings) -> None:
    """Make the data directory and its folders, readable by their owner only.

    Raises KapiError when a folder cannot be made or belongs to somebody else.
    """
    try:
        for folder in (settings.data_dir, settings.data_dir / "logs", run_dir(settings)):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if folder.stat().st_uid != os.getuid():
                raise KapiError("data-dir", f"{folder} belongs to another user", hint="Choose another folder: --data-dir PATH.")
            folder.chmod(0o700)
    except OSError as error:
        raise KapiError(
            "data-dir", f"cannot use {error.filename}: {error.strerror}", hint="Choose another folder: --data-dir PATH."
        ) from error


def prepare_run(settings: Settings) -> Path:
    """Write the checked settings for the supervisor and its children (0600: they hold secrets); return the file."""
    prepare_directories(settings)
    path = settings.data_dir / "run-settings.json"
    write_private(path, json.dumps(to_json_value(settings)).encode())
    return path


def write_private(path: Path, content: bytes) -> None:
    """Replace `path` in one step with `content`, readable by its owner only."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    temporary.replace(path)


def rotate_log(path: Path) -> None:
    """Keep one older file of a log that has grown large."""
    with contextlib.suppress(FileNotFoundError):
        if path.stat().st_size > _LOG_BYTES:
            path.replace(path.with_suffix(".log.1"))


def write_state(data_dir: Path, state: dict[str, Any] | None) -> None:
    """Say what runs (None: nothing) for `kapi status` and `kapi down`."""
    path = data_dir / "state.json"
    if state is None:
        path.unlink(missing_ok=True)
    else:
        write_private(path, json.dumps(state).encode())


def read_state(data_dir: Path) -> dict[str, Any] | None:
    """What runs in this data directory: `{"pid", "ready", "children": {name: {"pid", "restarts"}}}`, or None."""
    try:
        state: dict[str, Any] = json.loads((data_dir / "state.json").read_text("utf-8"))
        os.kill(int(state["pid"]), 0)
    except (FileNotFoundError, ProcessLookupError, PermissionError, ValueError, KeyError, TypeError):
        return None
    return state


def as_running(settings: Settings) -> Settings:
    """The settings with the address of the platform that runs in their data directory: it may have been started with another port."""
    if read_state(settings.data_dir) is None:
        return settings
    try:
        run = from_json_value(json.loads((settings.data_dir / "run-settings.json").read_text("utf-8"))).gateway
    except (OSError, ValueError, KeyError, TypeError):
        return settings
    return dataclasses.replace(settings, gateway=dataclasses.replace(settings.gateway, listen=run.listen, port=run.port))


class Lock:
    """One platform per data directory; the kernel frees the lock when its holder dies."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / "lock"
        self._descriptor = -1

    def acquire(self) -> None:
        """Take it. Raises KapiError when another process has it."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(descriptor, 32).decode("ascii", "replace").strip()
            os.close(descriptor)
            raise KapiError(
                "data-dir",
                f"another kapi (process {holder or 'unknown'}) is running with the data directory {self._path.parent}",
                hint="Stop it with `kapi down`, or choose another: --data-dir PATH.",
            ) from error
        os.ftruncate(descriptor, 0)
        os.write(descriptor, str(os.getpid()).encode())
        self._descriptor = descriptor

    def release(self) -> None:
        """Give it back, if held."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
