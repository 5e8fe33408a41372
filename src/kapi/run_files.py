"""The files of a running platform: sockets, logs, state, lock."""

from __future__ import annotations

import dataclasses
import fcntl
import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kapi.errors import KapiError

if TYPE_CHECKING:
    from kapi.settings import Settings

_LONGEST_SOCKET_DIR = 80
"""A Unix socket's path holds at most 107 bytes (104 on macOS), file name included."""
_ATTEMPTS = 100
_ATTEMPT_SECONDS = 0.01
"""How often and after how long the lock is tried again while another process only looks at it."""


def run_dir(settings: Settings) -> Path:
    """The folder of the sockets: in the data directory, or a short path if that is too long."""
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


def counters_socket(settings: Settings) -> Path:
    """HTTP of Envoy for the control process alone: counters, and who may call what."""
    return run_dir(settings) / "ledger.sock"


def loopback_socket(settings: Settings) -> Path:
    """HTTP of Envoy for the control process alone: backends of deployed APIs."""
    return run_dir(settings) / "loopback.sock"


def rejected_tokens_socket(settings: Settings) -> Path:
    """gRPC of the control process: Envoy reports rejected tokens, with reasons."""
    return run_dir(settings) / "refusals.sock"


def limits_socket(settings: Settings) -> Path:
    """HTTP of the process that counts limits of several nodes."""
    return run_dir(settings) / "limits.sock"


def database_path(settings: Settings) -> Path:
    """The SQLite database."""
    return settings.data_dir / "kapi.db"


def database_of(settings: Settings) -> Path | str:
    """The database: a URL, or the path of the file in the data directory."""
    return settings.store.database or database_path(settings)


def restoring_path(settings: Settings) -> Path:
    """A file that control touches while it restores many APIs before it is ready."""
    return run_dir(settings) / "restoring"


def encodings_path(settings: Settings) -> Path:
    """Resources as control encoded them at its last start."""
    return settings.data_dir / "encodings.json"


def touched(path: Path) -> float:
    """When a file was touched last, in seconds of the monotonic clock; minus infinity: never."""
    try:
        return time.monotonic() - (time.time() - path.stat().st_mtime)
    except OSError:
        return float("-inf")


def node_id(settings: Settings) -> str:
    """The name of this data directory among the nodes of a database; made once."""
    path = settings.data_dir / "node"
    if not path.exists():
        write_private(path, os.urandom(16).hex().encode())
    return path.read_text("ascii")


def log_path(settings: Settings, name: str) -> Path:
    """Log of one child."""
    return settings.data_dir / "logs" / f"{name}.log"


def prepare_data_dir(data_dir: Path) -> None:
    """Make the data directory, readable by its owner only. The lock must be held for the rest.

    Raises KapiError when it cannot be made or belongs to another user.
    """
    _make_private((data_dir,))


def prepare_directories(settings: Settings) -> None:
    """Make the data directory, its folders and the log files readable by their owner only.

    Raises KapiError when a folder cannot be made or belongs to another user.
    """
    logs = settings.data_dir / "logs"
    _make_private((settings.data_dir, logs, run_dir(settings)))
    for path in logs.iterdir():
        if path.is_file():
            path.chmod(0o600)


def _make_private(folders: tuple[Path, ...]) -> None:
    try:
        for folder in folders:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if folder.stat().st_uid != os.getuid():
                raise KapiError(
                    "data-dir",
                    f"{folder} belongs to another user",
                    hint="Choose another folder: --data-dir PATH.",
                )
            folder.chmod(0o700)
    except OSError as error:
        raise KapiError(
            "data-dir",
            f"cannot use {error.filename}: {error.strerror}",
            hint="Choose another folder: --data-dir PATH.",
        ) from error


def settings_path(data_dir: Path) -> Path:
    """The settings that the platform runs with."""
    return data_dir / "run-settings.json"


def prepare_run(settings: Settings) -> Path:
    """Write the checked settings for the supervisor and its children (0600). Returns the file.

    The caller holds the lock: the children of a running platform read this file when they start
    again.
    """
    from kapi.settings import to_json_value

    prepare_directories(settings)
    path = settings_path(settings.data_dir)
    write_private(path, json.dumps(to_json_value(settings)).encode())
    return path


