"""The supervisor of one machine: starts Envoy, control and the identity workers, mends what dies, stops all cleanly.

It holds no business and imports little, so that it is small and has nothing to fail with. Run by `kapi up` as
`python -m kapi.app.supervisor RUN_SETTINGS LOCK_FD GIVEN`: the lock is held already, and GIVEN says how the settings are read
again (`upkeep.py`, which also takes care of the log files). Listening Unix sockets of the Python children are opened here and handed
down, so a request that arrives while a child is being restarted waits in the socket's queue and is not refused.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kapi.app.children import Child, end_all
from kapi.app.upkeep import Upkeep, say
from kapi.banner import banner
from kapi.errors import FULL, KapiError, StorageFull
from kapi.gateway.envoy.process import process as envoy
from kapi.gateway.envoy.process.output import Output
from kapi.gateway.envoy.process.watch import Watch
from kapi.log_files import is_output
from kapi.run_files import (
    Lock,
    admin_socket,
    control_socket,
    identity_socket,
    log_path,
    run_dir,
    write_private,
    write_state,
)
from kapi.settings import Settings, default_data_dir, from_json_value

READY_SECONDS = 30.0
LOOK_SECONDS = 2.0
"""How often Envoy is asked whether it still answers."""


def _listen(path: Path) -> socket.socket:
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        listener.bind(str(path))
    finally:
        os.umask(before)
    listener.listen(1024)
    return listener


def _refuse_taken_port(settings: Settings) -> None:
    gateway = settings.gateway
    family = socket.AF_INET6 if ":" in gateway.listen else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port in TIME_WAIT is free
        try:
            probe.bind((gateway.listen, gateway.port))
        except OSError as error:
            raise KapiError(
                "address",
                f"cannot listen on {gateway.listen}:{gateway.port}: {error.strerror}",
                hint="Stop what uses it (another `kapi up`? then `kapi down`), or choose another: --port N.",
            ) from error


@dataclass(slots=True)
class Supervisor:
    """The process tree of one `kapi up`."""

    settings: Settings
    settings_file: Path
    upkeep: Upkeep
    children: list[Child] = field(default_factory=list)
    ready: bool = False
    stopping: bool = False
    dirty: bool = True
    look_at: float = 0.0
    watch: Watch = field(default_factory=Watch)

    def build(self) -> None:
        """Open the sockets and put the command lines together."""
        binary = envoy.find_envoy(self.settings.gateway.envoy)
        bootstrap = run_dir(self.settings) / "envoy.json"
        write_private(
            bootstrap, json.dumps(envoy.bootstrap(self.settings, run_dir(self.settings))).encode()
        )
        self._add_python("control", control_socket(self.settings), "/ready")
        for number in range(
            self.settings.identity.workers if self.settings.identity.enabled else 0
        ):
            self._add_python(
                f"identity-{number}", identity_socket(self.settings, number), "/health"
            )
        output = Output(log_path(self.settings, "envoy"))
        command = tuple(envoy.command_line(binary, bootstrap, self.settings))
        self.children.append(Child("envoy", command, output=output))

    def _add_python(self, name: str, path: Path, probe: str) -> None:
        listener = _listen(path)
        command = (
            sys.executable,
            "-m",
            "kapi.app",
            name,
            str(self.settings_file),
            str(listener.fileno()),
        )
        self.children.append(Child(name, command, listener, probe))

    def run(self) -> int:
        """Start everything and keep it alive until a signal; returns the exit code."""
        wake_read, wake_write = socket.socketpair()
        for end in (wake_read, wake_write):
            end.setblocking(False)  # noqa: FBT003 - the standard library's own signature
        signal.set_wakeup_fd(wake_write.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        signal.signal(signal.SIGHUP, self.upkeep.hang_up)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        begun = time.monotonic()
        try:
            while not self.stopping:
                now = time.monotonic()
                self._mend(now)
                if not self.ready:
                    self._see_whether_ready(now, begun)
                if self.dirty:
                    self._write_state()
                if self.ready:
                    self._look_after_envoy(now)
                    self.settings = self.upkeep.look(
                        self.settings, self.settings_file, self.children, now
                    )
                _wait(wake_read, 0.02 if not self.ready else self._next_start(now))
            return 0
        finally:
            self._shut_down()

    def _stop(self, *_: object) -> None:
        self.stopping = True

    def _next_start(self, now: float) -> float:
        waiting = [child.start_at - now for child in self.children if child.process is None]
        return max(0.0, min([self.upkeep.pause(), *waiting]))

    def _mend(self, now: float) -> None:
        for child in self.children:
            if child.reap(now):
                self.dirty = True
                if child.asked:
                    child.start_at = now
                elif self.ready:
                    log = log_path(self.settings, child.name)
                    say(f"{child.name} {child.last_words()}; restarting it (log: {log})")
                elif child.quick_deaths >= 4:
                    raise self._did_not_start(f"{child.name} does not start", child.name)
            if child.process is None and now >= child.start_at:
                child.start(self.settings, now)
                self.dirty = True

    def _look_after_envoy(self, now: float) -> None:
        if now < self.look_at:
            return
        self.look_at = now + LOOK_SECONDS
        for child in self.children:
            if child.output is None or child.process is None or child.asked:
                continue
            if fault := self.watch.fault(self.settings, child.process.pid, now):
                child.kill(fault)

    def _see_whether_ready(self, now: float, begun: float) -> None:
        probes = [
            (Path(child.listener.getsockname()), child.probe)
            for child in self.children
            if child.listener is not None
        ]
        if envoy.ready(admin_socket(self.settings)) and all(
            envoy.answers(path, probe) for path, probe in probes
        ):
            self.ready = self.dirty = True
            say(banner(self.settings, default_data_dir(os.environ), now - begun))
        elif now - begun > READY_SECONDS:
            raise self._did_not_start(f"not ready after {READY_SECONDS:.0f} s", "control")

    def _did_not_start(self, what: str, name: str) -> KapiError:
        lines = (
            log_path(self.settings, name).read_text("utf-8", "replace").strip().splitlines()[-8:]
        )
        hint = f"See {log_path(self.settings, name)}, and try `kapi doctor`."
        return KapiError("start", "\n".join([what, *("  " + line for line in lines)]), hint=hint)

    def _write_state(self) -> None:
        self.dirty = False
        children: dict[str, Any] = {
            child.name: {
                "pid": child.process.pid if child.process else None,
                "restarts": child.restarts,
            }
            for child in self.children
        }
        write_state(
            self.settings.data_dir, {"pid": os.getpid(), "ready": self.ready, "children": children}
        )

    def _shut_down(self) -> None:
        running = {
            child.name: child.process for child in self.children if child.process is not None
        }
        if self.ready and (gateway := running.get("envoy")) is not None and gateway.poll() is None:
            envoy.drain(admin_socket(self.settings), self.settings.gateway.drain_seconds)
        # Envoy last: control reads its counters once more.
        end_all([process for name, process in running.items() if name != "envoy"])
        end_all([process for name, process in running.items() if name == "envoy"])
        write_state(self.settings.data_dir, None)


def _wait(wake: socket.socket, seconds: float) -> None:
    import select

    select.select([wake], [], [], seconds)
    try:
        while wake.recv(4096):
            pass
    except BlockingIOError:
        pass


def main(argv: list[str]) -> int:
    """Run one platform in the foreground; 7 when this machine or its data directory cannot run it."""
    settings_file = Path(argv[0])
    settings = from_json_value(json.loads(settings_file.read_text("utf-8")))
    lock = Lock(settings.data_dir, int(argv[1]))
    os.umask(0o077)  # what the children make is for their owner alone, Envoy's files too
    try:
        lock.claim()
        _refuse_taken_port(settings)
        supervisor = Supervisor(
            settings, settings_file, Upkeep(argv[2], is_output(log_path(settings, "kapi")))
        )
        supervisor.build()
        return supervisor.run()
    except KapiError as error:
        say(
            f"error: {error.title}"
            + (f"\n  {error.detail}" if error.detail else "")
            + (f"\nhint: {error.hint}" if error.hint else "")
        )
        return 7
    except OSError as error:
        if error.errno not in FULL:
            raise
        say(
            f"error: {StorageFull(str(settings.data_dir)).detail}\nhint: Make space, then start again."
        )
        return 7
    except KeyboardInterrupt:  # before the signal handlers stand
        return 130
    finally:
        lock.release()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
