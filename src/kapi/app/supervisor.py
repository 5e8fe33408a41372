"""The supervisor: starts Envoy, control and the identity workers, restarts and stops them.

It has no business logic. `kapi up` continues as the supervisor, and `kapi up --detach` runs it as
`python -m kapi.app.supervisor RUN_SETTINGS LOCK_FD GIVEN`; the lock is held already, and GIVEN are
the arguments with which `reloading.py` reads the settings again. It opens the Unix sockets of its
Python children and passes them on: while a child restarts, requests wait in the queue of its
socket. It imports what all Python children need, and forks them (`forking.py`).
"""

from __future__ import annotations

import gc
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import field
from pathlib import Path

from kapi.app.children import Child, end_all
from kapi.app.reloading import Reloading
from kapi.app.upkeep import Upkeep
from kapi.banner import banner
from kapi.dataclass import dataclass
from kapi.errors import FULL, KapiError, StorageFull
from kapi.forking import run_forkable
from kapi.gateway.envoy.process import process as envoy
from kapi.gateway.envoy.process.output import Output
from kapi.gateway.envoy.process.watch import Watch
from kapi.log_files import is_output, say
from kapi.run_files import (
    Lock,
    admin_socket,
    control_socket,
    identity_socket,
    limits_socket,
    log_path,
    restoring_path,
    run_dir,
    touched,
    write_private,
    write_state,
)
from kapi.settings import Settings, default_data_dir, from_json_value

READY_SECONDS = 30.0
"""How long the start may take without progress: thousands of APIs are rendered for longer."""
LOOK_SECONDS = 2.0
"""Seconds between two checks that Envoy answers."""


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
    family = socket.AF_INET
    if ":" in gateway.listen:
        family = socket.AF_INET6
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(
            socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
        )  # a port in TIME_WAIT is free
        try:
            probe.bind((gateway.listen, gateway.port))
        except OSError as error:
            raise KapiError(
                "address",
                f"cannot listen on {gateway.listen}:{gateway.port}: {error.strerror}",
                hint="Stop what uses it (another `kapi up`? then `kapi down`),"
                " or choose another: --port N.",
            ) from error


