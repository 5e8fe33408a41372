"""What `kapi up` does before the supervisor runs: settings, data directory, lock.

Run as `python -m kapi.front.cli.running.starting GIVEN` it prints the checked settings as JSON: so
the supervisor reads them again.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

from kapi.errors import Diagnostic, Invalid, KapiError, SettingsError
from kapi.front.cli.output import Exit, fail, say
from kapi.front.cli.running.reading import settings_of
from kapi.settings import Settings

_START_SECONDS = 40.0
_SUPERVISOR = "kapi.app.supervisor"
_DATABASE = "--database"
DATABASE_VARIABLE = "KAPI_STORE__DATABASE"


def given(data_dir: Path | None, config: Path | None, flags: dict[str, Any]) -> str:
    """The arguments as text: enough to read the settings again in the same environment."""
    paths = {"data_dir": str(data_dir or ""), "config": str(config or "")}
    return json.dumps({**paths, "flags": flags})


def use_database(address: str | None) -> None:
    """Let this process and its children use a database; None changes nothing.

    Other users see the arguments of a process, and the address may contain a password. So this
    process executes itself again without it, and has it in its environment.
    """
    if address is None:
        return
    os.environ[DATABASE_VARIABLE] = address
    words = without_database(sys.orig_argv)
    if words != sys.orig_argv:
        os.execv(sys.executable, words)  # noqa: S606 - no shell


def without_database(words: Sequence[str]) -> list[str]:
    """The words of a command line without `--database` and its address."""
    left = []
    before = ""
    for word in words:
        is_option = word == _DATABASE or word.startswith(f"{_DATABASE}=")
        if before != _DATABASE and not is_option:
            left.append(word)
        before = word
    return left


def with_port(port: int | None) -> int | None:
    """The port to listen on: 0 is a free one of this machine."""
    if port != 0:
        return port
    import socket

    with socket.create_server(("127.0.0.1", 0)) as probe:
        free: int = probe.getsockname()[1]
        return free


def checked_settings(text: str) -> Settings:
    """The settings that a platform may start with. Raises SettingsError with every mistake."""
    from kapi.settings.start_checks import (
        check_non_production,
        check_secrets,
        check_testing,
        check_traces,
    )

    value = json.loads(text)
    data_dir, config = _path(value["data_dir"]), _path(value["config"])
    settings = settings_of(data_dir, config, **value["flags"])
    mistakes: list[Diagnostic] = []
    for check in (
        check_non_production,
        check_testing,
        check_traces,
        _check_limits,
        _check_issuers,
        check_secrets,
    ):
        try:
            check(settings)
        except SettingsError as error:
            mistakes += error.diagnostics
    if mistakes:
        raise SettingsError(tuple(_placed(mistakes, config)))
    return _finding_itself(settings)


def _finding_itself(settings: Settings) -> Settings:
    """With the powers of a test: the platform reaches test issuers of its own by their names."""
    gateway = settings.gateway
    if not settings.identity.testing:
        return settings
    own = dict.fromkeys(settings.provider_hosts, f"127.0.0.1:{gateway.port}")
    hosts = {**own, **gateway.hosts}
    return replace(settings, gateway=replace(gateway, hosts=hosts))


def _check_limits(settings: Settings) -> None:
    """Raise KapiError if Redis cannot be asked: without its driver, or by this URL."""
    if settings.limits.redis:
        from kapi.gateway.shared_limits.redis_counts import connected

        connected(settings.limits.redis, settings.limits.timeout)


def _path(text: str) -> Path | None:
    if text:
        return Path(text)
    return None


def _placed(
    mistakes: Iterable[Diagnostic], config: Path | None
) -> Iterator[Diagnostic]:
    """The mistakes with their places in kapi.toml, where they have one."""
    from kapi.settings.reading import settings_file
    from kapi.settings.toml import places_of

    file = settings_file(os.environ, Path.cwd(), config)
    if file is None:
        yield from mistakes
        return
    places = places_of(file.read_text("utf-8"))
    for item in mistakes:
        line, column = places.find(item.pointer)
        source = ""
        if line:
            source = file.name
        yield replace(item, line=line, column=column, source=source)


def _check_issuers(settings: Settings) -> None:
    """Raise SettingsError with every mistake in the declared issuers."""
    if not settings.identity.issuers:
        return
    from kapi.identity.issuers.declaration import declare

    mistakes = []
    for number, issuer in enumerate(settings.identity.issuers):
        try:
            declare(issuer, settings.gateway.hosts)
        except Invalid as error:
            for item in error.diagnostics:
                field = (
                    re.sub(r"([A-Z])", r"_\1", item.pointer.removeprefix("#/"))
                    .lower()
                    .replace("/", ".")
                )
                pointer = f"identity.issuers[{number}].{field}"
                mistakes.append(
                    replace(
                        item,
                        message=f"issuer {issuer.name}: {item.message}",
                        pointer=pointer,
                    )
                )
    if mistakes:
        raise SettingsError(tuple(mistakes))


def start(text: str, *, detach: bool) -> None:
    """Run the supervisor in this process, or as another one.

    Raises KapiError if another platform holds the data directory.
    """
    from kapi.run_files import Lock, prepare_data_dir, prepare_run

    settings = checked_settings(text)
    prepare_data_dir(settings.data_dir)
    lock = Lock(settings.data_dir)
    lock.acquire()
    _refuse_newer(settings)
    file = prepare_run(settings)
    if detach:
        _start_detached(settings, file, lock.descriptor, text)
        return
    # By its name, as a process of its own: `app` needs the other half of `front`.
    supervisor = import_module(_SUPERVISOR)
    raise SystemExit(supervisor.supervise(file, lock, text))


def _refuse_newer(settings: Settings) -> None:
    """Raise StorageNewer for a database of a newer version. Nothing is written to it.

    A PostgreSQL database must answer, too: raises StorageUnavailable.
    """
    from kapi.run_files import database_of
    from kapi.store.engine.database import refuse_newer

    refuse_newer(database_of(settings))


def _start_detached(settings: Settings, file: Path, lock: int, text: str) -> None:
    from kapi.banner import banner
    from kapi.log_files import open_log, set_aside
    from kapi.run_files import log_path, read_state
    from kapi.settings import default_data_dir

    command = [sys.executable, "-m", _SUPERVISOR, str(file), str(lock), text]
    log = log_path(settings, "kapi")
    set_aside(log)
    begun = time.monotonic()
    with os.fdopen(open_log(log), "ab") as output:
        before = output.tell()
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            pass_fds=(lock,),
        )
    os.close(lock)
    while time.monotonic() - begun < _START_SECONDS:
        state = read_state(settings.data_dir)
        if state and state["pid"] == process.pid and state.get("ready"):
            say(
                banner(
                    settings,
                    default_data_dir(os.environ),
                    time.monotonic() - begun,
                    detached=True,
                )
            )
            return
        if process.poll() is not None:
            say(log.read_bytes()[before:].decode("utf-8", "replace").rstrip())
            raise SystemExit(process.returncode or Exit.FAILED)
        time.sleep(0.02)
    process.terminate()
    raise KapiError("start", "the platform did not become ready", hint=f"See {log}.")


if __name__ == "__main__":
    try:
        from kapi.settings import to_json_value

        sys.stdout.write(json.dumps(to_json_value(checked_settings(sys.argv[1]))))
    except KapiError as problem:
        from kapi.front.cli.terminal.machine_errors import error_object

        code = fail(problem)
        sys.stdout.write(json.dumps(error_object(problem, code, (), ())))
        sys.exit(code)
