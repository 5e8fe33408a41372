"""`kapi doctor`: what a platform needs, looked at one by one, each fault with its repair."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from kapi.dataclass import dataclass
from kapi.errors import KapiError
from kapi.front.cli.client import Client
from kapi.front.cli.server.local import LocalServer
from kapi.run_files import as_running, database_path, log_path, read_state
from kapi.settings import Settings

_OLDEST_CLOCK = 1_750_000_000
_DAY = 24 * 3600
_RECENT = 600
"""Seconds in which a refused backend is a fault of this moment."""
_TAIL_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: `result` is ok, fail or note."""

    check: str
    result: str
    detail: str
    repair: str = ""


def examine(settings: Settings) -> tuple[Finding, ...]:
    """All checks, in the order in which things are needed."""
    running = as_running(settings)
    return tuple(check(running) for check in CHECKS)


def envoy_version(settings: Settings) -> str:
    """The version of the Envoy binary. Raises EnvoyNotFound."""
    from kapi.gateway.envoy.process.process import find_envoy

    try:
        done = subprocess.run(
            [str(find_envoy(settings.gateway.envoy)), "--version"],
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise KapiError(
            "envoy",
            f"Envoy does not run: {error}",
            hint="Name another binary: gateway.envoy in kapi.toml.",
        ) from error
    parts = done.stdout.rpartition("version:")[2].strip().split("/")
    if len(parts) > 1:
        return parts[1]
    return "unknown"


def _python(_: Settings) -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    good = sys.version_info >= (3, 11)
    return _finding(
        "Python 3.11 or newer", version, "Install a newer Python.", good=good
    )


def _finding(check: str, detail: str, repair: str, *, good: bool) -> Finding:
    """A passed check, or a failed one with its repair."""
    if good:
        return Finding(check, "ok", detail)
    return Finding(check, "fail", detail, repair)


def _envoy(settings: Settings) -> Finding:
    try:
        return Finding("Envoy runs", "ok", envoy_version(settings))
    except KapiError as error:
        return Finding("Envoy runs", "fail", error.detail or error.title, error.hint)


def _clock(_: Settings) -> Finding:
    shown = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
    good = time.time() > _OLDEST_CLOCK
    return _finding("clock", shown, "Set the clock: tokens carry times.", good=good)


def _files(settings: Settings) -> Finding:
    if not settings.data_dir.exists():
        return Finding(
            "data directory is private",
            "note",
            f"{settings.data_dir} is made at the first start",
        )
    paths = (
        settings.data_dir,
        database_path(settings),
        settings.data_dir / "run-settings.json",
        *settings.data_dir.glob("tls/*"),
        *settings.data_dir.glob("logs/*"),
    )
    readable = ", ".join(str(path) for path in paths if _is_open_to_others(path))
    if readable:
        repair = f"chmod -R go= {settings.data_dir}"
        return Finding("data directory is private", "fail", readable, repair)
    return Finding("data directory is private", "ok", str(settings.data_dir))


def _is_open_to_others(path: Path) -> bool:
    return path.exists() and bool(path.stat().st_mode & 0o077)


def _port(settings: Settings) -> Finding:
    where = f"{settings.gateway.listen}:{settings.gateway.port}"
    if read_state(settings.data_dir):
        return Finding("port", "ok", f"{where} is ours")
    with socket.socket(
        socket.AF_INET6 if ":" in settings.gateway.listen else socket.AF_INET,
        socket.SOCK_STREAM,
    ) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.gateway.listen, settings.gateway.port))
        except OSError as error:
            return Finding(
                "port",
                "fail",
                f"{where}: {error.strerror}",
                "Stop what uses it, or choose another: --port N.",
            )
    return Finding("port", "ok", f"{where} is free")


def _platform(settings: Settings) -> Finding:
    if read_state(settings.data_dir) is None:
        return Finding(
            "platform answers", "note", "not running", "Start it with `kapi up`."
        )
    try:
        client = Client(settings, server=LocalServer(settings))
        if not client.ready():
            return Finding(
                "platform answers",
                "fail",
                "not ready",
                f"See {settings.data_dir / 'logs'}.",
            )
        if not settings.identity.enabled:
            return Finding(
                "platform answers",
                "ok",
                "gateway and control answer; there is no inbuilt identity provider",
            )
        client.token()
    except KapiError as error:
        return Finding("platform answers", "fail", error.title, error.hint)
    return Finding("platform answers", "ok", "gateway, control and identity answer")


def _names(settings: Settings) -> Finding:
    own = (settings.identity.host,) if settings.identity.enabled else ()
    names = (*own, settings.gateway.api_host, f"default.{settings.gateway.domain}")
    unknown = []
    for name in names:
        try:
            socket.getaddrinfo(name, None)
        except OSError:
            unknown.append(name)
    if not unknown:
        return Finding("host names", "ok", "resolve")
    hint = f"curl --resolve, or in /etc/hosts: 127.0.0.1 {' '.join(names)}"
    if settings.gateway.localhost_names:
        others = (
            f"idp.localhost, api.localhost and default.{settings.gateway.domains[-1]}"
        )
        hint = f"Browsers and curl find {others} without it; for other programs: {hint}"
    return Finding(
        "host names", "note", f"{' '.join(unknown)} do not resolve here", hint
    )


def _backends(settings: Settings) -> Finding:
    """The https backends whose certificates were refused in the last day, from their log."""
    from kapi.gateway.envoy.resources.backend_log import explained

    now, found = time.time(), {}
    for line in _last_lines(log_path(settings, "backends")):
        with contextlib.suppress(ValueError, KeyError, TypeError):
            entry = json.loads(line)
            age = now - datetime.fromisoformat(entry["time"]).timestamp()
            meaning, repair = explained(str(entry["reason"]))
            if age < _DAY:
                found[str(entry["backend"]), meaning] = (age, repair)
    if not found:
        return Finding("https backends", "ok", "none was refused in the last day")
    recent = min(age for age, _ in found.values()) < _RECENT
    detail = "; ".join(
        f"{backend} is not believed: {meaning}" for backend, meaning in found
    )
    return Finding(
        "https backends",
        "fail" if recent else "note",
        detail,
        " ".join(dict.fromkeys(text for _, text in found.values())),
    )


def _last_lines(path: Path) -> list[str]:
    """The end of a log; nothing when there is none."""
    try:
        with path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - _TAIL_BYTES))
            return file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return []


CHECKS: tuple[Callable[[Settings], Finding], ...] = (
    _python,
    _envoy,
    _clock,
    _files,
    _port,
    _platform,
    _names,
    _backends,
)