@dataclass(slots=True)
class Supervisor:
    """The process tree of one `kapi up`."""

    settings: Settings
    settings_file: Path
    upkeep: Upkeep
    lock: Lock
    wake: tuple[socket.socket, ...] = ()
    children: list[Child] = field(default_factory=list)
    ready: bool = False
    stopping: bool = False
    dirty: bool = True
    look_at: float = 0.0
    watch: Watch = field(default_factory=Watch)

    def build(self) -> None:
        """Open the sockets and build the command lines."""
        restoring_path(self.settings).unlink(missing_ok=True)
        binary = envoy.find_envoy(self.settings.gateway.envoy)
        bootstrap = run_dir(self.settings) / "envoy.json"
        write_private(
            bootstrap,
            json.dumps(envoy.bootstrap(self.settings, run_dir(self.settings))).encode(),
        )
        command = tuple(envoy.command_line(binary, bootstrap, self.settings))
        self.children += [
            self._python_child("control", control_socket(self.settings), "/ready"),
            *self._identity_workers(),
            *self._limits(),
            Child("envoy", command, output=Output(log_path(self.settings, "envoy"))),
        ]

    def _identity_workers(self) -> list[Child]:
        identity = self.settings.identity
        if not identity.enabled:
            return []
        return [
            self._python_child(
                f"identity-{number}", identity_socket(self.settings, number), "/health"
            )
            for number in range(identity.workers)
        ]

    def _limits(self) -> list[Child]:
        if not self.settings.limits.redis:
            return []
        return [self._python_child("limits", limits_socket(self.settings), "/health")]

    def _python_child(self, name: str, path: Path, probe: str) -> Child:
        listener = _listen(path)
        given = (name, str(self.settings_file), str(listener.fileno()))
        return Child(name, arguments=given, listener=listener, probe=probe)

    def run(self) -> int:
        """Run all children until a signal, and restart those that end. Returns the exit code."""
        self.wake = wake_read, wake_write = socket.socketpair()
        for end in self.wake:
            end.setblocking(False)  # noqa: FBT003 - the standard library's own signature
        signal.set_wakeup_fd(wake_write.fileno(), warn_on_full_buffer=False)
        for number, handler in self._signals().items():
            signal.signal(number, handler)
        begun, own = time.monotonic(), os.getpid()
        try:
            while not self.stopping:
                _wait(wake_read, self._step(time.monotonic(), begun))
            return 0
        finally:
            if os.getpid() == own:  # not in a child
                self._shut_down()

    def _signals(self) -> Mapping[signal.Signals, Callable[..., None]]:
        return {
            signal.SIGTERM: self._stop,
            signal.SIGINT: self._stop,
            signal.SIGHUP: self.upkeep.hang_up,
            signal.SIGCHLD: lambda *_: None,
        }

    def _step(self, now: float, begun: float) -> float:
        """Do what is due; returns the seconds until the next step."""
        self._start_children(now)
        if not self.ready:
            self._check_readiness(now, begun)
        if self.dirty:
            self._write_state()
        if not self.ready:
            return 0.02
        self._check_envoy(now)
        self.settings = self.upkeep.look(
            self.settings, self.settings_file, self.children, now
        )
        return self._next_start(now)

    def _stop(self, *_: object) -> None:
        self.stopping = True

    def _next_start(self, now: float) -> float:
        waiting = []
        for child in self.children:
            if child.process is None:
                waiting.append(child.start_at - now)
        return max(0.0, min([self.upkeep.pause(), *waiting]))

    def _leave(self) -> None:
        """Close what belongs to the supervisor and to other children. Called in a child."""
        for child in self.children:
            if child.listener is not None:
                child.listener.close()
        for end in self.wake:
            end.close()
        self.upkeep.reloading.leave()
        self.lock.release()

    def _start_children(self, now: float) -> None:
        """Start the children that are due, and note those that ended.

        Envoy is first: it starts while this process imports what the others need.
        """
        for child in sorted(self.children, key=lambda item: item.listener is not None):
            if child.kill_if_overdue(now):
                say(f"{child.name} {child.fault}; it was killed")
            if child.reap(now):
                self.dirty = True
                if child.asked:
                    child.start_at = now
                elif self.ready:
                    log = log_path(self.settings, child.name)
                    say(
                        f"{child.name} {child.last_words()}; restarting it (log: {log})"
                    )
                elif child.quick_deaths >= 4:
                    raise self._did_not_start(
                        f"{child.name} does not start", child.name
                    )
            if child.process is None and now >= child.start_at:
                child.start(self.settings, now, self._leave)
                self.dirty = True

    def _check_envoy(self, now: float) -> None:
        if now < self.look_at:
            return
        self.look_at = now + LOOK_SECONDS
        for child in self.children:
            if child.output is None or child.process is None or child.asked:
                continue
            fault = self.watch.fault(self.settings, child.process.pid, now)
            if fault:
                child.kill(fault)

    def _check_readiness(self, now: float, begun: float) -> None:
        probes = []
        for child in self.children:
            if child.listener is not None:
                probes.append((Path(child.listener.getsockname()), child.probe))
        if envoy.ready(admin_socket(self.settings)) and all(
            envoy.answers(path, probe) for path, probe in probes
        ):
            self.ready = self.dirty = True
            gc.enable()
            say(banner(self.settings, default_data_dir(os.environ), now - begun))
        elif now - max(begun, touched(restoring_path(self.settings))) > READY_SECONDS:
            raise self._did_not_start(
                f"not ready after {READY_SECONDS:.0f} s", "control"
            )

    def _did_not_start(self, what: str, name: str) -> KapiError:
        log = log_path(self.settings, name)
        lines = log.read_text("utf-8", "replace").strip().splitlines()[-8:]
        text = "\n  ".join([what, *lines])
        return KapiError("start", text, hint=f"See {log}, and try `kapi doctor`.")

    def _write_state(self) -> None:
        self.dirty = False
        children = {child.name: child.state() for child in self.children}
        state = {"pid": os.getpid(), "ready": self.ready, "children": children}
        write_state(self.settings.data_dir, state)

    def _shut_down(self) -> None:
        running = {}
        for child in self.children:
            if child.process is not None:
                running[child.name] = child.process
        if (
            self.ready
            and (gateway := running.get("envoy")) is not None
            and gateway.poll() is None
        ):
            envoy.drain(
                admin_socket(self.settings), self.settings.gateway.drain_seconds
            )
        last = running.pop("envoy", None)
        end_all(list(running.values()))
        # Envoy is last: control reads its counters once more.
        if last is not None:
            end_all([last])
        write_state(self.settings.data_dir, None)


def _wait(wake: socket.socket, seconds: float) -> None:
    import select

    select.select([wake], [], [], seconds)
    try:
        while wake.recv(4096):
            pass
    except BlockingIOError:
        pass


def _text_of(error: KapiError) -> str:
    detail = ""
    if error.detail:
        detail = f"\n  {error.detail}"
    hint = ""
    if error.hint:
        hint = f"\nhint: {error.hint}"
    return f"error: {error.title}{detail}{hint}"


def supervise(settings_file: Path, lock: Lock, given: str) -> int:
    """Run one platform until a signal. The exit code.

    It is 7 if the machine or the data directory prevents it.
    """
    settings = from_json_value(json.loads(settings_file.read_text("utf-8")))
    gc.disable()  # Until all is imported, there is nothing to collect.
    # What the children make is for their owner alone, Envoy's files too.
    os.umask(0o077)
    try:
        lock.claim()
        _refuse_taken_port(settings)
        supervisor = Supervisor(
            settings,
            settings_file,
            Upkeep(Reloading(given), is_output(log_path(settings, "kapi"))),
            lock,
        )
        supervisor.build()
        return supervisor.run()
    except KapiError as error:
        say(_text_of(error))
        return 7
    except OSError as error:
        if error.errno not in FULL:
            raise
        full = StorageFull(str(settings.data_dir))
        say(f"error: {full.detail}\nhint: Make space, then start again.")
        return 7
    except KeyboardInterrupt:  # before the signal handlers are set
        return 130
    finally:
        lock.release()


def main() -> int:
    """Run the platform of `kapi up --detach`."""
    settings_file, descriptor, given = sys.argv[1:]
    lock = Lock(Path(settings_file).parent, int(descriptor))
    return supervise(Path(settings_file), lock, given)


if __name__ == "__main__":
    sys.exit(run_forkable(main))