def write_private(path: Path, content: bytes) -> None:
    """Replace `path` in one step with `content`, readable by its owner only."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    temporary.replace(path)


def write_state(data_dir: Path, state: dict[str, Any] | None) -> None:
    """Say what runs (None: nothing) for `kapi status` and `kapi down`."""
    path = data_dir / "state.json"
    if state is None:
        path.unlink(missing_ok=True)
    else:
        write_private(path, json.dumps(state).encode())


def read_state(data_dir: Path) -> dict[str, Any] | None:
    """The state of a platform: `{"pid", "ready", "children": {name: {"pid", …}}}`, or None.

    The lock says whether something runs; the file alone may be left over, and its process id may be
    another program's.
    """
    holder = lock_holder(data_dir)
    if not holder:
        return None
    try:
        state: dict[str, Any] = json.loads((data_dir / "state.json").read_text("utf-8"))
    except (OSError, ValueError):
        return None
    if isinstance(state, dict) and state.get("pid") == holder:
        return state
    return None


def write_reload(settings: Settings, answer: dict[str, Any]) -> None:
    """Say what the last reload of the settings did, for `kapi reload`. It has no secret."""
    write_private(_reload_path(settings), json.dumps(answer).encode())


def read_reload(settings: Settings) -> dict[str, Any]:
    """What the last reload did: `begun`, and what `app/reloading.py` says; else empty."""
    try:
        answer: dict[str, Any] = json.loads(_reload_path(settings).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return answer


def _reload_path(settings: Settings) -> Path:
    return run_dir(settings) / "reload.json"


def as_running(settings: Settings) -> Settings:
    """The settings of the platform that runs in the data directory, which may differ."""
    if read_state(settings.data_dir) is None:
        return settings
    from kapi.settings import from_json_value

    try:
        run = from_json_value(
            json.loads(settings_path(settings.data_dir).read_text("utf-8"))
        )
    except (OSError, ValueError, KeyError, TypeError):
        return settings
    return dataclasses.replace(settings, gateway=run.gateway, identity=run.identity)


def _lock_path(data_dir: Path) -> Path:
    return data_dir / "lock"


def lock_holder(data_dir: Path) -> int | None:
    """The id of the supervisor that holds the lock: 0 while it starts, None without one."""
    try:
        descriptor = os.open(_lock_path(data_dir), os.O_RDONLY)
    except OSError:
        return None
    try:
        if _taken(descriptor, fcntl.LOCK_SH):
            return None
        text = os.read(descriptor, 32)
        if text.isdigit():
            return int(text)
        return 0
    finally:
        os.close(descriptor)


def _taken(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


class Lock:
    """One platform per data directory; the kernel frees the lock when its holder dies.

    `kapi up` takes it before anything is written and passes its descriptor to the supervisor, which
    writes its process id.
    """

    def __init__(self, data_dir: Path, descriptor: int = -1) -> None:
        self._path = _lock_path(data_dir)
        self.descriptor = descriptor

    def acquire(self) -> None:
        """Take it. Raises KapiError when another process holds it."""
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise KapiError(
                "data-dir",
                f"cannot use {self._path}: {error.strerror}",
                hint="Choose another folder: --data-dir PATH.",
            ) from error
        for _ in range(_ATTEMPTS):
            if _taken(descriptor, fcntl.LOCK_EX):
                os.ftruncate(descriptor, 0)
                self.descriptor = descriptor
                return
            # A command that looks whether something runs holds a shared lock for an instant; a
            # platform holds its own.
            if not _taken(descriptor, fcntl.LOCK_SH):
                break
            fcntl.flock(descriptor, fcntl.LOCK_UN)
            time.sleep(_ATTEMPT_SECONDS)
        holder = os.read(descriptor, 32).decode("ascii", "replace").strip()
        os.close(descriptor)
        raise KapiError(
            "data-dir",
            f"another kapi (process {holder or 'unknown'}) is running"
            f" with the data directory {self._path.parent}",
            hint="Stop it with `kapi down`, or choose another: --data-dir PATH.",
        )

    def claim(self) -> None:
        """Write the process id of the holder, for those who ask who holds it."""
        os.set_inheritable(self.descriptor, False)  # noqa: FBT003 - the standard library's
        os.ftruncate(self.descriptor, 0)
        os.pwrite(self.descriptor, str(os.getpid()).encode(), 0)

    def release(self) -> None:
        """Give it back, if held."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1
